"""The sentiment head: turns an encoder's vectors into calibrated probabilities of negative, neutral and positive.

It is pure numpy. Each language has a linear classifier whose logits are divided by a temperature (Guo et al. 2017). The
first classifier serves all languages that have none of their own. A model folder holds head.safetensors (weights, bias,
temperature) and head.json (labels, languages, reference of the encoder).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shopbatch.evaluation.calibration import softmax
from shopbatch.models.folder import ModelError, local

NAME = "sentiment"
LABELS = ("negative", "neutral", "positive")
NEGATIVE, NEUTRAL, POSITIVE = range(3)


@dataclass(frozen=True)
class SentimentHead:
    """A sentiment head: one linear classifier with a temperature per language.

    Attributes:
        languages: Language of each classifier. The first one (named `other` in trained heads) also serves texts in an
            unknown language, or one without a classifier.
        weights: float32 [languages, dim, 3].
        bias: float32 [languages, 3].
        temperature: float32 [languages], above 0.
        encoder: Reference (name@digest) of the encoder whose vectors the head was trained on.
    """

    languages: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray
    temperature: np.ndarray
    encoder: str = ""

    @property
    def dim(self) -> int:
        """Length of the vectors that the head reads."""
        return int(self.weights.shape[1])

    @classmethod
    def load(cls, folder: str | Path) -> SentimentHead:
        """Load a head from its model folder.

        Raises:
            ModelError: A file is missing or unreadable, or an array has the wrong shape.
        """
        path = local(folder)
        try:
            about = json.loads((path / "head.json").read_bytes())
            state = load_file(path / "head.safetensors")
            head = cls(
                tuple(about["languages"]), state["weights"], state["bias"], state["temperature"], str(about["encoder"])
            )
            labels = tuple(about["labels"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a sentiment head ({type(error).__name__}: {error})") from None
        count = len(head.languages)
        shapes = head.weights.ndim == 3 and head.weights.shape[::2] == (count, 3) and head.bias.shape == (count, 3)
        finite = all(np.isfinite(x).all() for x in state.values())
        if labels != LABELS or not count or not shapes or head.temperature.shape != (count,) or not finite:
            raise ModelError(f"{folder} is not a sentiment head: its arrays do not fit together")
        return head

    def save(self, folder: Path) -> None:
        """Write head.safetensors and head.json into a folder; equal heads give equal bytes."""
        arrays = {"weights": self.weights, "bias": self.bias, "temperature": self.temperature}
        save_file({k: np.ascontiguousarray(v, np.float32) for k, v in arrays.items()}, folder / "head.safetensors")
        about = {"labels": LABELS, "languages": self.languages, "encoder": self.encoder}
        (folder / "head.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")

    @classmethod
    def fake(cls, dim: int = 8) -> SentimentHead:
        """Return a head for the fake engine's vectors, with random weights that are the same every time."""
        weights = np.random.default_rng(0).normal(size=(2, dim, 3)).astype(np.float32)
        return cls(("en", "zh"), weights, np.zeros((2, 3), np.float32), np.ones(2, np.float32))

    def rows_by_language(self, language: pa.Array) -> list[np.ndarray]:
        """Return for each classifier, in the order of `languages`, the numbers of the rows that it has to score.

        Args:
            language: Language code of each row, string [n]; null or unknown codes go to the first classifier.
        """
        codes = pc.index_in(language, pa.array(self.languages, pa.string())).fill_null(0).to_numpy()
        return [np.flatnonzero(codes == i) for i in range(len(self.languages))]

    def probabilities(self, vectors: np.ndarray, language: pa.Array) -> np.ndarray:
        """Return the probabilities, float32 [n, 3] in the order of LABELS; rows sum to 1 within 1e-6.

        The probabilities of a row are the same, to the last bit, whatever the other rows are.

        Args:
            vectors: float32 [n, dim].
            language: string [n], the code or null (as `text.language.guess_language` returns it).

        Raises:
            ModelError: The vectors have another length than the head reads.
        """
        if vectors.shape[1] != self.dim:
            raise ModelError(f"the head reads vectors of {self.dim} numbers; the engine gives {vectors.shape[1]}")
        probabilities = np.empty((len(vectors), len(LABELS)), np.float32)
        for i, rows in enumerate(self.rows_by_language(language)):
            # class by class instead of a matrix product: in BLAS, the rounding of a row depends on the number of rows
            inputs = vectors[rows].astype(float)
            sums = np.column_stack([(inputs * each).sum(axis=1) for each in self.weights[i].T])
            probabilities[rows] = softmax((sums + self.bias[i]) / self.temperature[i])
        return probabilities


def polar(probabilities: np.ndarray) -> np.ndarray:
    """Return NEGATIVE or POSITIVE per row, whichever is more probable, int64 [n]; for texts known not to be neutral."""
    return np.where(probabilities[:, POSITIVE] > probabilities[:, NEGATIVE], POSITIVE, NEGATIVE).astype(np.int64)
