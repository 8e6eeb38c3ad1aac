"""Cross-encoders: a query and a text are read together, and one number says how well they fit.

Any sequence-classification model of transformers with one label (its logit is the score) or two (the difference of the
second and the first).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn

from shopbatch.core.errors import one_line
from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import OpenVinoConfig, TorchConfig
from shopbatch.engines.tokens import Batch, Reader
from shopbatch.models.folder import ModelError, local
from shopbatch.models.loading import load_sequence_classifier

EXPORT_VERSION = 1  # of the graph that OpenVINO reads


class PairReader(Reader):
    """Turns pairs of texts into token ids; of a pair that is too long the second text is cut."""

    def __init__(self, folder: Path, max_tokens: int, batch_tokens: int) -> None:
        super().__init__(folder, "", max_tokens, batch_tokens)
        self.tokenizer.enable_truncation(max_tokens, strategy="longest_first")

    def rows(self, texts: pa.Array) -> list[list[int]]:
        """Return the token ids of each pair; `texts` are structs of two strings."""
        return [e.ids for e in self._encoded(texts)]

    def with_types(self, texts: pa.Array) -> tuple[Batch, np.ndarray]:
        """Tokenize at least one pair; also which of the two texts a token is of, int64 [n, longest]."""
        encoded = self._encoded(texts)
        lengths = np.array([len(e.ids) for e in encoded], np.int32)
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids, types = np.full(mask.shape, self.pad, np.int64), np.zeros(mask.shape, np.int64)
        ids[mask] = np.concatenate([np.asarray(e.ids, np.int64) for e in encoded])
        types[mask] = np.concatenate([np.asarray(e.type_ids, np.int64) for e in encoded])
        return Batch(ids, mask.astype(np.int64), lengths), types

    def _encoded(self, texts: pa.Array) -> list[Any]:
        first, second = (pc.utf8_slice_codeunits(texts.field(n), 0, self.characters).to_pylist() for n in (0, 1))
        return list(self.tokenizer.encode_batch_fast(list(zip(first, second, strict=True))))


class CrossEncoder(Protocol):
    """Scores pairs of texts. A score does not depend on the rest of its batch (except for rounding)."""

    reader: PairReader

    def score(self, pairs: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Score one batch of pairs, structs of two strings without nulls.

        Returns:
            Scores, float32 [n], and the tokens of each pair, int32 [n].

        Raises:
            EngineError: The backend failed.
        """


class Classifier(nn.Module):
    """A sequence-classification model whose answer is one number.

    Args:
        model: The transformers model.
        additive_mask: Give the model the additive four-dimensional form of the mask, with which it can be traced.
    """

    def __init__(self, model: Any, additive_mask: bool = False) -> None:
        super().__init__()
        self.model: Any = model
        self.additive_mask = additive_mask
        self.labels = int(model.config.num_labels)
        # a model with one type of token has no weights for a second text
        self.has_types = int(getattr(model.config, "type_vocab_size", 0) or 0) > 1

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None) -> torch.Tensor:
        """Return scores, float32 [n], of ids, mask and types, int64 [n, longest] each."""
        dtype = self.model.dtype
        attention = mask
        if self.additive_mask:
            attention = (1.0 - mask[:, None, None, :].to(dtype)) * torch.finfo(dtype).min
        given = {"token_type_ids": types} if self.has_types and types is not None else {}
        logits = self.model(input_ids=ids, attention_mask=attention, **given).logits.to(torch.float32)
        score: torch.Tensor = logits[:, 0] if self.labels == 1 else logits[:, 1] - logits[:, 0]
        return score


def load_cross_encoder(folder: Path, dtype: str = "float32", additive_mask: bool = False) -> Classifier:
    """Load a cross-encoder, ready to infer.

    Raises:
        ModelError: Weights are missing, also those of the head, or it has more than two labels.
    """
    model = load_sequence_classifier(folder, dtype)
    if model.config.num_labels not in (1, 2):
        raise ModelError(f"{folder}: a cross-encoder has one label, or two; this one has {model.config.num_labels}")
    return Classifier(model, additive_mask).eval()


class TorchCrossEncoder:
    """A cross-encoder as `TorchConfig` describes it."""

    def __init__(self, config: TorchConfig, folder: Path) -> None:
        self.device = torch.device(config.device)
        self.model = load_cross_encoder(folder, config.dtype).to(self.device)
        self.reader = PairReader(folder, config.max_tokens, config.batch_tokens)

    def score(self, pairs: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Score one batch."""
        batch, types = self.reader.with_types(pairs)
        try:
            with torch.inference_mode():
                given = (torch.from_numpy(x).to(self.device) for x in (batch.ids, batch.mask, types))
                scores = self.model(*given).cpu().numpy()
        except RuntimeError as error:  # includes a device that is out of memory
            raise EngineError(f"torch: {one_line(error, 300)}") from error
        return np.asarray(scores, np.float32), batch.lengths


class OpenVinoCrossEncoder:
    """A cross-encoder as `OpenVinoConfig` describes it."""

    def __init__(self, config: OpenVinoConfig, folder: Path) -> None:
        from shopbatch.engines.openvino_graphs import core

        self.reader = PairReader(folder, config.max_tokens, config.batch_tokens)
        properties = {
            "INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[config.precision],
            "INFERENCE_NUM_THREADS": config.threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # every process would be pinned to the same cores
        }
        graph = exported_cross_encoder(folder)
        try:
            compiled = core().compile_model(graph / "model.xml", "CPU", properties)
        except RuntimeError as error:
            raise ModelError(f"{graph}: OpenVINO cannot load it: {one_line(error, 300)}") from None
        self.inputs = len(compiled.inputs)
        self.request = compiled.create_infer_request()

    def score(self, pairs: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Score one batch."""
        batch, types = self.reader.with_types(pairs)
        try:
            self.request.infer([batch.ids, batch.mask, types][: self.inputs])
        except RuntimeError as error:
            raise EngineError(f"openvino: {one_line(error, 300)}") from error
        return np.array(self.request.get_output_tensor(0).data, np.float32), batch.lengths


def exported_cross_encoder(folder: Path) -> Path:
    """Return the folder of a cross-encoder's graph; a missing or damaged one is made first."""
    from shopbatch.engines.openvino_graphs import cached_graph

    return cached_graph(folder, ["cross encoder", EXPORT_VERSION], lambda target: _export(folder, target))


def _export(folder: Path, target: Path) -> None:
    import openvino as ov

    from shopbatch.engines.openvino_graphs import quiet_tracing

    model = load_cross_encoder(folder, additive_mask=True)
    ids = torch.ones((2, 4), dtype=torch.int64)
    given = {"ids": ids, "mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])}
    given |= {"types": torch.zeros_like(ids)} if model.has_types else {}
    with quiet_tracing():
        graph = ov.convert_model(model, example_input=given, input=[[-1, -1]] * len(given))
    ov.save_model(graph, target / "model.xml", compress_to_fp16=False)


def open_cross_encoder(config: OpenVinoConfig | TorchConfig, model_dir: str) -> CrossEncoder:
    """Open a cross-encoder with its model loaded.

    Raises:
        UserError: max_tokens is more than the model reads.
        ModelError: The folder is no such model.
    """
    folder = Path(local(model_dir))
    return (
        TorchCrossEncoder(config, folder) if isinstance(config, TorchConfig) else OpenVinoCrossEncoder(config, folder)
    )


def prepare_cross_encoder(config: OpenVinoConfig | TorchConfig, model_dir: str) -> None:
    """Export the graph before the workers start, because otherwise each of them would export it."""
    if isinstance(config, OpenVinoConfig):
        exported_cross_encoder(Path(local(model_dir)))
