"""The model `moderation`: gives the probability that a passage of a review is harmful, for each kind of harm.

Each kind has a logistic regression. Its inputs are the encoder's vector of the passage and the passage's traits (which
word classes of the word lists occur in it). Applying the model needs only numpy. A model's folder holds
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
KINDS = ("insult", "threat", "slander", "contact", "advert")  # profanity is found by the word lists alone
_ARRAYS = ("weights", "trait_weights", "bias", "thresholds", "floors")
SHIPPED = Path(__file__).with_name("shipped_model")  # trained as described in docs/jobs/train_moderation.md


@dataclass(frozen=True)
class ModerationModel:
    """The classifiers of all kinds of harm (KINDS), which share one encoder.

    Attributes:
        traits: Names of the word classes that are inputs besides the vector.
        weights: float32 [dim, kinds], weights of the vector.
        trait_weights: float32 [traits, kinds], weights of the traits.
        bias: float32 [kinds].
        thresholds: float32 [kinds]: least probability at which a passage counts as a finding of the kind.
        floors: float32 [kinds]: if every passage of a text has a lower probability, findings of the word lists are
            dropped.
        encoder: Reference (name@digest) of the encoder whose vectors the model needs; "" for the fake engine.
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
        """Number of components of a vector."""
        return int(self.weights.shape[0])

    def probabilities(self, passages: Sequence[str], vectors: np.ndarray) -> np.ndarray:
        """Return the probability of each kind for each passage, float64 [n, kinds].

        The result of a passage does not depend on the other passages of the call.

        Args:
            passages: Texts as `passages.read` makes them.
            vectors: Vectors of the passages, float32 [n, dim].

        Raises:
            ModelError: The vectors have another number of components than the model.
        """
        if vectors.shape[1] != self.dim:
            raise ModelError(f"the model reads vectors of {self.dim} numbers; the engine gives {vectors.shape[1]}")
        inputs = np.concatenate([vectors, traits.table(passages, self.traits)], axis=1).astype(float)
        weights = np.concatenate([self.weights, self.trait_weights]).astype(float)
        # no matrix product, because in BLAS the rounding of a row depends on the number of rows
        sums = np.column_stack([(inputs * each).sum(axis=1) for each in weights.T]) + self.bias
        return np.asarray(np.exp(-np.logaddexp(0, -sums)))

    @classmethod
    def load(cls, folder: str | Path) -> ModerationModel:
        """Load a model from its folder.

        Args:
            folder: Path or URI of the folder.

        Raises:
            ModelError: A file is missing, unreadable, or holds arrays of the wrong shape.
        """
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
        """Write head.safetensors and head.json into a folder; equal models give equal bytes."""
        arrays = {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in _ARRAYS}
        save_file(arrays, folder / "head.safetensors")
        about = {"kinds": KINDS, "traits": self.traits, "encoder": self.encoder}
        (folder / "head.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")

    @classmethod
    def fake(cls, dim: int = 8) -> ModerationModel:
        """Return a model for the fake engine of tests: it repeats what the word lists find and ignores the vector.

        Args:
            dim: Number of components of the engine's vectors.
        """
        names = tuple(f"rule.{kind}" for kind in KINDS)
        count = len(KINDS)
        sure = np.full(count, 0.5, np.float32)
        weights = np.zeros((dim, count), np.float32), 8 * np.eye(count, dtype=np.float32)
        return cls(names, *weights, np.full(count, -4, np.float32), sure, np.zeros(count, np.float32))
