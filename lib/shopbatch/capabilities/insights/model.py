"""The model `aspects`: what a clause is about, and how it speaks of it, from the clause's vector. Pure numpy.

One logistic classifier per aspect of each taxonomy, one of three polarities for all, and one that tells which taxonomy
a review belongs to. A folder holds aspects.safetensors, and aspects.json with the taxonomies (their lexicons are a
feature of the classifiers) and the encoder's reference.
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
# A clause is taken to be about an aspect from this probability on. F1 is highest for a threshold of half its own value
# (Lipton et al. 2014, "Thresholding classifiers to maximize F1 score"), and it is about 0.8 here.
MENTIONED = 0.4
CUT = math.log(MENTIONED / (1 - MENTIONED))  # the same as a logit
_ARRAYS = ("aspects", "aspects_bias", "lexicon", "polarity", "polarity_bias", "kinds", "kinds_bias")


@dataclass(frozen=True)
class AspectModel:
    """The classifiers.

    Attributes:
        taxonomies: The taxonomies, by name.
        arrays: aspects float32 [all aspects, dim] and aspects_bias [all aspects], in the order of the taxonomies;
            lexicon [all aspects], what a hit of the lexicon adds to the logit; polarity [3, dim] and polarity_bias [3];
            kinds [taxonomies, dim] and kinds_bias [taxonomies].
        encoder: Reference (name@digest) of the encoder whose vectors the classifiers were trained on.
    """

    taxonomies: Mapping[str, Taxonomy]
    arrays: Mapping[str, np.ndarray]
    encoder: str = ""

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self.arrays["aspects"].shape[1])

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Which of all the aspects are those of a taxonomy."""
        ends = np.cumsum([0, *(len(t.aspects) for t in self.taxonomies.values())]).tolist()
        return {name: slice(a, b) for name, a, b in zip(self.taxonomies, ends[:-1], ends[1:], strict=True)}

    def aspect_logits(self, taxonomy: str, vectors: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Return how much each clause is about each aspect of a taxonomy: above CUT it is. float64 [n, aspects].

        Args:
            taxonomy: Its name.
            vectors: float32 [n, dim].
            hits: What `Taxonomy.hits` returns for the same texts.
        """
        own, a = self.columns[taxonomy], self.arrays
        sums = self._linear(vectors, a["aspects"][own], a["aspects_bias"][own])
        return np.asarray(sums + hits * a["lexicon"][own].astype(float))

    def polarity_logits(self, vectors: np.ndarray) -> np.ndarray:
        """Return the logits of POLARITIES for each clause, float64 [n, 3]."""
        return self._linear(vectors, self.arrays["polarity"], self.arrays["polarity_bias"])

    def kind_logits(self, vectors: np.ndarray) -> np.ndarray:
        """Return the logits of the taxonomies for each clause, float64 [n, taxonomies]; a review's are their mean."""
        return self._linear(vectors, self.arrays["kinds"], self.arrays["kinds_bias"])

    def _linear(self, vectors: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
        if vectors.shape[1] != self.dim:
            raise ModelError(f"the model reads vectors of {self.dim} numbers; the engine gives {vectors.shape[1]}")
        # class by class instead of a matrix product: in BLAS, the rounding of a row depends on the number of rows
        sums = [(vectors * each).sum(axis=1, dtype=float) for each in weights]
        return np.asarray(np.column_stack(sums) + bias)

    @classmethod
    def load(cls, folder: str | Path) -> AspectModel:
        """Load a model. Raises ModelError if a file is missing, unreadable, or of the wrong shape."""
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
        a, count = self.arrays, sum(len(t.aspects) for t in self.taxonomies.values())
        if set(a) != set(_ARRAYS) or a["aspects"].ndim != 2 or not self.taxonomies:
            return False
        rows = {"aspects": count, "polarity": len(POLARITIES), "kinds": len(self.taxonomies)}
        right = [a[n].shape == (k, self.dim) and a[f"{n}_bias"].shape == (k,) for n, k in rows.items()]
        return all(right) and a["lexicon"].shape == (count,) and all(np.isfinite(x).all() for x in a.values())

    def save(self, folder: Path) -> None:
        """Write the two files; equal models give equal bytes."""
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
        """Return a model for the fake engine's vectors: its aspects are the lexicons', the rest is arbitrary."""
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
    """Return the probabilities of logits, float64."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of logits, float64 [n, classes], each row summing to 1."""
    powers = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
