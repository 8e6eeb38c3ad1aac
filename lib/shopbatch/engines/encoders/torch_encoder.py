"""The torch engine: a transformers encoder with its pooling. The reference for the other backends, and their source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from torch import nn

from shopbatch.engines.base import Encoded, EngineError
from shopbatch.engines.configs import TorchConfig
from shopbatch.engines.tokens import Reader
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError, quietly


class Pooled(nn.Module):
    """ids, mask [n, longest] -> float32 [n, dim]: the poolings of the layers that the spec names.

    additive_mask: the model is given the additive 4-d form of the mask, with which it can be traced.
    """

    def __init__(self, model: Any, spec: EncoderSpec, additive_mask: bool = False) -> None:
        super().__init__()
        self.model: Any = model
        self.pooling, self.additive_mask = spec.pooling, additive_mask
        config = model.config
        self.depths = spec.depths(config.num_hidden_layers)
        self.dim = int(config.hidden_size) * len(self.depths) * len(self.pooling)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        dtype = self.model.dtype
        attention = mask
        if self.additive_mask:
            attention = (1.0 - mask[:, None, None, :].to(dtype)) * torch.finfo(dtype).min
        layers = self.model(input_ids=ids, attention_mask=attention, output_hidden_states=True).hidden_states
        there = mask.unsqueeze(-1).to(torch.float32)
        pooled = []
        for pooling in self.pooling:
            for depth in self.depths:
                states = layers[depth].to(torch.float32)
                if pooling == "mean":
                    pooled.append((states * there).sum(1) / there.sum(1))
                elif pooling == "max":
                    pooled.append((states - (1.0 - there) * 1e9).amax(1))
                else:
                    pooled.append(states[:, 0])
        return torch.cat(pooled, 1)


def load_pooled(folder: Path, dtype: torch.dtype = torch.float32, additive_mask: bool = False) -> Pooled:
    """The model of a folder, cut off above the highest layer that its `encoder.json` names, ready to infer.

    Raises ModelError if the weights are not safetensors, or do not fit the configuration.
    """
    spec = EncoderSpec.load(folder)
    try:
        with quietly():
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            depths = spec.depths(config.num_hidden_layers)
            spec = spec.model_copy(update={"layers": depths})
            config.num_hidden_layers = max(*depths, 1)
            model, report = transformers.AutoModel.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise ModelError(f"{folder}: can not be loaded: {' '.join(str(error).split())[:300]}") from None
    # transformers invents weights that it does not find; the pooler's are not used
    missing = sorted(k for k in report["missing_keys"] if not k.startswith("pooler."))
    if missing:
        raise ModelError(f"{folder}: {len(missing)} weights are missing, among them {missing[0]}")
    return Pooled(model, spec, additive_mask).eval()


class TorchEncoder:
    """See TorchConfig."""

    def __init__(self, config: TorchConfig, folder: Path) -> None:
        self.device = torch.device(config.device)
        self.model = load_pooled(folder, getattr(torch, config.dtype)).to(self.device)
        prefix = EncoderSpec.load(folder).prefix
        self.reader = Reader(folder, prefix, config.max_tokens, config.batch_tokens)
        self.dim = self.model.dim

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        return self.reader.plan(texts)

    def encode(self, texts: pa.Array) -> Encoded:
        if len(texts) == 0:
            return Encoded(np.empty((0, self.dim), np.float32), np.empty(0, np.int32))
        batch = self.reader.batch(texts)
        try:
            with torch.inference_mode():
                ids, mask = (torch.from_numpy(x).to(self.device) for x in (batch.ids, batch.mask))
                vectors = self.model(ids, mask).cpu().numpy()
        except RuntimeError as error:  # out of memory on a device is one of them
            raise EngineError(f"torch: {' '.join(str(error).split())[:300]}") from error
        return Encoded(vectors, batch.lengths)
