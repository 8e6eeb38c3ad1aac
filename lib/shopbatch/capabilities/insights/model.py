"""The model `aspects`: classifies a clause's vector by aspect, by polarity and by taxonomy. Pure numpy.

It has one logistic classifier per aspect of each taxonomy, one classifier of three polarities that all aspects share,
and one classifier that tells which taxonomy a review belongs to. A model folder holds `aspects.safetensors`, and
`aspects.json` with the encoder's reference and the taxonomies, because matches of their lexicons are a feature of the
classifiers. `train_aspects` writes the model; `analyse_reviews` and `shopbatch label` read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shopbatch.capabilities.insights.taxonomy import Taxonomy, find
from shopbatch.models.folder import ModelError, local
from shopbatch.tables.review_aspects import POLARITIES

NAME = "aspects"
# Least probability at which a clause mentions an aspect. The threshold that maximises F1 is half of the best F1 (Lipton
# et al. 2014, "Thresholding classifiers to maximize F1 score"), which is about 0.8 here.
MENTIONED = 0.4
CUT = math.log(MENTIONED / (1 - MENTIONED))  # MENTIONED as a logit
_ARRAYS = ("aspects", "aspects_bias", "lexicon", "polarity", "polarity_bias", "kinds", "kinds_bias")


@dataclass(frozen=True)
class AspectModel:
    """The linear classifiers of aspects, polarities and taxonomies, as arrays.

    Attributes:
        taxonomies: The taxonomies, by name.
        arrays: float32 arrays. `aspects` [all aspects, dim] and `aspects_bias` [all aspects], in the order of the
            taxonomies; `lexicon` [all aspects], which is added to an aspect's logit if its lexicon matches; `polarity`
            [3, dim] and `polarity_bias` [3]; `kinds` [taxonomies, dim] and `kinds_bias` [taxonomies].
        encoder: Reference (name@digest) of the encoder whose vectors the classifiers were trained on.
    """

    taxonomies: Mapping[str, Taxonomy]
    arrays: Mapping[str, np.ndarray]
    encoder: str = ""

    @property
    def dim(self) -> int:
        """Return the length of the vectors that the model reads."""
        return int(self.arrays["aspects"].shape[1])

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Return, for each taxonomy, the slice of its aspects among the aspects of all taxonomies."""
        ends = np.cumsum([0, *(len(t.aspects) for t in self.taxonomies.values())]).tolist()
        return {name: slice(a, b) for name, a, b in zip(self.taxonomies, ends[:-1], ends[1:], strict=True)}

    def aspect_logits(self, taxonomy: str, vectors: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Return the logit of each clause for each aspect of a taxonomy, float64 [n, aspects].

        A clause mentions an aspect if its logit is above CUT.

        Args:
            taxonomy: Name of the taxonomy.
            vectors: Vectors of the clauses, float32 [n, dim].
            hits: Lexicon matches of the same clauses, as `Taxonomy.hits` returns them, bool [n, aspects].

        Raises:
            ModelError: The vectors have another length than the model's.
        """
        own, a = self.columns[taxonomy], self.arrays
        sums = self._linear(vectors, a["aspects"][own], a["aspects_bias"][own])
        return np.asarray(sums + hits * a["lexicon"][own].astype(float))

    def polarity_logits(self, vectors: np.ndarray) -> np.ndarray:
        """Return each clause's logits for the classes in POLARITIES (negative, neutral, positive), float64 [n, 3]."""
        return self._linear(vectors, self.arrays["polarity"], self.arrays["polarity_bias"])

    def kind_logits(self, vectors: np.ndarray) -> np.ndarray:
        """Return each clause's logits for the taxonomies, float64 [n, taxonomies].

        `analysis.taxonomy_of` averages them over the clauses of a review to find the review's taxonomy.
        """
        return self._linear(vectors, self.arrays["kinds"], self.arrays["kinds_bias"])

    def _linear(self, vectors: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return `vectors @ weights.T + bias`, float64 [n, classes]; no row's result depends on other rows.

        Raises:
            ModelError: The vectors have another length than the model's.
        """
        if vectors.shape[1] != self.dim:
            raise ModelError(f"the model reads vectors of {self.dim} numbers; the engine gives {vectors.shape[1]}")
        # class by class, not as a matrix product: BLAS rounds a row differently if the number of rows changes
        sums = [(vectors * each).sum(axis=1, dtype=float) for each in weights]
        return np.asarray(np.column_stack(sums) + bias)

    @classmethod
    def load(cls, folder: str | Path) -> AspectModel:
        """Load a model that `save` wrote into a folder.

        Raises:
            ModelError: A file is missing or unreadable, or the arrays have the wrong shape.
        """
        path = local(folder)
        try:
            about = json.loads((path / "aspects.json").read_bytes())
            arrays = load_file(path / "aspects.safetensors")
            taxonomies = {str(k): Taxonomy.model_validate(v) for k, v in about["taxonomies"].items()}
            model = cls(taxonomies, arrays, str(about["encoder"]))
            polarities = tuple(about["polarities"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a model of aspects ({type(error).__name__})") from None
        if polarities != POLARITIES or not model._fits():
            raise ModelError(f"{folder} is not a model of aspects: its arrays do not fit together")
        return model

    def _fits(self) -> bool:
        """Return True if all arrays exist, are finite, and have the shapes that the taxonomies require."""
        a, count = self.arrays, sum(len(t.aspects) for t in self.taxonomies.values())
        if set(a) != set(_ARRAYS) or a["aspects"].ndim != 2 or not self.taxonomies:
            return False
        rows = {"aspects": count, "polarity": len(POLARITIES), "kinds": len(self.taxonomies)}
        right = [a[n].shape == (k, self.dim) and a[f"{n}_bias"].shape == (k,) for n, k in rows.items()]
        return all(right) and a["lexicon"].shape == (count,) and all(np.isfinite(x).all() for x in a.values())

    def save(self, folder: Path) -> None:
        """Write `aspects.safetensors` and `aspects.json` into a folder; equal models give equal bytes."""
        arrays = {k: np.ascontiguousarray(self.arrays[k], np.float32) for k in _ARRAYS}
        save_file(arrays, folder / "aspects.safetensors")
        about: dict[str, Any] = {
            "polarities": POLARITIES,
            "encoder": self.encoder,
            "taxonomies": {name: t.model_dump(mode="json") for name, t in self.taxonomies.items()},
        }
        (folder / "aspects.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def fake(cls, dim: int = 8, names: Sequence[str] = ("clothing", "hotels")) -> AspectModel:
        """Return a model for tests with the fake engine.

        Its aspects follow the lexicons alone; its polarities and the choice of a taxonomy are random, but repeatable.

        Args:
            dim: Length of the engine's vectors.
            names: Names or paths of the taxonomies.
        """
        taxonomies = dict(find(name) for name in names)
        count = sum(len(t.aspects) for t in taxonomies.values())
        random = np.random.default_rng(0)
        arrays = {
            "aspects": np.zeros((count, dim)),
            "aspects_bias": np.full(count, -2.0),
            "lexicon": np.full(count, 4.0),
            "polarity": random.normal(size=(3, dim)),
            "polarity_bias": np.zeros(3),
            "kinds": random.normal(size=(len(taxonomies), dim)),
            "kinds_bias": np.zeros(len(taxonomies)),
        }
        return cls(taxonomies, {k: v.astype(np.float32) for k, v in arrays.items()})


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities (0 to 1) of logits, float64, in the same shape."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of logits, float64 [n, classes], each row summing to 1."""
    powers = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
