"""A cascade: two sentiment models, and from which score on the small one answers. `cascade.json` of a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationError

from shopbatch.capabilities.sentiment.examples import OTHER
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.core.config import Strict
from shopbatch.evaluation.selective import NEVER
from shopbatch.models.folder import ModelError, local
from shopbatch.models.registry import Model, find, resolve

NAME = "sentiment-cascade"
FILE = "cascade.json"


class Cascade(Strict):
    """Which models answer, and when. The score of an answer is the small model's probability of its label."""

    small: str
    """Reference of the small model's head."""
    large: str
    """Reference of the large model's head."""
    bounds: dict[str, float]
    """Least score with which the small model answers, by language; a language that is not named has that of `other`."""
    doubt: float = Field(default=0.0, ge=0, le=1)
    """How far the company of its batch can move a score. A score that is this near to a bound is computed once more,
    from its text alone, so that the company does not decide who answers."""

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

    def bound(self, language: pa.Array) -> np.ndarray:
        """Return the bound of each row by its language (null where unknown), float64 [n]."""
        names = list(self.bounds)
        values = np.array([*self.bounds.values(), self.bounds.get(OTHER, NEVER)])
        return values[pc.index_in(language, pa.array(names, pa.string())).fill_null(len(names)).to_numpy()]


@dataclass(frozen=True)
class Parts:
    """What a cascade consists of: its folder, and both heads with their encoders."""

    cascade: Model
    small: Model
    small_encoder: Model
    large: Model

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests that the large model's do not name, for recipe and report."""
        return {
            "cascade": self.cascade.digest,
            "small head": self.small.digest,
            "small encoder": self.small_encoder.digest,
        }


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
    small, fitted = find(root, cascade.small), find(root, cascade.large)
    if fitted.digest != large:
        raise ModelError(
            f"cascade {reference}: it was fitted to {fitted.reference}, and its promise is about that model alone; "
            "`shopbatch run train_cascade` fits one to the model in use"
        )
    return Parts(model, small, find(root, SentimentHead.load(small.path).encoder), fitted)


@dataclass(frozen=True)
class CascadeHead:
    """Both heads as one, over the vectors of both encoders side by side; for figures, not for speed.

    small, large: the heads. cascade: when which answers.
    """

    small: SentimentHead
    large: SentimentHead
    cascade: Cascade

    def probabilities(self, vectors: np.ndarray, language: pa.Array) -> np.ndarray:
        """Return the probabilities of the model that answers, float32 [n, 3].

        Args:
            vectors: Those of the small encoder, then those of the large one: float32 [n, dim of small + dim of large].
            language: string [n].
        """
        first = self.small.probabilities(vectors[:, : self.small.dim], language)
        second = self.large.probabilities(vectors[:, self.small.dim :], language)
        answers = first.max(axis=1) >= self.cascade.bound(language)
        return np.asarray(np.where(answers[:, None], first, second), np.float32)
