"""The languages that the model reads badly: their reviews mention far less often an aspect than those of the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from shopbatch.evaluation.changes import exact_p_values
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

FEWEST = 5  # reviews of a language that is judged
_FAR, _CHANCE = 0.25, 0.05  # how far above the others' share, and how improbable by chance
_ALONE = 0.5  # share that is too great where there is no other language to compare with


class Unread(NamedTuple):
    """A language that is hardly read: its reviews, and those without an aspect; the same of all other languages."""

    language: str
    reviews: int
    without: int
    others: int
    others_without: int


def hardly_read(results: Snapshot) -> list[Unread]:
    """Find the languages whose reviews mention no aspect far more often than those of the others do.

    Every language is compared with all others together, by Fisher's exact test. Where the others have too few reviews,
    more than half of the reviews must be without an aspect.

    Args:
        results: The table review_aspects.
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
    share = one.without / one.reviews
    if one.others < FEWEST:
        return share > _ALONE
    chance = exact_p_values(*(np.array([n]) for n in (one.without, one.reviews, one.others_without, one.others)))[0]
    return share - one.others_without / one.others >= _FAR and bool(chance <= _CHANCE)
