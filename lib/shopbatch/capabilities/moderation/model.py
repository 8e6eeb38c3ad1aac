"""The model `moderation`: a passage, its vector and what the lists see in it -> what is harmful in it. Pure numpy.

For each kind there is a logistic regression on the encoder's vector and on the classes of the lists. A folder holds
head.safetensors (weights, bias, thresholds, floors) and head.json (kinds, traits, the encoder's reference).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shopbatch.capabilities.moderation import traits
from shopbatch.models.folder import ModelError, local

NAME = "moderation"
KINDS = ("insult", "threat", "slander", "contact", "advert")  # profanity is told by the lists alone
_ARRAYS = ("weights", "trait_weights", "bias", "thresholds", "floors")
SHIPPED = Path(__file__).with_name("shipped_model")  # docs/jobs/train_moderation.md says how it was trained


@dataclass(frozen=True)
class ModerationModel:
    """The classifiers of all kinds.

    Attributes:
        traits: Names of the classes that are read beside the vector.
        weights: float32 [dim, kinds], of the vector.
        trait_weights: float32 [traits, kinds].
        bias: float32 [kinds].
        thresholds: float32 [kinds]: the least probability at which a passage is of a kind.
        floors: float32 [kinds]: the least probability of any passage of a text at which what the lists find counts.
        encoder: Reference (name@digest) of the encoder whose vectors it reads; empty for the fake engine.
    """

    traits: tuple[str, ...]
    weights: np.ndarray
    trait_weights: np.ndarray
    bias: np.ndarray
    thresholds: np.ndarray
    floors: np.ndarray
    encoder: str = ""

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self.weights.shape[0])

    def probabilities(self, passages: Sequence[str], vectors: np.ndarray) -> np.ndarray:
        """Return the probability of each of KINDS, float64 [n, kinds]; those of a passage do not depend on the others.

        Args:
            passages: As `passages.read` makes them.
            vectors: Theirs, float32 [n, dim].
        """
        if vectors.shape[1] != self.dim:
            raise ModelError(f"the model reads vectors of {self.dim} numbers; the engine gives {vectors.shape[1]}")
        inputs = np.concatenate([vectors, traits.table(passages, self.traits)], axis=1).astype(float)
        weights = np.concatenate([self.weights, self.trait_weights]).astype(float)
        # kind by kind instead of a matrix product: in BLAS, the rounding of a row depends on the number of rows
        sums = np.column_stack([(inputs * each).sum(axis=1) for each in weights.T]) + self.bias
        return np.asarray(np.exp(-np.logaddexp(0, -sums)))

    @classmethod
    def load(cls, folder: str | Path) -> ModerationModel:
        """Load a model. Raises ModelError if a file is missing, unreadable, or of the wrong shape."""
        path = local(folder)
        try:
            about = json.loads((path / "head.json").read_bytes())
            state = load_file(path / "head.safetensors")
            weights, of_traits, bias, thresholds, floors = (np.asarray(state[name]) for name in _ARRAYS)
            names, encoder = tuple(about["traits"]), str(about["encoder"])
            model = cls(names, weights, of_traits, bias, thresholds, floors, encoder)
            kinds = tuple(about["kinds"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a model of moderation ({type(error).__name__})") from None
        count = len(KINDS)
        single = (model.bias, model.thresholds, model.floors)
        fits = model.weights.shape[1:] == (count,) and model.trait_weights.shape == (len(model.traits), count)
        fits &= all(array.shape == (count,) for array in single)
        if kinds != KINDS or not fits or not all(np.isfinite(array).all() for array in state.values()):
            raise ModelError(f"{folder} is not a model of moderation: its arrays do not fit together")
        return model

    def save(self, folder: Path) -> None:
        """Write the two files; equal models give equal bytes."""
        arrays = {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in _ARRAYS}
        save_file(arrays, folder / "head.safetensors")
        about = {"kinds": KINDS, "traits": self.traits, "encoder": self.encoder}
        (folder / "head.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")

    @classmethod
    def fake(cls, dim: int = 8) -> ModerationModel:
        """Return a model for the fake engine's vectors: it says what the lists' rules say, whatever the vector."""
        names = tuple(f"rule.{kind}" for kind in KINDS)
        count = len(KINDS)
        sure = np.full(count, 0.5, np.float32)
        weights = np.zeros((dim, count), np.float32), 8 * np.eye(count, dtype=np.float32)
        return cls(names, *weights, np.full(count, -4, np.float32), sure, np.zeros(count, np.float32))
