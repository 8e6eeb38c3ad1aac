"""Finds the aspects, their polarities and the remarks (wishes, comparisons, uses) in the clauses of reviews.

`AspectStage` calls it in `analyse_reviews`; `train_aspects` uses `spoken_of` for the vectors of its polarity
classifier.
"""

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
    """The clauses of a batch of reviews, with each distinct text listed once so that it is encoded once.

    Attributes:
        clauses: The clauses of all reviews, one review after the other.
        starts: Index of each review's first clause, and the total at the end, int64 [reviews + 1].
        distinct: The distinct texts of the clauses, in the order of their first occurrence.
        number: Index into `distinct` of each clause's text, int64 [clauses].
    """

    clauses: list[Clause]
    starts: np.ndarray
    distinct: list[str]
    number: np.ndarray

    @classmethod
    def of(cls, titles: Sequence[str | None], texts: Sequence[str | None]) -> Clauses:
        """Split reviews into clauses.

        Args:
            titles: The title of each review; None for none.
            texts: The text of each review; None for none.
        """
        per_review = [review_clauses(title, text) for title, text in zip(titles, texts, strict=True)]
        clauses = [clause for each in per_review for clause in each]
        seen: dict[str, int] = {}
        number = np.asarray([seen.setdefault(clause.text, len(seen)) for clause in clauses], np.int64)
        starts = np.cumsum([0, *map(len, per_review)]).astype(np.int64)
        return cls(clauses, starts, list(seen), number)


def analyse(model: AspectModel, encoder: Encoder, clauses: Clauses, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Find the aspects, their polarities and the remarks of reviews; each distinct clause is encoded once.

    Args:
        model: The aspect model.
        encoder: The encoder on whose vectors the model was trained.
        clauses: The clauses of the reviews.
        kinds: Names of the taxonomies that a review may be assigned to.

    Returns:
        One dict per review. Five keys are columns of the table `review_aspects`: `taxonomy` (name), `aspects` (with
        polarity and position), `remarks` (kind and position), `other` (positions of clauses about no aspect) and
        `clauses` (number). `tokens` is the number of tokens that the encoder read.

    Raises:
        EngineError: The encoder failed.
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
    """Return the logit of each clause for each aspect of its review's taxonomy, float64 [clauses, most aspects].

    The width is the number of aspects of the model's largest taxonomy. Columns that a smaller taxonomy does not use are
    -inf.

    Args:
        model: The aspect model.
        vectors: Vectors of the distinct clauses, [distinct, dim].
        clauses: The clauses of the reviews.
        chosen: Name of each review's taxonomy, [reviews].
    """
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
    """Return the taxonomy of a review: the one of `kinds` with the highest mean logit over the review's clauses.

    Args:
        model: The aspect model.
        logits: Taxonomy logits of the review's clauses (`AspectModel.kind_logits`), [clauses, taxonomies].
        kinds: Names of the taxonomies to choose from; the first one is returned for a review without clauses.
    """
    every = list(model.taxonomies)
    if len(kinds) == 1 or not len(logits):
        return kinds[0]
    mean = logits.mean(axis=0)
    return max(kinds, key=lambda name: float(mean[every.index(name)]))


def _mentions(
    names: Sequence[str], own: Sequence[Clause], logits: np.ndarray, polarity: np.ndarray
) -> list[dict[str, Any]]:
    """Return the aspects that a review mentions, each with its polarity and the position of its clearest clause.

    The clearest clause of an aspect is the one with the greatest P(clause is about the aspect) * P(clause has the
    aspect's polarity). The first probability alone would often choose a mere fact ("my usual size").

    Args:
        names: The aspects of the review's taxonomy.
        own: The clauses of the review.
        logits: Aspect logits of the clauses, [clauses, aspects].
        polarity: Polarity logits of the clauses, [clauses, 3].

    Returns:
        Entries of the column `aspects` of `review_aspects`.
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
    """Return the polarity logits (negative, neutral, positive) with which a text speaks of one aspect, float64 [3].

    They are the mean of the polarity logits of the text's clauses, weighted by the softmax of the clauses' aspect
    logits. If one clause is clearly about the aspect, the result is nearly that clause's polarity. If no clause is, the
    result is the polarity of the whole text.

    Args:
        logits: Logit of each clause of the text for the aspect, [clauses].
        polarity: Logits of each clause for the three POLARITIES, [clauses, 3].
    """
    return np.asarray((softmax(logits[None])[0][:, None] * polarity).sum(axis=0))


def _place(clause: Clause) -> dict[str, Any]:
    """Return the position of a clause as the fields `column`, `start` and `end` of `review_aspects`."""
    return {"column": clause.column, "start": clause.start, "end": clause.end}
