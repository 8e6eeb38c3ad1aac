"""How good ranked lists are against graded judgements of some products: what nobody judged is counted apart.

Discounted gain is that of Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with the
grade itself as the gain and log2(place + 1) as the discount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DEPTH, RECALL_DEPTH = 10, 50


@dataclass(frozen=True)
class Judged:
    """The judgements of one query.

    Attributes:
        products: Numbers of the products, int64 [n], distinct and ascending.
        gains: What each is worth, float64 [n], 0 or above; 0 is of no use.
    """

    products: np.ndarray
    gains: np.ndarray

    @classmethod
    def of(cls, gains: Mapping[int, float]) -> Judged:
        """Make it of product number -> gain."""
        products = np.array(sorted(gains), np.int64)
        return cls(products, np.array([gains[p] for p in products.tolist()], np.float64))

    @property
    def useful(self) -> int:
        """Number of products that are worth something."""
        return int(np.count_nonzero(self.gains > 0))

    def gain_of(self, ranked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gains of a list's products, 0 where not judged, and which of them are judged; [len(ranked)]."""
        if not len(self.products):
            return np.zeros(len(ranked)), np.zeros(len(ranked), bool)
        at = np.minimum(np.searchsorted(self.products, ranked), len(self.products) - 1)
        known = self.products[at] == ranked
        return np.where(known, self.gains[at], 0.0), known


@dataclass(frozen=True)
class ListQuality:
    """What one list is worth; nan where it cannot be said.

    Attributes:
        ndcg: Discounted gain of the first ten places, unjudged products as worth nothing, by that of the best list. nan
            if no product of the query is worth anything.
        ndcg_judged: The same of the list without the products that nobody judged (the condensed list of Sakai 2007).
        recall: Share of the useful products that are among the first fifty.
        unjudged: Share of the first ten that nobody judged; nan for an empty list.
        shown: Products in the list, at most ten.
    """

    ndcg: float
    ndcg_judged: float
    recall: float
    unjudged: float
    shown: int


def list_quality(ranked: np.ndarray, judged: Judged) -> ListQuality:
    """Judge a list.

    Args:
        ranked: Product numbers, best first, int64 [n], distinct. The deeper, the more `ndcg_judged` can say.
        judged: The query's judgements.
    """
    gains, known = judged.gain_of(ranked)
    best = discounted(np.sort(judged.gains)[::-1], DEPTH)
    shown = min(len(ranked), DEPTH)
    useful = judged.useful
    useful_shown = int(np.count_nonzero(gains[:RECALL_DEPTH] > 0))
    return ListQuality(
        discounted(gains, DEPTH) / best if best > 0 else float("nan"),
        discounted(gains[known], DEPTH) / best if best > 0 else float("nan"),
        useful_shown / useful if useful else float("nan"),
        1 - float(known[:DEPTH].mean()) if shown else float("nan"),
        shown,
    )


def discounted(gains: np.ndarray, places: int) -> float:
    """Return the discounted gain of the first places of a list.

    Args:
        gains: Gain of each place, float [n].
        places: How many count.
    """
    first = gains[:places]
    return float(first @ (1 / np.log2(np.arange(2, len(first) + 2))))


def mean(values: np.ndarray) -> float:
    """Return the mean of the numbers that are not nan; nan if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
