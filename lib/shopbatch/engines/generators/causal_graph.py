"""A causal language model as an OpenVINO graph that keeps its own keys and values, in the form that GenAI reads.

Inputs: input_ids, attention_mask, position_ids int64 [n, tokens] and beam_idx int32 [n]; output: logits [n, tokens,
vocabulary]. GenAI finds the attention in the form that is traced here, and replaces it by paged attention.
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
_SMALL = 4096  # matrices of fewer values keep their precision in an 8-bit graph


def causal_graph(folder: Path) -> Any:
    """Trace the model of a folder.

    Returns:
        A stateful ov.Model in fp32.

    Raises:
        ModelError: The model cannot be loaded or traced.
    """
    model = load_for_generation(folder)
    config = model.config
    heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
    layers = int(config.num_hidden_layers)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
    # 4 tokens after 3 earlier ones: tracing would fix every dimension whose example size is 1
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
        port.get_node().set_friendly_name(name)  # GenAI finds some inputs by one name and some by the other
    for port, name in zip(graph.outputs, ["logits", *(f"present.{s}" for s in slots)], strict=True):
        port.get_tensor().set_names({name})
    _keep_state(graph, slots, (heads, size))
    return graph


def to_int8(graph: Any) -> None:
    """Turn the weights of matrices and of the embedding into 8-bit integers with one scale per row, in place.

    The scale of a row is its greatest absolute value / 127.

    Args:
        graph: An ov.Model in fp32.
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
    """Keys and values in the interface of transformers' cache, whose own class begins empty and cannot be traced."""

    def __init__(self, past: tuple[torch.Tensor, ...]) -> None:
        self.past = past
        self.present: list[torch.Tensor] = []

    def update(self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        at = 2 * layer_idx
        grown = [torch.cat([self.past[at], keys], 2), torch.cat([self.past[at + 1], values], 2)]
        self.present += grown
        return grown[0], grown[1]

    def get_seq_length(self, *_: Any) -> int:
        return self.past[0].shape[2]


class _Step(nn.Module):
    """One step of generation.

    From ids, mask, positions and the earlier keys and values of every layer: the logits, and keys and values that end
    with those of the ids.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, *past: torch.Tensor) -> Any:
        cache = _Past(past)
        # the additive four-dimensional form of the mask: the way transformers makes it cannot be traced
        columns = torch.arange(mask.shape[1])
        rows = torch.arange(ids.shape[1]) + (mask.shape[1] - ids.shape[1])
        seen = (columns[None, :] <= rows[:, None])[None, None] & (mask[:, None, None, :] > 0)
        additive = torch.where(seen, 0.0, torch.finfo(torch.float32).min)
        out = self.model(
            input_ids=ids, attention_mask=additive, position_ids=positions, past_key_values=cache, use_cache=True
        )
        return (out.logits, *cache.present)


def _keep_state(graph: Any, slots: list[str], shape: tuple[int, int]) -> None:
    """Make the keys and values variables of the graph, empty at first. shape: the number of heads, the size of one."""
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
