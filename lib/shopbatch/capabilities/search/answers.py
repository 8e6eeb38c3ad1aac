"""Queries and their vectors -> products with scores and reasons: the same code for the job and for the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.lexical import QueryTerms
from shopbatch.capabilities.search.plan import Asked, Plan, plans
from shopbatch.capabilities.search.terms import CHARACTER, is_unspaced, pieces, word_terms


@dataclass(frozen=True)
class Hit:
    """A product of an answer.

    Attributes:
        number: Its place in the index.
        product_id: Its name.
        score: What the answer is sorted by.
        lexical, dense: Score of the words and nearness of the meaning; None where that list does not hold it.
        reason: Why it is there.
    """

    number: int
    product_id: str
    score: float
    lexical: float | None
    dense: float | None
    reason: str


@dataclass(frozen=True)
class Answer:
    """The answer to a query: how it was searched for, and the products, best first."""

    plan: Plan
    hits: list[Hit]


def answers(index: SearchIndex, asked: Sequence[Asked], vectors: np.ndarray, k: Sequence[int]) -> list[Answer]:
    """Answer queries.

    Args:
        index: The index.
        asked: The queries, [n].
        vectors: Their vectors, float32 [n, dim].
        k: Most products of each answer, [n].

    Raises:
        UserError: A condition cannot be read.
    """
    if not asked:
        return []
    planned = plans(list(asked), index)
    terms = index.lexical.look_up([plan.words for plan in planned])
    ranked = index.search(
        terms,
        vectors,
        [plan.language for plan in planned],
        [plan.mask for plan in planned],
        max(k),
    )
    ids = index.products["product_id"]
    out = []
    for plan, best, query, most in zip(planned, ranked, terms, k, strict=True):
        hits = []
        for place, product in enumerate(best.products[:most].tolist()):
            lexical, dense = _or_none(best.lexical[place]), _or_none(best.dense[place])
            reason = _reason(index, plan, query, product)
            hits.append(Hit(product, ids[product].as_py(), float(best.scores[place]), lexical, dense, reason))
        out.append(Answer(plan, hits))
    return out


def _or_none(score: np.float32) -> float | None:
    return None if np.isnan(score) else float(score)


def _reason(index: SearchIndex, plan: Plan, query: QueryTerms, product: int) -> str:
    """Name the words of the query that stand in the product, the conditions that it meets, and what it does not say."""
    said = matched_words(plan.words, set(index.terms_in(query, product)))
    pieces = [f"says {', '.join(said)}"] if said else ["near in meaning"]
    for constraint, met in zip(plan.constraints, plan.met, strict=True):
        pieces.append(str(constraint) if met[product] else f"states no {constraint.kind}")
    return "; ".join([*pieces, *plan.conditions])


def matched_words(text: str, terms: set[str]) -> list[str]:
    """Return the words of a query of which a term is among `terms`, in their order; of Han text the characters, joined
    where they are neighbours."""
    words: list[str] = []
    for piece in pieces(text.lower()):
        if is_unspaced(piece[0]):
            held = "".join(c if CHARACTER + c in terms else " " for c in piece)
            words += held.split()
        elif terms.intersection(word_terms(piece)):
            words.append(piece)
    return list(dict.fromkeys(words))
