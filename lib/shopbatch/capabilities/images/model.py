"""The model `image-classifier`: a picture's vector -> its class, or none where that is not sure enough. Pure numpy.

A folder holds head.safetensors (weights, bias) and head.json (classes, threshold, the recipe of the vectors).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shopbatch.evaluation.calibration import softmax
from shopbatch.models.folder import ModelError, local

NAME = "image-classifier"


@dataclass(frozen=True)
class ImageClassifier:
    """A calibrated multinomial logistic regression on vectors.

    Attributes:
        classes: Names of the classes.
        weights: float32 [dim, classes], divided by the temperature.
        bias: float32 [classes], divided by the temperature.
        threshold: The least probability at which it says a class.
        label: The column of the catalogue that names the classes.
        recipe: Of the vectors that it reads (image_vectors.recipe).
    """

    classes: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray
    threshold: float
    label: str
    recipe: str

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Return the probability of each class, float64 [n, classes].

        Raises:
            ModelError: The vectors, float32 [n, dim], are not of its encoder.
        """
        if not len(vectors):
            return np.zeros((0, len(self.classes)))
        if vectors.shape[1] != len(self.weights):
            raise ModelError(f"the classifier reads vectors of {len(self.weights)} numbers, not {vectors.shape[1]}")
        return softmax(vectors.astype(float) @ self.weights.astype(float) + self.bias.astype(float))

    @classmethod
    def load(cls, folder: str | Path) -> ImageClassifier:
        """Load a model. Raises ModelError if a file is missing, unreadable, or of the wrong shape."""
        path = local(folder)
        try:
            about, state = json.loads((path / "head.json").read_bytes()), load_file(path / "head.safetensors")
            classes = tuple(map(str, about["classes"]))
            arrays = np.asarray(state["weights"]), np.asarray(state["bias"])
            model = cls(classes, *arrays, float(about["threshold"]), str(about["label"]), str(about["recipe"]))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ModelError(f"{folder} is not an image classifier ({type(error).__name__})") from None
        count = len(model.classes)
        fits = model.weights.ndim == 2 and model.weights.shape[1] == count and model.bias.shape == (count,)
        if count < 2 or not fits or not all(np.isfinite(a).all() for a in (model.weights, model.bias)):
            raise ModelError(f"{folder} is not an image classifier: its arrays do not fit together")
        return model

    def save(self, folder: Path) -> None:
        """Write the two files; equal models give equal bytes."""
        arrays = {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in ("weights", "bias")}
        save_file(arrays, folder / "head.safetensors")
        about = {name: getattr(self, name) for name in ("classes", "threshold", "label", "recipe")}
        (folder / "head.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
