"""The torch encoder: runs a transformers encoder and its pooling in torch, on any device.

It is the reference that the other backends are compared with, and the OpenVINO graph is exported from its model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from shopbatch.core.errors import one_line
from shopbatch.engines.base import Encoded, EngineError
from shopbatch.engines.configs import TorchConfig
from shopbatch.engines.tokens import Reader
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.loading import load_encoder


class Pooled(nn.Module):
    """A torch module that pools the hidden states of a transformers encoder into one vector per text.

    Args:
        model: A transformers encoder.
        spec: The layers and poolings that make up the vector.
        additive_mask: Whether the model gets the attention mask in its additive form [n, 1, 1, longest], because the
            model cannot be traced with the usual form.
    """

    def __init__(self, model: Any, spec: EncoderSpec, additive_mask: bool = False) -> None:
        super().__init__()
        self.model: Any = model
        self.pooling, self.additive_mask = spec.pooling, additive_mask
        config = model.config
        self.depths = spec.depths(config.num_hidden_layers)
        self.dim = int(config.hidden_size) * len(self.depths) * len(self.pooling)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the vector of each text, float32 [n, dim].

        Args:
            ids: Token ids, int64 [n, longest].
            mask: 1 for tokens and 0 for padding, int64 [n, longest].
        """
        dtype = self.model.dtype
        attention = mask
        if self.additive_mask:
            attention = (1.0 - mask[:, None, None, :].to(dtype)) * torch.finfo(dtype).min
        layers = self.model(input_ids=ids, attention_mask=attention, output_hidden_states=True).hidden_states
        present = mask.unsqueeze(-1).to(torch.float32)
        pooled = []
        for pooling in self.pooling:
            for depth in self.depths:
                states = layers[depth].to(torch.float32)
                if pooling == "mean":
                    pooled.append((states * present).sum(1) / present.sum(1))
                elif pooling == "max":
                    pooled.append((states - (1.0 - present) * 1e9).amax(1))
                else:
                    pooled.append(states[:, 0])
        return torch.cat(pooled, 1)


def load_pooled(folder: Path, dtype: str = "float32", additive_mask: bool = False) -> Pooled:
    """Load an encoder in evaluation mode, with the layers and poolings that its `encoder.json` names.

    Args:
        folder: The model folder on this machine.
        dtype: Number format of the weights, as torch names it.
        additive_mask: See `Pooled`; needed for the OpenVINO export.

    Raises:
        ModelError: The weights are not safetensors, or do not fit the configuration.
    """
    model, spec = load_encoder(folder, EncoderSpec.load(folder), dtype)
    return Pooled(model, spec, additive_mask).eval()


class TorchEncoder:
    """An encoder that runs in torch, as `TorchConfig` describes it."""

    def __init__(self, config: TorchConfig, folder: Path) -> None:
        self.device = torch.device(config.device)
        self.model = load_pooled(folder, config.dtype).to(self.device)
        prefix = EncoderSpec.load(folder).prefix
        self.reader = Reader(folder, prefix, config.max_tokens, config.batch_tokens)
        self.dim = self.model.dim

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Return the row numbers of each batch of texts of similar length (see `Reader.plan`)."""
        return self.reader.plan(texts)

    def encode(self, texts: pa.Array) -> Encoded:
        """Compute the vectors of one batch of texts in torch (see `Encoder.encode`)."""
        if len(texts) == 0:
            return Encoded(np.empty((0, self.dim), np.float32), np.empty(0, np.int32))
        batch = self.reader.batch(texts)
        try:
            with torch.inference_mode():
                ids, mask = (torch.from_numpy(x).to(self.device) for x in (batch.ids, batch.mask))
                vectors = self.model(ids, mask).cpu().numpy()
        except RuntimeError as error:  # includes a device that is out of memory
            raise EngineError(f"torch: {one_line(error, 300)}") from error
        return Encoded(vectors, batch.lengths)
