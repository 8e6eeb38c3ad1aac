"""Count what recommendation lists show: empty lists, sources of the products, and how evenly products share the places.

The gates of `recommend_products` count new lists before they are published, and its report counts the published ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import ray

from shopbatch.evaluation.ranking import gini
from shopbatch.tables.recommendations import RECOMMENDATIONS
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import Gate, explain
from shopbatch.warehouse.snapshot import Snapshot

FEW_LISTS, FEW_LIVE = 20, 100
_TASKS = 16
_SCHEMA = pa.schema([f for f in RECOMMENDATIONS.schema() if f.name == "items"])


@dataclass(frozen=True)
class Shown:
    """Counts of lists and products in some files of the table `recommendations`; a place is one product in one list.

    Attributes:
        lists: Number of lists.
        empty: Number of lists without a product.
        places: Number of places by (kind, source) of the listed product, such as ("repeat", "habit").
        products: Number of places of each product that is shown, the greatest first, int64 [shown products].
    """

    lists: int
    empty: int
    places: Mapping[tuple[str, str], int]
    products: np.ndarray

    def gini(self, products: int) -> float:
        """Return the Gini coefficient of the products' places: 0 all products equal, 1 one product takes all places.

        Args:
            products: Number of all products, shown or not.
        """
        missing = np.zeros(max(0, products - len(self.products)), np.int64)
        return float(gini(np.concatenate([self.products, missing])))

    def share_of_top(self, share: float, products: int) -> float:
        """Return the share (0..1) of the places that the most shown products take.

        Args:
            share: Share of the products that counts as most shown, 0..1.
            products: Number of all products, shown or not.
        """
        most = max(1, round(share * products))
        return float(self.products[:most].sum() / max(1, self.products.sum()))


def shown(uris: Sequence[str]) -> Shown:
    """Count what some files of the table `recommendations` show, in parallel Ray tasks."""
    step = max(1, -(-len(uris) // _TASKS))
    parts = ray.get([_count.remote(list(uris[a : a + step])) for a in range(0, len(uris), step)])
    names = ("product_id", "kind", "source")
    empty = pl.DataFrame(schema=dict.fromkeys(names, pl.String) | {"places": pl.UInt64})
    places = pl.concat([empty, *(pl.DataFrame(p[2]) for p in parts)])
    by_kind = places.group_by("kind", "source").agg(pl.col("places").sum()).sort("kind", "source")
    by_product = places.group_by("product_id").agg(pl.col("places").sum())["places"].sort(descending=True)
    return Shown(
        lists=sum(p[0] for p in parts),
        empty=sum(p[1] for p in parts),
        places={(kind, source): number for kind, source, number in by_kind.iter_rows()},
        products=by_product.to_numpy().astype(np.int64),
    )


@ray.remote
def _count(uris: list[str]) -> tuple[int, int, pa.Table]:
    """Count some files of the table `recommendations` in a Ray task.

    Returns:
        Number of lists, number of empty lists, and a table with the columns product_id, kind, source and places (their
        number).
    """
    lists = empty = 0
    counts: list[pl.DataFrame] = []
    for uri in uris:
        items = pl.DataFrame(files.read(uri, _SCHEMA))["items"]
        lists, empty = lists + len(items), empty + int((items.list.len() == 0).sum())
        entries = items.filter(items.list.len() > 0).explode().struct.unnest()
        groups = [
            *counts,
            entries.group_by("product_id", "kind", "source").agg(pl.len().cast(pl.UInt64).alias("places")),
        ]
        counts = [pl.concat(groups).group_by("product_id", "kind", "source").agg(pl.col("places").sum())]
    return lists, empty, pl.concat(counts).sort("product_id", "kind", "source").to_arrow()


@dataclass(frozen=True)
class ListGates:
    """The gates of one list before it is published: few empty lists, no sudden concentration on few products.

    Attributes:
        name: Name of the list.
        most_empty: Greatest share of empty lists, 0..1 (`lists.*.most_empty`).
        rise: Greatest rise of the Gini coefficient against the live lists (`gates.exposure`).
        products: Number of products that the model knows.
    """

    name: str
    most_empty: float
    rise: float
    products: int

    def __call__(self, uris: Sequence[str], live: Snapshot | None) -> list[Gate]:
        """Return the gates for the files of a candidate (lists that are written, but not yet visible).

        Args:
            uris: Addresses of the candidate's files.
            live: Snapshot of the live lists, None if there are none. With fewer than 100 live lists, the gate on the
                concentration always passes.
        """
        now = shown(uris)
        before = None if live is None or live.rows < FEW_LIVE else shown([f.uri for f in live.files])
        return [self._empty(now), self._exposure(now, before)]

    def _empty(self, now: Shown) -> Gate:
        share = now.empty / now.lists if now.lists else 0.0
        passed = share <= self.most_empty or now.lists < FEW_LISTS
        key = f"lists.{self.name}.most_empty"
        what = f"{now.empty:,} of {now.lists:,} lists ({share:.1%}) are empty, more than {key}={self.most_empty:g}"
        do = f"look at `exclude` and at products.availability; if it is intended, set {key}=1"
        return Gate(
            "empty lists",
            round(share, 6),
            self.most_empty,
            passed,
            explain(passed, what, "users would see nothing", do),
        )

    def _exposure(self, now: Shown, before: Shown | None) -> Gate:
        if before is None or not len(now.products) or not len(before.products):
            return Gate("exposure", None, None, True, f"no baseline of {FEW_LIVE} lists")
        value, old = now.gini(self.products), before.gini(self.products)
        limit = round(old + self.rise, 6)
        passed = value <= limit
        rose = f"the Gini coefficient of what is shown rose from {old:.3f} to {value:.3f}"
        what = f"{rose}, by more than gates.exposure={self.rise:g}"
        why = "most users would see the same few products"
        do = f"compare the models; if it is intended, set gates.exposure={np.ceil((value - old) * 100) / 100:g}"
        note = f"Gini coefficient of what is shown; live {old:.3f}"
        return Gate("exposure", round(value, 6), limit, passed, explain(passed, what, why, do, note))
