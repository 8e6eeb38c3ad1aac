"""Converts a causal language model into a stateful OpenVINO graph, in the form that OpenVINO GenAI can load.

Inputs: input_ids, attention_mask and position_ids, int64 [n, tokens], and beam_idx, int32 [n]. Output: logits [n,
tokens, vocabulary]. The graph stores the keys and values of earlier tokens itself. GenAI recognises the attention in
the form that is traced here, and replaces it by paged attention.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops
from openvino._offline_transformations import apply_make_stateful_transformation
from torch import nn

from shopbatch.core.errors import one_line
from shopbatch.engines.generators.torch_generator import load_for_generation
from shopbatch.engines.openvino_graphs import quiet_tracing
from shopbatch.models.folder import ModelError

_INPUTS = ("input_ids", "attention_mask", "position_ids")
_SMALL = 4096  # smaller matrices stay in fp32 in an 8-bit graph


def causal_graph(folder: Path) -> Any:
    """Trace the causal language model of a folder.

    Args:
        folder: The model folder on this machine.

    Returns:
        A stateful `ov.Model` in fp32.

    Raises:
        ModelError: The model cannot be loaded or traced.
    """
    model = load_for_generation(folder)
    config = model.config
    heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
    layers = int(config.num_hidden_layers)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
    # 4 tokens after 3 earlier ones, because tracing would fix a dimension of size 1
    past = [torch.zeros((2, heads, 3, size)) for _ in range(2 * layers)]
    ids, mask = torch.ones((2, 4), dtype=torch.int64), torch.ones((2, 7), dtype=torch.int64)
    positions = torch.arange(3, 7).repeat(2, 1)
    shapes = [[-1, -1]] * len(_INPUTS) + [[-1, heads, -1, size]] * len(past)
    try:
        with quiet_tracing():
            graph = ov.convert_model(_Step(model), example_input=(ids, mask, positions, *past), input=shapes)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ModelError(f"{folder}: OpenVINO cannot trace it: {one_line(error, 300)}") from None
    slots = [f"{i}.{part}" for i in range(layers) for part in ("key", "value")]
    for port, name in zip(graph.inputs, [*_INPUTS, *(f"past_key_values.{s}" for s in slots)], strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)  # GenAI looks up some inputs by the first name and some by this one
    for port, name in zip(graph.outputs, ["logits", *(f"present.{s}" for s in slots)], strict=True):
        port.get_tensor().set_names({name})
    _keep_state(graph, slots, (heads, size))
    return graph


def to_int8(graph: Any) -> None:
    """Quantise the weight matrices and the embedding of a graph to 8-bit integers with one scale per row, in place.

    The scale of a row is its maximum absolute value / 127. Matrices of fewer than 4,096 values stay in fp32.

    Args:
        graph: An `ov.Model` in fp32.
    """
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32:
            continue
        if len(node.shape) != 2 or int(np.prod(list(node.shape))) < _SMALL:
            continue
        weights = np.array(node.data, np.float32)
        scale = np.maximum(np.abs(weights).max(axis=1, keepdims=True), np.float32(1e-12)) / np.float32(127)
        rounded = ops.constant(np.rint(weights / scale).astype(np.int8))
        rounded.set_friendly_name(node.get_friendly_name())
        consumers = node.output(0).get_target_inputs()
        restored = ops.multiply(ops.convert(rounded, "f32"), ops.constant(scale.astype(np.float32)))
        for consumer in consumers:
            consumer.replace_source_output(restored.output(0))
    graph.validate_nodes_and_infer_types()


class _Past:
    """A key-value cache with the interface of transformers' own cache, which starts empty and cannot be traced."""

    def __init__(self, past: tuple[torch.Tensor, ...]) -> None:
        self.past = past
        self.present: list[torch.Tensor] = []

    def update(self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        """Append a layer's new keys and values to its earlier ones, and return all of its keys and values."""
        at = 2 * layer_idx
        grown = [torch.cat([self.past[at], keys], 2), torch.cat([self.past[at + 1], values], 2)]
        self.present += grown
        return grown[0], grown[1]

    def get_seq_length(self, *_: Any) -> int:
        """Return the number of earlier tokens."""
        return self.past[0].shape[2]


class _Step(nn.Module):
    """One step of generation as a module that can be traced: from new tokens and earlier keys and values to logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, *past: torch.Tensor) -> Any:
        """Return the logits, followed by the keys and values of each layer, extended by those of the new tokens.

        Args:
            ids: New token ids, int64 [n, tokens].
            mask: 1 for tokens and 0 for padding, int64 [n, earlier + new tokens].
            positions: Positions of the new tokens, int64 [n, tokens].
            past: Earlier keys and values of each layer in turn, float32 [n, heads, earlier tokens, size].
        """
        cache = _Past(past)
        # the additive form of the mask; transformers' own code for it cannot be traced
        columns = torch.arange(mask.shape[1])
        rows = torch.arange(ids.shape[1]) + (mask.shape[1] - ids.shape[1])
        seen = (columns[None, :] <= rows[:, None])[None, None] & (mask[:, None, None, :] > 0)
        additive = torch.where(seen, 0.0, torch.finfo(torch.float32).min)
        out = self.model(
            input_ids=ids, attention_mask=additive, position_ids=positions, past_key_values=cache, use_cache=True
        )
        return (out.logits, *cache.present)


def _keep_state(graph: Any, slots: list[str], shape: tuple[int, int]) -> None:
    """Turn the key and value inputs and outputs of a graph into its internal variables, which are empty at first.

    Args:
        graph: The traced `ov.Model`, changed in place.
        slots: Names of the variables, such as "0.key" and "0.value" for layer 0.
        shape: Number of key-value heads, and size of a head.
    """
    beam = ops.parameter([-1], np.int32, name="beam_idx")
    beam.output(0).get_tensor().set_names({"beam_idx"})
    graph.add_parameters([beam])
    for slot in slots:
        port = graph.input(f"past_key_values.{slot}")
        consumers = port.get_target_inputs()
        gathered = ops.gather(port, beam, ops.constant(0))
        for consumer in consumers:
            consumer.replace_source_output(gathered.output(0))
    graph.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(graph, {f"past_key_values.{slot}": f"present.{slot}" for slot in slots})
    rows = ops.gather(ops.shape_of(graph.input("input_ids")), ops.constant([0]), ops.constant(0))
    empty = ops.concat([rows, ops.constant(np.array([shape[0], 0, shape[1]], np.int64))], 0)
    for node in graph.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([ops.broadcast(ops.constant(np.float32(0)), empty)])
    graph.validate_nodes_and_infer_types()
