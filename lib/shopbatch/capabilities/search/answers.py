"""Answers queries with scored products and reasons; both `search_products` and `shopbatch search` use this code."""

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
    """One product of an answer.

    Attributes:
        number: The product's number in the index.
        product_id: The product's id in the table `products`.
        score: The fused score (words and vectors combined); the products of an answer are sorted by it.
        lexical: The BM25F score of the query's words; None if the search by words did not find the product.
        dense: The similarity of query vector and product vector; None if the search by vectors did not find the
            product.
        reason: Why the product is in the answer, in words ("says red, dress; price<=50").
    """

    number: int
    product_id: str
    score: float
    lexical: float | None
    dense: float | None
    reason: str


@dataclass(frozen=True)
class Answer:
    """The answer to one query.

    Attributes:
        plan: How the query was searched for.
        hits: The products, best first.
    """

    plan: Plan
    hits: list[Hit]


def answers(index: SearchIndex, asked: Sequence[Asked], vectors: np.ndarray, k: Sequence[int]) -> list[Answer]:
    """Answer queries: plan them, search the index, and give a reason for each product.

    Args:
        index: The index.
        asked: The queries, [n].
        vectors: The queries' vectors, as the encoder returns them, float32 [n, dim].
        k: Number of products of each answer, at most, [n].

    Returns:
        One answer per query, in order.

    Raises:
        UserError: A condition in `Asked.filters` names an unknown column, or has a value of the wrong type.
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
    """Write why a product is in the answer: words of the query that occur in it, and the conditions that it meets.

    A condition that the product says nothing about appears as "states no colour".
    """
    said = matched_words(plan.words, set(index.terms_in(query, product)))
    pieces = [f"says {', '.join(said)}"] if said else ["near in meaning"]
    for constraint, met in zip(plan.constraints, plan.met, strict=True):
        pieces.append(str(constraint) if met[product] else f"states no {constraint.kind}")
    return "; ".join([*pieces, *plan.conditions])


def matched_words(text: str, terms: set[str]) -> list[str]:
    """Return the words of a query that match a product's terms, each once, in the order of the query.

    Of text without spaces (Chinese, ...), matching characters are returned, joined where they are neighbours.

    Args:
        text: The query.
        terms: The query's terms that occur in the product (see `SearchIndex.terms_in`).
    """
    words: list[str] = []
    for piece in pieces(text.lower()):
        if is_unspaced(piece[0]):
            held = "".join(c if CHARACTER + c in terms else " " for c in piece)
            words += held.split()
        elif terms.intersection(word_terms(piece)):
            words.append(piece)
    return list(dict.fromkeys(words))
