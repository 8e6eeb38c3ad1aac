"""Clauses of reviews -> what each review says about which aspect, and where. Used by the stage, training and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.insights.clauses import Clause, review_clauses
from shopbatch.capabilities.insights.model import CUT, AspectModel, sigmoid, softmax
from shopbatch.capabilities.insights.remarks import remarks
from shopbatch.engines.base import Encoder, encode_all
from shopbatch.tables.review_aspects import POLARITIES


@dataclass(frozen=True)
class Clauses:
    """The clauses of several reviews.

    Attributes:
        clauses: Those of all reviews, one review after the other.
        starts: Where those of each review begin, int64 [reviews + 1].
        distinct: The texts that occur, each once, in the order of their first occurrence.
        number: Which of them each clause is, int64 [clauses].
    """

    clauses: list[Clause]
    starts: np.ndarray
    distinct: list[str]
    number: np.ndarray

    @classmethod
    def of(cls, titles: Sequence[str | None], texts: Sequence[str | None]) -> Clauses:
        """Split reviews."""
        per_review = [review_clauses(title, text) for title, text in zip(titles, texts, strict=True)]
        clauses = [clause for each in per_review for clause in each]
        seen: dict[str, int] = {}
        number = np.asarray([seen.setdefault(clause.text, len(seen)) for clause in clauses], np.int64)
        starts = np.cumsum([0, *map(len, per_review)]).astype(np.int64)
        return cls(clauses, starts, list(seen), number)


def analyse(model: AspectModel, encoder: Encoder, clauses: Clauses, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Encode each distinct clause once, and put together what the clauses of each review say.

    Args:
        model: The model.
        encoder: The encoder whose vectors it reads.
        clauses: The clauses of the reviews.
        kinds: The taxonomies that a review may belong to.

    Returns:
        For each review: taxonomy, aspects, remarks, other, clauses (as in `review_aspects`), and tokens.

    Raises:
        EngineError: As the encoder raises it.
    """
    encoded = encode_all(encoder, pa.array(clauses.distinct, pa.string()))
    polarity, kind_logits = model.polarity_logits(encoded.vectors), model.kind_logits(encoded.vectors)
    reviews = [slice(a, b) for a, b in pairwise(clauses.starts.tolist())]
    chosen = [taxonomy_of(model, kind_logits[clauses.number[own]], kinds) for own in reviews]
    logits = _logits(model, encoded.vectors, clauses, chosen)
    results = []
    for own, kind in zip(reviews, chosen, strict=True):
        number, parts, names = clauses.number[own], clauses.clauses[own], model.taxonomies[kind].names
        about = logits[own, : len(names)]
        silent = np.flatnonzero(~(about > CUT).any(axis=1)).tolist()
        results.append(
            {
                "taxonomy": kind,
                "aspects": _mentions(names, parts, about, polarity[number]),
                "remarks": [{"kind": r, **_place(clause)} for clause in parts for r in remarks(clause.text)],
                "other": [_place(parts[i]) for i in silent],
                "clauses": len(parts),
                "tokens": int(encoded.tokens[number].sum()),
            }
        )
    return results


def _logits(model: AspectModel, vectors: np.ndarray, clauses: Clauses, chosen: Sequence[str]) -> np.ndarray:
    """How much each clause is about each aspect of its review's taxonomy, float64 [clauses, most aspects]."""
    widest = max(len(taxonomy.names) for taxonomy in model.taxonomies.values())
    kinds = np.repeat(np.asarray(chosen, object), np.diff(clauses.starts))
    logits = np.full((len(clauses.clauses), widest), -np.inf)
    for name in dict.fromkeys(chosen):
        rows = np.flatnonzero(kinds == name)
        distinct, place = np.unique(clauses.number[rows], return_inverse=True)
        taxonomy = model.taxonomies[name]
        hits = taxonomy.hits([clauses.distinct[i] for i in distinct])
        logits[rows, : len(taxonomy.names)] = model.aspect_logits(name, vectors[distinct], hits)[place]
    return logits


def taxonomy_of(model: AspectModel, logits: np.ndarray, kinds: Sequence[str]) -> str:
    """Return the taxonomy, one of `kinds`, that the clauses of a review (logits [n, taxonomies]) speak for."""
    every = list(model.taxonomies)
    if len(kinds) == 1 or not len(logits):
        return kinds[0]
    mean = logits.mean(axis=0)
    return max(kinds, key=lambda name: float(mean[every.index(name)]))


def _mentions(
    names: Sequence[str], own: Sequence[Clause], logits: np.ndarray, polarity: np.ndarray
) -> list[dict[str, Any]]:
    """Return the aspects that some clause is about, each with the place of the clause that says it most clearly.

    That is the one with the greatest product of two probabilities: to be about the aspect, and to have its polarity.
    The clause that is most about it may only state a fact ("my usual size").
    """
    mentions = []
    for column in np.flatnonzero((logits > CUT).any(axis=0)).tolist():
        about = logits[:, column]
        probabilities = softmax(spoken_of(about, polarity)[None])[0].astype(np.float32)
        best = int(probabilities.argmax())
        clear = np.where(about > CUT, sigmoid(about) * softmax(polarity)[:, best], -1.0)
        mentions.append(
            {
                "aspect": names[column],
                "probability": float(sigmoid(about.max())),
                "polarity": POLARITIES[best],
                **{f"p_{name}": float(p) for name, p in zip(POLARITIES, probabilities, strict=True)},
                **_place(own[int(clear.argmax())]),
            }
        )
    return mentions


def spoken_of(logits: np.ndarray, polarity: np.ndarray) -> np.ndarray:
    """Return the logits of POLARITIES for one aspect of a review or sentence, float64 [3].

    They are the mean over its clauses, weighted by the softmax of how much each is about the aspect: nearly those of
    one clause where one stands out, and those of the whole where none does.

    Args:
        logits: How much each clause is about the aspect, [clauses].
        polarity: Logits of POLARITIES of each clause, [clauses, 3].
    """
    return np.asarray((softmax(logits[None])[0][:, None] * polarity).sum(axis=0))


def _place(clause: Clause) -> dict[str, Any]:
    return {"column": clause.column, "start": clause.start, "end": clause.end}
