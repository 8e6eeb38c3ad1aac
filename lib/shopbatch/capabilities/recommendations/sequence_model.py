"""The trained Transformer of the sequence part: saves and loads it, and computes vectors of users and products."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from shopbatch.capabilities.recommendations.sequence import NextProducts
from shopbatch.capabilities.recommendations.sequence_config import SequenceConfig
from shopbatch.capabilities.recommendations.sequence_documents import document
from shopbatch.models.folder import ModelError
from shopbatch.training.packing import flatten

WEIGHTS, SIZES = "sequence.safetensors", "sequence.json"
_TOGETHER = 512  # users per forward pass

History = tuple[np.ndarray, np.ndarray]  # products and their days, oldest first, int [n] each


@dataclass(frozen=True)
class SequenceModel:
    """A trained Transformer that turns histories into user vectors for scoring.

    Attributes:
        objective: The trained Transformer as a PyTorch module.
    """

    objective: NextProducts

    @property
    def products(self) -> np.ndarray:
        """The vectors of all products, float32 [products, hidden]."""
        return self.objective.table.weight.detach().float().cpu().numpy()

    @torch.inference_mode()
    def score(self, histories: Sequence[History]) -> np.ndarray:
        """Return the vector of each user, float32 [users, hidden], from which all products can be scored.

        The score of a product is the inner product of the user's vector and the product's vector. A user without
        products gets zeros, so that all products score the same.

        Args:
            histories: (products, days) of each user, oldest first, int [n] each.
        """
        self.objective.eval()
        config = self.objective.config
        vectors = np.zeros((len(histories), config.hidden), np.float32)
        known = [user for user, (products, _) in enumerate(histories) if len(products)]
        for start in range(0, len(known), _TOGETHER):
            users = known[start : start + _TOGETHER]
            batch = flatten([document(*histories[user], config.max_items) for user in users])
            vectors[users] = self.objective.users(batch).float().cpu().numpy()
        return vectors

    def save(self, folder: Path) -> None:
        """Write the weights (`sequence.safetensors`) and the sizes (`sequence.json`) into a folder."""
        save_file(self.objective.state_dict(), folder / WEIGHTS)
        sizes = {"products": self.objective.table.num_embeddings, "config": self.objective.config.model_dump()}
        (folder / SIZES).write_text(json.dumps(sizes, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> SequenceModel:
        """Load the model from a folder that `save` wrote.

        Raises:
            ModelError: A file is missing or damaged, or the files do not fit together.
        """
        try:
            sizes = json.loads((folder / SIZES).read_text("utf-8"))
            objective = NextProducts(int(sizes["products"]), SequenceConfig.model_validate(sizes["config"]))
            objective.load_state_dict(load_file(folder / WEIGHTS))
        except OSError as error:
            raise ModelError(f"model {folder} is damaged: {error.filename or WEIGHTS} cannot be read") from None
        except (ValueError, KeyError, TypeError, ValidationError, SafetensorError, RuntimeError):
            raise ModelError(f"model {folder} is damaged: {SIZES} and {WEIGHTS} do not fit together") from None
        return cls(objective)
