"""Decides whether an index groups its vectors into lists (IVF), and how many lists a query reads.

An exact search compares a query with all vectors; a search in lists reads only the lists whose centres are nearest to
the query. Both score products alike, so the search in lists finds a product exactly if it reads the product's list. One
exact search of sample queries therefore gives the recall for every number of lists. `IndexBuilder` uses this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from shopbatch.capabilities.search.settings import VectorSettings
from shopbatch.vectors.dense import DenseIndex
from shopbatch.vectors.lists import Lists, make_lists

SAMPLED = 256  # products used as queries; a product does not find itself
BATCH = 256  # queries per call of the exact search
MOST_READ = 0.25  # if lists hold more than this share of the catalogue, reading all of it is as fast
TOPS = (10, 100)


@dataclass(frozen=True)
class Choice:
    """The decision on the search of vectors, with its measurements.

    Attributes:
        lists: The lists, with the number that a query reads; None: every query reads all vectors.
        why: The reason, in a sentence.
        recall: Share of the true nearest products that is found, 0 to 1, by kind of query and number of nearest
            products (key "products, 10 nearest").
        read: Largest share of the products that a query can read, 0 to 1: that of the longest lists.
    """

    lists: Lists | None
    why: str
    recall: dict[str, float] = field(default_factory=dict)
    read: float = 1.0

    def tree(self) -> dict[str, object]:
        """Return the decision as a JSON-able tree for the run's report."""
        tree: dict[str, object] = {"search of vectors": "exact" if self.lists is None else "lists", "why": self.why}
        if self.recall:
            tree |= {"recall": self.recall, "share read": round(self.read, 5)}
        if self.lists is not None:
            tree |= {"lists": len(self.lists.centres), "lists read": self.lists.nprobe}
        return tree


def choose(dense: DenseIndex, settings: VectorSettings, asked: Mapping[str, np.ndarray]) -> Choice:
    """Decide for a catalogue between an exact search and a search in lists, by the recall of sample queries.

    Args:
        dense: The dense index, without lists.
        settings: The wanted recall and the kind of search.
        asked: Sample queries besides the catalogue's own products: their vectors, float32 [n, dim], by kind of query
            ("reference queries").
    """
    size = len(dense.codes)
    count = min(size, round(2 * size**0.5))
    if not settings.makes_lists(size) or size < 2:
        few = f"fewer products than vectors.from_products={settings.from_products}"
        return Choice(None, "asked for" if settings.kind == "exact" else few)
    lists = make_lists(dense.fine, count, settings.seed)
    by_kind = _places(dense, lists, settings, asked)
    wanted = settings.nearest
    nprobe = max(_least(places[:, :wanted], settings.recall) for places in by_kind.values())
    lists = replace(lists, nprobe=nprobe)
    recall = {
        f"{kind}, {top} nearest": round(float((places[:, :top] < nprobe).mean()), 5)
        for kind, places in by_kind.items()
        for top in sorted({*TOPS, wanted})
        if top <= places.shape[1]
    }
    read = float(np.sort(lists.sizes)[::-1][:nprobe].sum()) / size
    if settings.kind == "auto" and read > MOST_READ:
        return Choice(None, f"recall {settings.recall} would need {read:.0%} of the vectors", recall, read)
    return Choice(lists, f"recall {settings.recall} of the {wanted} nearest", recall, read)


def _places(
    dense: DenseIndex, lists: Lists, settings: VectorSettings, asked: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Find the nearest products of each sample query, and return the ranks of the lists that contain them.

    A query ranks the lists from 0 by the nearness of their centres. It finds a product if the number of lists that it
    reads is greater than the rank of the product's list.

    Returns:
        The ranks by kind of query ("products", and the kinds of `asked`), int32 [queries, nearest].
    """
    size = len(dense.codes)
    most = min(size - 1, max(*TOPS, settings.nearest))
    draw = np.random.default_rng([settings.seed, 1])
    sampled = np.sort(draw.choice(size, min(size, SAMPLED), replace=False))
    out = {"products": _of(dense, lists, np.asarray(dense.fine[sampled], np.float32), most, sampled)}
    for kind, queries in asked.items():
        if len(queries):
            out[kind] = _of(dense, lists, np.asarray(queries, np.float32), most, None)
    return out


def _of(dense: DenseIndex, lists: Lists, queries: np.ndarray, most: int, own: np.ndarray | None) -> np.ndarray:
    rows = []
    for start in range(0, len(queries), BATCH):
        some = queries[start : start + BATCH]
        places = lists.places(some)
        for row, (products, _) in enumerate(dense.top(some, most + (own is not None))):
            others = products if own is None else products[products != own[start + row]]
            rows.append(places[row, lists.list_of[others[:most]]])
    return np.stack(rows)


def _least(places: np.ndarray, recall: float) -> int:
    """Return the least number of lists that a query must read to find a share `recall` of the nearest products.

    Args:
        places: For each sample query and near product, the rank of the list that holds the product (see `_places`).
        recall: The wanted share, 0 to 1.
    """
    ranked = np.sort(places, axis=None)
    return int(ranked[max(0, int(np.ceil(recall * len(ranked))) - 1)]) + 1
