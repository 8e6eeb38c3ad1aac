"""The cascade: sentiment models from the smallest to the largest, and the scores from which on each small one answers.

The large model, the last one, answers the reviews that no small model answers. train_cascade writes cascades, and
score_reviews uses them.
"""

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
    """Return how sure a model is of its label in each row, as log odds of the most probable class, float64 [n].

    Log odds spread out, whereas probabilities crowd together near 1.

    Args:
        probabilities: The model's probabilities, [n, classes].
    """
    ordered = np.sort(probabilities.astype(np.float64), axis=1)
    return np.asarray(np.log(np.maximum(ordered[:, -1], _TINY)) - np.log(np.maximum(ordered[:, :-1].sum(1), _TINY)))


def bound_of(bounds: Mapping[str, float], language: pa.Array) -> np.ndarray:
    """Return the bound (least score with which a small model answers) of each row by its language, float64 [n].

    Args:
        bounds: Bound by language. A language without an entry gets the bound of `other`; without that entry, NEVER (a
            bound that no score reaches).
        language: Language of each row, string [n]; null where unknown.
    """
    names = list(bounds)
    values = np.array([*bounds.values(), bounds.get(OTHER, NEVER)])
    places = pc.index_in(language, pa.array(names, pa.string())).fill_null(len(names))
    return np.asarray(values[places.to_numpy()])


class Step(Strict):
    """A small model of a cascade, and the scores from which on it answers.

    The score of an answer is the log odds of the model's label (see `scores`).
    """

    model: str
    """Reference (name@digest) of the model's head."""
    bounds: dict[str, float]
    """Least score with which the model answers, by language. Languages without an entry use that of `other`."""
    doubt: float = Field(default=0.0, ge=0)
    """How far the other rows of a batch can change a score by rounding. A score that is this close to a bound is
    computed again from its text alone, so that the batch does not decide which model answers."""

    def bound(self, language: pa.Array) -> np.ndarray:
        """Return the least score with which this model answers each row, by the row's language, float64 [n].

        Args:
            language: Language of each row, string [n]; null where unknown.
        """
        return bound_of(self.bounds, language)


class Cascade(Strict):
    """The content of `cascade.json` in a model folder: which models answer, and from which scores on."""

    steps: tuple[Step, ...] = Field(max_length=8)
    """The small models, in the order in which they are asked."""
    large: str
    """Reference (name@digest) of the head that answers what the small models leave."""

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        """Refuse a cascade without a small model."""
        if not self.steps:
            raise ValueError("a cascade has at least one small model")
        return self

    def save(self, folder: Path) -> None:
        """Write `cascade.json` into a model folder."""
        (folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Cascade:
        """Read `cascade.json` from a model folder.

        Raises:
            ModelError: The file is missing or invalid.
        """
        try:
            return cls.model_validate_json((local(folder) / FILE).read_bytes())
        except (OSError, ValidationError):
            raise ModelError(f"{folder} is not a cascade: {FILE} is missing or wrong") from None


@dataclass(frozen=True)
class Parts:
    """The models of a cascade in the registry, as `parts` finds them; without the large model.

    Attributes:
        cascade: The cascade (a model folder with `cascade.json`).
        heads: The heads of the small models, the smallest first.
        encoders: The encoders of the small models, in the same order.
    """

    cascade: Model
    heads: tuple[Model, ...]
    encoders: tuple[Model, ...]

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests of the cascade and its small models by name, for recipe and report (without the large model)."""
        digests = {"cascade": self.cascade.digest}
        for number, (head, encoder) in enumerate(zip(self.heads, self.encoders, strict=True), 1):
            digests |= {f"small head {number}": head.digest, f"small encoder {number}": encoder.digest}
        return digests

    @property
    def folders(self) -> tuple[tuple[str, str], ...]:
        """The (encoder folder, head folder) of each small model, the smallest first."""
        return tuple((e.path, h.path) for e, h in zip(self.encoders, self.heads, strict=True))


def parts(root: str, reference: str, large: str) -> Parts:
    """Find a cascade, and the heads and encoders of its small models, in the registry.

    Args:
        root: The registry's folder or URI.
        reference: `name@live` or `name@digest` of the cascade.
        large: Digest of the head that score_reviews would use without the cascade.

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
    """All heads of a cascade as one classifier, which reads the vectors of all encoders side by side.

    It is used to measure a cascade (for example its bias). It saves no time, since all encoders must have run.

    Attributes:
        heads: The heads, from the smallest to the large one.
        cascade: Holds the scores from which on each head answers.
    """

    heads: tuple[SentimentHead, ...]
    cascade: Cascade

    def probabilities(self, vectors: np.ndarray, language: pa.Array) -> np.ndarray:
        """Return the probabilities of the model that answers each row, float32 [n, 3].

        Args:
            vectors: The encoders' vectors in the order of the heads, side by side: float32 [n, sum of their dims].
            language: Language of each row, string [n].
        """
        ends = np.cumsum([head.dim for head in self.heads])
        each = [
            head.probabilities(vectors[:, end - head.dim : end], language)
            for head, end in zip(self.heads, ends, strict=True)
        ]
        return mixed(each, [step.bound(language) for step in self.cascade.steps])


def mixed(each: list[np.ndarray], bounds: list[np.ndarray]) -> np.ndarray:
    """Return per row the probabilities of the first model whose score reaches its bound, else of the last model.

    Args:
        each: Probabilities [n, 3] by each model, from the smallest to the large one.
        bounds: For each model but the last, the least score with which it answers, by row, [n].

    Returns:
        float32 [n, 3].
    """
    answer = each[-1]
    for probabilities, bound in zip(reversed(each[:-1]), reversed(bounds), strict=True):
        answer = np.where((scores(probabilities) >= bound)[:, None], probabilities, answer)
    return np.asarray(answer, np.float32)
