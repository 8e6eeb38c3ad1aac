"""Finds languages that the model reads badly: far more of their reviews have no aspect than in other languages.

The merchant's page warns about them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from shopbatch.evaluation.changes import exact_p_values
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

FEWEST = 5  # least reviews of a language to judge it
_FAR, _CHANCE = 0.25, 0.05  # least difference from the other languages' share, and greatest p-value
_ALONE = 0.5  # share that is too high if there is no other language to compare with


class Unread(NamedTuple):
    """A language that the model reads badly, with the counts that show it.

    Attributes:
        language: ISO 639-1 code.
        reviews: Reviews in this language.
        without: Reviews in this language without any aspect.
        others: Reviews in all other languages.
        others_without: Reviews in all other languages without any aspect.
    """

    language: str
    reviews: int
    without: int
    others: int
    others_without: int


def hardly_read(results: Snapshot) -> list[Unread]:
    """Return the languages in which far more reviews mention no aspect than in the other languages.

    Each language is compared with all others together by Fisher's exact test: its share of reviews without an aspect
    must be at least 0.25 higher, with a p-value of at most 0.05. If the other languages have fewer than FEWEST reviews,
    the share must be above 0.5 instead. Languages with fewer than FEWEST reviews are not judged.

    Args:
        results: The table `review_aspects`.
    """
    if not results.files:
        return []
    scan = files.scan([f.uri for f in results.files], results.schema)
    counts = scan.group_by("language").agg(pl.len(), (pl.col("aspects").list.len() == 0).sum().alias("without"))
    rows = counts.collect(engine="streaming").sort("language").rows()
    reviews, without = sum(row[1] for row in rows), sum(row[2] for row in rows)
    each = [Unread(code, n, bare, reviews - n, without - bare) for code, n, bare in rows if n >= FEWEST]
    return [one for one in each if _is_far(one)]


def _is_far(one: Unread) -> bool:
    """Return True if the share of reviews without an aspect is too high (see `hardly_read`)."""
    share = one.without / one.reviews
    if one.others < FEWEST:
        return share > _ALONE
    chance = exact_p_values(*(np.array([n]) for n in (one.without, one.reviews, one.others_without, one.others)))[0]
    return share - one.others_without / one.others >= _FAR and bool(chance <= _CHANCE)
