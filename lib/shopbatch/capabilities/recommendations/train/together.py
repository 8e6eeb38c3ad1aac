"""Publish the table `product_neighbours`: which products are bought together, and which are bought next.

It is counted from the same history as the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.recommendations.fit import known_items
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import Neighbours, NextSettings, fit_next
from shopbatch.capabilities.recommendations.train.config import TrainRecommenderConfig
from shopbatch.capabilities.recommendations.train.shop import Shop
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.runs.report import Report, new_run_id
from shopbatch.tables.product_neighbours import NEXT, PRODUCT_NEIGHBOURS, TOGETHER
from shopbatch.tables.user_sequences import USER_SEQUENCES
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import DEFECT, Gate, explain, refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

_PRODUCTS_PER_FILE = 25_000
_BASKETS = 2_000_000  # greatest number of baskets that are counted


def publish_neighbours(
    shop: Shop, config: TrainRecommenderConfig, origin: str, store: Store, report: Report, live: Snapshot | None
) -> int:
    """Count neighbours and publish the table `product_neighbours` in one commit.

    Args:
        shop: The shop with its history.
        config: Settings of the job, which say how neighbours are counted.
        origin: Digest of everything that the table is made from; stored with it.
        store: The warehouse.
        report: The report to fill.
        live: The live table when the run began, or None; a version that was published since then is not replaced.

    Returns:
        The number of rows.

    Raises:
        GateRefused: A product has two rows of one kind, or the table would shrink too far.
        Stopped: Another run published the table meanwhile.
    """
    part = f"{report.run_id}-{new_run_id()[-6:]}"
    written = [
        store.write_file(PRODUCT_NEIGHBOURS, rows, part, n)
        for n, rows in enumerate(_tables(shop, config, report.run_id))
    ]
    with Publication(store, report.run_id) as publication:
        publication.add(PRODUCT_NEIGHBOURS, written)
        uris = [f"{store.uri(PRODUCT_NEIGHBOURS.name)}/{file.path}" for file in written]
        twice = files.duplicate_keys(uris, list(PRODUCT_NEIGHBOURS.key)) if uris else 0
        detail = explain(not twice, f"{twice:,} rows repeat another one's key", "joins would count double", DEFECT)
        gates = publication.judge(
            PRODUCT_NEIGHBOURS, config.gates.rows, {USER_SEQUENCES.name: shop.history.users}, live
        )
        gates.append(Gate("one row per product and kind", twice, 0, not twice, detail))
        report.gates += gates
        refuse_if_failed(gates)
        crash_point("neighbours_written")
        metadata: dict[str, Any] = {"job": report.job, "run_id": report.run_id, "origin": origin}
        try:
            done = publication.commit(PRODUCT_NEIGHBOURS, metadata, check=unless_changed(live.files if live else []))
        except Superseded as error:
            raise Stopped(f"{error}; start this run again") from None
    report.tables[PRODUCT_NEIGHBOURS.name] = {"written": done.version}
    return sum(file.rows for file in written)


def _tables(shop: Shop, config: TrainRecommenderConfig, run_id: str) -> Iterator[pa.Table]:
    """Yield the rows of the table, one Arrow table per file to write."""
    known = known_items(shop.history, config.items.min_users)
    often = shop.history.where(known[shop.history.item])
    names = pa.array(shop.products, pa.string())
    of = config.neighbours
    kinds = {
        NEXT: fit_next(often, NextSettings(of.steps, 0.0, keep=of.keep, seed=config.loop.seed)),
        TOGETHER: fit_next(
            baskets(often), NextSettings(0, 1.0, 0.5, of.keep, most_users=_BASKETS, seed=config.loop.seed)
        ),
    }
    for kind, counted in kinds.items():
        filled = np.flatnonzero((counted.weight > 0).any(1))
        for start in range(0, len(filled), _PRODUCTS_PER_FILE):
            yield _rows(counted, filled[start : start + _PRODUCTS_PER_FILE], names, kind, run_id)


def _rows(counted: Neighbours, products: np.ndarray, names: pa.Array, kind: str, run_id: str) -> pa.Table:
    kept = counted.weight[products] > 0
    starts = pa.array(np.concatenate([[0], np.cumsum(kept.sum(1))]), pa.int32())
    columns = {
        "product_id": names.take(pa.array(products)),
        "kind": pa.repeat(kind, len(products)),
        "neighbours": pa.ListArray.from_arrays(starts, names.take(pa.array(counted.item[products][kept]))),
        "weights": pa.ListArray.from_arrays(starts, pa.array(counted.weight[products][kept], pa.float32())),
        "run_id": pa.repeat(run_id, len(products)),
    }
    return PRODUCT_NEIGHBOURS.fill(len(products), **columns)


def baskets(history: History) -> History:
    """Split each user's purchases by day: return a history in which every (user, day) pair is a user (a basket)."""
    place = history.positions()
    new = np.ones(len(place), bool)
    new[1:] = (np.diff(history.user) != 0) | (np.diff(place) != 0)
    first = np.flatnonzero(new)
    return History(np.append(first, len(place)), history.item, history.day, history.items)
