"""Gates that the results of `measure_growth` must pass before they are published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from shopbatch.capabilities.growth.rows import Measured
from shopbatch.capabilities.growth.tree import Forest
from shopbatch.tables.growth import CASCADES
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.gates import DEFECT, Gate, explain, shrinking
from shopbatch.warehouse.store import Snapshot, Store


def judge(
    store: Store,
    written: Sequence[DataFile],
    woods: Forest,
    measured: Measured,
    live: Snapshot | None,
    rows: float | Literal["any"],
) -> list[Gate]:
    """Return the gates of `measure_growth`, which are checked before `cascades` is published.

    The gates: there are enough cascades, no root has two rows, every user is in exactly one cascade, and the estimates
    are finite.

    Args:
        store: The warehouse.
        written: Files of the candidate of `cascades`.
        woods: The forest that the cascades were computed from.
        measured: The numbers of users and the estimated growth factors, which must be finite.
        live: The live version of `cascades`; None before the first.
        rows: The setting `gates.rows`.
    """
    uris = [f"{store.uri(CASCADES.name)}/{f.path}" for f in written]
    published, users = sum(f.rows for f in written), woods.users.count()
    counted, twice = 0, 0
    if uris:
        counted = int(files.scan(uris).select(pl.col("size").sum()).collect().item())
        twice = files.duplicate_keys(uris, list(CASCADES.key))
    finite = bool(np.isfinite(measured.factors.matrix).all() and np.isfinite(measured.factors.system.value).all())
    return [
        shrinking(rows, "referral_events", users, published, live.rows if live else 0),
        _defect("one row per cascade", twice, f"{twice:,} rows repeat the root of another row"),
        _defect("every user is in one cascade", abs(users - counted), f"{users:,} users became {counted:,}"),
        _defect("numbers are finite", int(not finite), "an estimate is not a number"),
    ]


def _defect(name: str, difference: int, what: str) -> Gate:
    """Return a gate that passes if `difference` is 0; it can fail only if the job itself has a defect."""
    passed = difference == 0
    why = "whoever plans by these figures would be misled"
    return Gate(name, difference, 0, passed, explain(passed, what, why, DEFECT))
