"""Cross-encoders: models that read a query and a text together and return one score for how well the text fits.

Any sequence-classification model of transformers can be used. If it has one label, the logit is the score; if it has
two, the score is the second logit minus the first.
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

EXPORT_VERSION = 1  # version of the exported OpenVINO graph


class PairReader(Reader):
    """A tokenizer for pairs of texts, such as a query and a product.

    If a pair has more than `max_tokens` tokens, tokens are removed from the end of whichever text is longer.

    Args:
        folder: The model folder.
        max_tokens: Maximum number of tokens of a pair, special tokens included.
        batch_tokens: Maximum size of a batch in tokens, padding included.
    """

    def __init__(self, folder: Path, max_tokens: int, batch_tokens: int) -> None:
        super().__init__(folder, "", max_tokens, batch_tokens)
        self.tokenizer.enable_truncation(max_tokens, strategy="longest_first")

    def rows(self, texts: pa.Array) -> list[list[int]]:
        """Return the token ids of each pair of texts, special tokens included, cut to `max_tokens`.

        Args:
            texts: The pairs: structs of two strings without nulls.
        """
        return [e.ids for e in self._encoded(texts)]

    def with_types(self, texts: pa.Array) -> tuple[Batch, np.ndarray]:
        """Tokenise pairs of texts (at least one), and pad all pairs to the longest.

        Args:
            texts: The pairs: structs of two strings without nulls.

        Returns:
            The batch, and the type of each token, int64 [n, longest]: 0 for the first text, 1 for the second (as far as
            the tokenizer distinguishes them), 0 for padding.
        """
        encoded = self._encoded(texts)
        lengths = np.array([len(e.ids) for e in encoded], np.int32)
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids, types = np.full(mask.shape, self.pad, np.int64), np.zeros(mask.shape, np.int64)
        ids[mask] = np.concatenate([np.asarray(e.ids, np.int64) for e in encoded])
        types[mask] = np.concatenate([np.asarray(e.type_ids, np.int64) for e in encoded])
        return Batch(ids, mask.astype(np.int64), lengths), types

    def _encoded(self, texts: pa.Array) -> list[Any]:
        """Tokenise each pair of texts, after cutting both texts to `characters` characters to save time."""
        first, second = (pc.utf8_slice_codeunits(texts.field(n), 0, self.characters).to_pylist() for n in (0, 1))
        return list(self.tokenizer.encode_batch_fast(list(zip(first, second, strict=True))))


class CrossEncoder(Protocol):
    """A model that scores how well the two texts of a pair fit, for example a query and a product.

    A score does not depend on the other pairs of its batch, apart from rounding.

    Attributes:
        reader: The tokenizer, whose `plan` splits pairs into batches.
    """

    reader: PairReader

    def score(self, pairs: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Score one batch of pairs of texts, such as a query and a product.

        Args:
            pairs: Structs of two strings without nulls.

        Returns:
            The scores, float32 [n] (higher fits better; a logit without fixed range), and the number of tokens of each
            pair, int32 [n].

        Raises:
            EngineError: The backend failed.
        """


class Classifier(nn.Module):
    """A torch module that turns a sequence-classification model with one or two labels into a model with one score.

    Args:
        model: The transformers model.
        additive_mask: Whether the model gets the attention mask in its additive form [n, 1, 1, longest], because the
            model cannot be traced with the usual form.
    """

    def __init__(self, model: Any, additive_mask: bool = False) -> None:
        super().__init__()
        self.model: Any = model
        self.additive_mask = additive_mask
        self.labels = int(model.config.num_labels)
        # a model with one type of token has no weights for a second text
        self.has_types = int(getattr(model.config, "type_vocab_size", 0) or 0) > 1

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None) -> torch.Tensor:
        """Return the score of each tokenised pair of texts, float32 [n].

        Args:
            ids: Token ids, int64 [n, longest].
            mask: 1 for tokens and 0 for padding, int64 [n, longest].
            types: Type of each token, int64 [n, longest]; ignored if the model has only one type.
        """
        dtype = self.model.dtype
        attention = mask
        if self.additive_mask:
            attention = (1.0 - mask[:, None, None, :].to(dtype)) * torch.finfo(dtype).min
        given = {"token_type_ids": types} if self.has_types and types is not None else {}
        logits = self.model(input_ids=ids, attention_mask=attention, **given).logits.to(torch.float32)
        score: torch.Tensor = logits[:, 0] if self.labels == 1 else logits[:, 1] - logits[:, 0]
        return score


def load_cross_encoder(folder: Path, dtype: str = "float32", additive_mask: bool = False) -> Classifier:
    """Load a cross-encoder in evaluation mode.

    Args:
        folder: The model folder on this machine.
        dtype: Number format of the weights, as torch names it.
        additive_mask: See `Classifier`; needed for the OpenVINO export.

    Raises:
        ModelError: Weights are missing (also those of the classification head), or the model has more than two labels.
    """
    model = load_sequence_classifier(folder, dtype)
    if model.config.num_labels not in (1, 2):
        raise ModelError(f"{folder}: a cross-encoder has one label, or two; this one has {model.config.num_labels}")
    return Classifier(model, additive_mask).eval()


class TorchCrossEncoder:
    """A cross-encoder that runs in torch, as `TorchConfig` describes it."""

    def __init__(self, config: TorchConfig, folder: Path) -> None:
        self.device = torch.device(config.device)
        self.model = load_cross_encoder(folder, config.dtype).to(self.device)
        self.reader = PairReader(folder, config.max_tokens, config.batch_tokens)

    def score(self, pairs: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Score one batch of pairs of texts in torch (see `CrossEncoder.score`)."""
        batch, types = self.reader.with_types(pairs)
        try:
            with torch.inference_mode():
                given = (torch.from_numpy(x).to(self.device) for x in (batch.ids, batch.mask, types))
                scores = self.model(*given).cpu().numpy()
        except RuntimeError as error:  # includes a device that is out of memory
            raise EngineError(f"torch: {one_line(error, 300)}") from error
        return np.asarray(scores, np.float32), batch.lengths


class OpenVinoCrossEncoder:
    """A cross-encoder that runs in OpenVINO on the CPU, as `OpenVinoConfig` describes it."""

    def __init__(self, config: OpenVinoConfig, folder: Path) -> None:
        from shopbatch.engines.openvino_graphs import core

        self.reader = PairReader(folder, config.max_tokens, config.batch_tokens)
        properties = {
            "INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[config.precision],
            "INFERENCE_NUM_THREADS": config.threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # OpenVINO would pin the threads of every process to the same cores
        }
        graph = exported_cross_encoder(folder)
        try:
            compiled = core().compile_model(graph / "model.xml", "CPU", properties)
        except RuntimeError as error:
            raise ModelError(f"{graph}: OpenVINO cannot load it: {one_line(error, 300)}") from None
        self.inputs = len(compiled.inputs)
        self.request = compiled.create_infer_request()

    def score(self, pairs: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Score one batch of pairs of texts in OpenVINO (see `CrossEncoder.score`)."""
        batch, types = self.reader.with_types(pairs)
        try:
            self.request.infer([batch.ids, batch.mask, types][: self.inputs])
        except RuntimeError as error:
            raise EngineError(f"openvino: {one_line(error, 300)}") from error
        return np.array(self.request.get_output_tensor(0).data, np.float32), batch.lengths


def exported_cross_encoder(folder: Path) -> Path:
    """Return the folder of a cross-encoder's OpenVINO graph; export it first if it is missing or damaged."""
    from shopbatch.engines.openvino_graphs import cached_graph

    return cached_graph(folder, ["cross encoder", EXPORT_VERSION], lambda target: _export(folder, target))


def _export(folder: Path, target: Path) -> None:
    """Trace the cross-encoder of `folder` and write its OpenVINO graph, with dynamic shapes in fp32, into `target`."""
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
    """Open the cross-encoder that `config` describes, with its model loaded.

    Args:
        config: Settings of the backend, the same as for encoders.
        model_dir: Path or URI of the model folder.

    Raises:
        UserError: `max_tokens` is more than the model can read.
        ModelError: The folder does not hold a cross-encoder.
    """
    folder = Path(local(model_dir))
    return (
        TorchCrossEncoder(config, folder) if isinstance(config, TorchConfig) else OpenVinoCrossEncoder(config, folder)
    )


def prepare_cross_encoder(config: OpenVinoConfig | TorchConfig, model_dir: str) -> None:
    """Export the OpenVINO graph on the driver, so that the workers do not each export it when they start."""
    if isinstance(config, OpenVinoConfig):
        exported_cross_encoder(Path(local(model_dir)))
