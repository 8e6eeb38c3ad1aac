"""Metrics of ranked lists against graded relevance judgements of which some are missing (NDCG, recall).

The search quality jobs use it. Products that nobody judged are counted separately. Discounted cumulative gain is that
of Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with the grade itself as the gain
and log2(place + 1) as the discount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DEPTH, RECALL_DEPTH = 10, 50


@dataclass(frozen=True)
class Judged:
    """The relevance judgements of one query.

    Attributes:
        products: Numbers of the judged products, int64 [n], distinct and ascending.
        gains: Relevance of each product, float64 [n], 0 or above; 0 means irrelevant.
    """

    products: np.ndarray
    gains: np.ndarray

    @classmethod
    def of(cls, gains: Mapping[int, float]) -> Judged:
        """Make the judgements of a query from a mapping of product (as a row number of the catalogue) to gain."""
        products = np.array(sorted(gains), np.int64)
        return cls(products, np.array([gains[p] for p in products.tolist()], np.float64))

    @property
    def useful(self) -> int:
        """Return the number of relevant products (gain above 0)."""
        return int(np.count_nonzero(self.gains > 0))

    def gain_of(self, ranked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up the gains of a list's products.

        Args:
            ranked: The products of the list, as row numbers of the catalogue, int64 [n].

        Returns:
            The gain of each product, float64 [n], 0 where nobody judged it; and a mask of the judged products, bool
            [n].
        """
        if not len(self.products):
            return np.zeros(len(ranked)), np.zeros(len(ranked), bool)
        at = np.minimum(np.searchsorted(self.products, ranked), len(self.products) - 1)
        known = self.products[at] == ranked
        return np.where(known, self.gains[at], 0.0), known


@dataclass(frozen=True)
class ListQuality:
    """The metrics of one ranked list; nan where a metric is undefined.

    Attributes:
        ndcg: Normalised discounted cumulative gain of the first ten products, 0 to 1; unjudged products are taken as
            irrelevant. nan if the query has no relevant product.
        ndcg_judged: The same after unjudged products are removed from the list (the condensed list of Sakai 2007).
        recall: Share of the relevant products that are among the first fifty products of the list; nan if the query has
            none.
        unjudged: Share of the first ten products that nobody judged; nan for an empty list.
        shown: Number of products in the list, at most ten.
    """

    ndcg: float
    ndcg_judged: float
    recall: float
    unjudged: float
    shown: int


def list_quality(ranked: np.ndarray, judged: Judged) -> ListQuality:
    """Return the metrics of one ranked list.

    Args:
        ranked: The products of the list, as row numbers of the catalogue, best first, int64 [n], distinct. For a
            reliable `ndcg_judged`, pass more than ten: unjudged products are removed, and later ones move up.
        judged: The judgements of the query.
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
    """Return the discounted cumulative gain of the first products of a list.

    Args:
        gains: Gain of each place, float [n].
        places: Number of first products that are summed up.
    """
    first = gains[:places]
    return float(first @ (1 / np.log2(np.arange(2, len(first) + 2))))


def mean(values: np.ndarray) -> float:
    """Return the mean of the values that are not nan; nan if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
