"""Whether a catalogue's vectors are searched in lists, and how many lists a query reads.

A nearest product is found if, and only if, its list is read: both searches score it alike. So one exact search of some
queries says what share of the nearest products is found for every number of lists that are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from shopbatch.capabilities.search.settings import VectorSettings
from shopbatch.vectors.dense import DenseIndex
from shopbatch.vectors.lists import Lists, make_lists

SAMPLED = 256  # products that are asked for, each without itself
BATCH = 256  # queries of one exact search
MOST_READ = 0.25  # share of the catalogue from which reading lists is not faster than reading all of it
TOPS = (10, 100)


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        lists: The lists; None: every search reads all vectors.
        why: Why, in a sentence.
        recall: Share of the nearest products that is found, by `KIND of queries, N nearest`.
        read: Share of the products that a query reads, on average.
    """

    lists: Lists | None
    why: str
    recall: dict[str, float] = field(default_factory=dict)
    read: float = 1.0

    def tree(self) -> dict[str, object]:
        """Return it for a report."""
        tree: dict[str, object] = {"search of vectors": "exact" if self.lists is None else "lists", "why": self.why}
        if self.recall:
            tree |= {"recall": self.recall, "share read": round(self.read, 5)}
        if self.lists is not None:
            tree |= {"lists": len(self.lists.centres), "lists read": self.lists.nprobe}
        return tree


def choose(dense: DenseIndex, settings: VectorSettings, asked: Mapping[str, np.ndarray]) -> Choice:
    """Choose for a catalogue.

    Args:
        dense: Its vectors.
        settings: What is wanted.
        asked: Queries to measure with beside the catalogue's own products, float32 [n, dim] by their kind.
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
    """For each query the places of the lists that hold its nearest products, by kind of query, int32 [n, nearest]."""
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
    """The fewest lists to read so that a share of the nearest products is in them."""
    ranked = np.sort(places, axis=None)
    return int(ranked[max(0, int(np.ceil(recall * len(ranked))) - 1)]) + 1
