"""The model `image-classifier`: predicts the class of a picture from its vector, or nothing if it is not sure enough.

It needs only numpy. Its folder holds `head.safetensors` (weights, bias) and `head.json` (classes, threshold, column of
the classes, recipe of the vectors, share of held-out pictures).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shopbatch.capabilities.images.fit import by_fold, fold_of
from shopbatch.models.folder import ModelError, local

NAME = "image-classifier"
_ABOUT: dict[str, Any] = {"threshold": float, "label": str, "recipe": str, "held_out": float}  # fields of head.json


@dataclass(frozen=True)
class ImageClassifier:
    """A calibrated multinomial logistic regression on picture vectors, one per fold of training pictures.

    Attributes:
        classes: Names of the classes.
        weights: Weights divided by the temperature, float32 [folds, dim, classes].
        bias: Constants divided by the temperature, float32 [folds, classes].
        threshold: Least probability of the best class at which the classifier predicts it; below, it abstains.
        label: Column of `products` that names the classes.
        recipe: Recipe of the vectors that it reads (image_vectors.recipe): vectors of another recipe do not fit.
        held_out: Share (0..1) of the pictures that were held out from all fits.
    """

    classes: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray
    threshold: float
    label: str
    recipe: str
    held_out: float

    def probabilities(self, vectors: np.ndarray, sha256: Sequence[str]) -> np.ndarray:
        """Return the probability of each class for each picture, float64 [n, classes].

        A training picture is classified by the regression that was fitted without it.

        Args:
            vectors: Vectors of the pictures, float32 [n, dim].
            sha256: SHA-256 of the picture files as hex digits, [n]; they tell the fold.

        Raises:
            ModelError: The vectors have another length than the classifier's.
        """
        if not len(vectors):
            return np.zeros((0, len(self.classes)))
        if vectors.shape[1] != self.weights.shape[1]:
            raise ModelError(f"the classifier reads vectors of {self.weights.shape[1]} numbers, not {vectors.shape[1]}")
        fold = np.array([fold_of(name, len(self.weights), self.held_out) for name in sha256], np.int64)
        return by_fold(vectors, fold, self.weights.astype(float), self.bias.astype(float))

    @classmethod
    def load(cls, folder: str | Path) -> ImageClassifier:
        """Load a classifier from a folder. Raises ModelError if a file is missing, unreadable or of the wrong shape."""
        path = local(folder)
        try:
            about, state = json.loads((path / "head.json").read_bytes()), load_file(path / "head.safetensors")
            classes = tuple(map(str, about["classes"]))
            arrays = np.asarray(state["weights"]), np.asarray(state["bias"])
            model = cls(classes, *arrays, *(kind(about[name]) for name, kind in _ABOUT.items()))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ModelError(f"{folder} is not an image classifier ({type(error).__name__})") from None
        count = len(model.classes)
        fits = model.weights.ndim == 3 and model.weights.shape[2] == count
        fits = fits and model.bias.shape == (len(model.weights), count) and 0 < model.held_out < 1
        if count < 2 or not fits or not all(np.isfinite(a).all() for a in (model.weights, model.bias)):
            raise ModelError(f"{folder} is not an image classifier: its arrays do not fit together")
        return model

    def save(self, folder: Path) -> None:
        """Write `head.safetensors` and `head.json` into a folder; equal models give equal bytes."""
        arrays = {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in ("weights", "bias")}
        save_file(arrays, folder / "head.safetensors")
        about = {name: getattr(self, name) for name in ("classes", *_ABOUT)}
        (folder / "head.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
