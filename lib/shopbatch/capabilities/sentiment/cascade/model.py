"""A cascade: sentiment models from the smallest to the largest, and from which score on each but the last answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationError, model_validator

from shopbatch.capabilities.sentiment.examples import OTHER
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.core.config import Strict
from shopbatch.models.folder import ModelError, local
from shopbatch.models.registry import Model, find, resolve

NAME = "sentiment-cascade"
FILE = "cascade.json"
NEVER = 1e9  # a bound that no score reaches
_TINY = 1e-30


def scores(probabilities: np.ndarray) -> np.ndarray:
    """Return how sure a model is of its label: log odds, which are not crowded at 1 as probabilities are; float64 [n].

    Args:
        probabilities: [n, classes].
    """
    ordered = np.sort(probabilities.astype(np.float64), axis=1)
    return np.asarray(np.log(np.maximum(ordered[:, -1], _TINY)) - np.log(np.maximum(ordered[:, :-1].sum(1), _TINY)))


def bound_of(bounds: Mapping[str, float], language: pa.Array) -> np.ndarray:
    """Return the bound of each row by its language (null where unknown), float64 [n]."""
    names = list(bounds)
    values = np.array([*bounds.values(), bounds.get(OTHER, NEVER)])
    places = pc.index_in(language, pa.array(names, pa.string())).fill_null(len(names))
    return np.asarray(values[places.to_numpy()])


class Step(Strict):
    """A model that answers where it is sure. The score of an answer is the log odds of the model's label."""

    model: str
    """Reference of its head."""
    bounds: dict[str, float]
    """Least score with which it answers, by language; a language that is not named has that of `other`."""
    doubt: float = Field(default=0.0, ge=0)
    """How far the company of its batch can move a score. A score that is this near to a bound is computed once more,
    from its text alone, so that the company does not decide who answers."""

    def bound(self, language: pa.Array) -> np.ndarray:
        """Return the bound of each row by its language (null where unknown), float64 [n]."""
        return bound_of(self.bounds, language)


class Cascade(Strict):
    """Which models answer, and when: `cascade.json` of a model folder."""

    steps: tuple[Step, ...] = Field(max_length=8)
    """The small models, in the order in which they are asked."""
    large: str
    """Reference of the head that answers what the others leave."""

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        """Without a small model there is no cascade."""
        if not self.steps:
            raise ValueError("a cascade has at least one small model")
        return self

    def save(self, folder: Path) -> None:
        """Write the file."""
        (folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Cascade:
        """Read the file of a model folder.

        Raises:
            ModelError: It is missing or wrong.
        """
        try:
            return cls.model_validate_json((local(folder) / FILE).read_bytes())
        except (OSError, ValidationError):
            raise ModelError(f"{folder} is not a cascade: {FILE} is missing or wrong") from None


@dataclass(frozen=True)
class Parts:
    """What a cascade consists of: its folder, and the small heads with their encoders."""

    cascade: Model
    heads: tuple[Model, ...]
    encoders: tuple[Model, ...]

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests that the large model's do not name, for recipe and report."""
        digests = {"cascade": self.cascade.digest}
        for number, (head, encoder) in enumerate(zip(self.heads, self.encoders, strict=True), 1):
            digests |= {f"small head {number}": head.digest, f"small encoder {number}": encoder.digest}
        return digests

    @property
    def folders(self) -> tuple[tuple[str, str], ...]:
        """The folders of each small model: encoder, head."""
        return tuple((e.path, h.path) for e, h in zip(self.encoders, self.heads, strict=True))


def parts(root: str, reference: str, large: str) -> Parts:
    """Find a cascade and its models.

    Args:
        root: The registry's folder or URI.
        reference: `name@live` or `name@digest`.
        large: Digest of the head that would answer without it.

    Raises:
        ModelError: A model is missing or damaged, or the cascade was fitted to another large model.
    """
    model = resolve(root, reference)
    cascade = Cascade.load(model.path)
    fitted = find(root, cascade.large)
    if fitted.digest != large:
        raise ModelError(
            f"cascade {reference}: it was fitted to {fitted.reference}, and its promise is about that model alone; "
            "`shopbatch run train_cascade` fits one to the model in use"
        )
    heads = tuple(find(root, step.model) for step in cascade.steps)
    return Parts(model, heads, tuple(find(root, SentimentHead.load(head.path).encoder) for head in heads))


@dataclass(frozen=True)
class CascadeHead:
    """All heads as one, over the vectors of all encoders side by side; for figures, not for speed.

    heads: from the smallest to the large one. cascade: when which answers.
    """

    heads: tuple[SentimentHead, ...]
    cascade: Cascade

    def probabilities(self, vectors: np.ndarray, language: pa.Array) -> np.ndarray:
        """Return the probabilities of the model that answers, float32 [n, 3].

        Args:
            vectors: Those of the encoders in the order of the heads: float32 [n, sum of their dims].
            language: string [n].
        """
        ends = np.cumsum([head.dim for head in self.heads])
        each = [
            head.probabilities(vectors[:, end - head.dim : end], language)
            for head, end in zip(self.heads, ends, strict=True)
        ]
        return mixed(each, [step.bound(language) for step in self.cascade.steps])


def mixed(each: list[np.ndarray], bounds: list[np.ndarray]) -> np.ndarray:
    """Return the probabilities of the first model whose score reaches its bound, else of the last: float32 [n, 3].

    Args:
        each: Probabilities of each model, [n, 3].
        bounds: The bound of each row for all models but the last, [n].
    """
    answer = each[-1]
    for probabilities, bound in zip(reversed(each[:-1]), reversed(bounds), strict=True):
        answer = np.where((scores(probabilities) >= bound)[:, None], probabilities, answer)
    return np.asarray(answer, np.float32)
