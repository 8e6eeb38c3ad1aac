"""The text encoder of a model for pictures and texts, such as CLIP (Radford et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from shopbatch.core.errors import UserError
from shopbatch.models.loading import load_transformers_tokenizer, load_vision

_LONGEST = 77  # token limit of a model that states none


class ClipTexts:
    """A text encoder that runs in torch in this process, because only few texts are compared with pictures.

    Args:
        folder: The model folder on this machine.

    Raises:
        UserError: The model has no text encoder.
    """

    def __init__(self, folder: Path) -> None:
        self.model = load_vision(folder).eval() if (folder / "config.json").exists() else None
        if self.model is None or not hasattr(self.model, "get_text_features"):
            raise UserError("this model reads pictures only: words need a model such as CLIP (encoder=owner/model)")
        self.tokenizer = load_transformers_tokenizer(folder)
        stated = int(getattr(self.model.config.text_config, "max_position_embeddings", _LONGEST))
        self.longest = min(stated, int(self.tokenizer.model_max_length))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, float32 [n, dim]; a text longer than the model's limit is cut."""
        batch = self.tokenizer(list(texts), padding=True, truncation=True, max_length=self.longest, return_tensors="pt")
        with torch.inference_mode():
            out = self.model.get_text_features(**batch)  # type: ignore[union-attr]
        vectors: np.ndarray = (out if isinstance(out, torch.Tensor) else out.pooler_output).float().numpy()
        return vectors
