"""Shows a candidate table of pictures in one commit, unless its inputs are those of the live one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shopbatch.capabilities.images.config import ShrinkGate
from shopbatch.core.crash_points import crash_point
from shopbatch.runs.report import Report
from shopbatch.tables.schema import Table
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.gates import refuse_if_failed, shrinking
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store


@dataclass(frozen=True)
class Live:
    """The live table when a run begins.

    Attributes:
        snapshot: Its version; None if there is none.
        same: Whether it was made from the same inputs, so that there is nothing to do.
        damaged: Files that were found damaged; they are moved away once the table is made anew.
    """

    snapshot: Snapshot | None
    same: bool
    damaged: Sequence[FileRef]


def live_of(store: Store, table: Table, origin: dict[str, Any], report: Report) -> Live:
    """Look at the live table; the report says so if there is nothing to do.

    What others did to it is undone first, and damaged files are set aside; the report's message names both.
    """
    damaged, report.message = put_in_order(store, table, report.run_id)
    live = store.find(table.name)
    same = live is not None and live.metadata.get("origin") == origin
    if same:
        report.outcome = "nothing to do"
    return Live(live, same, damaged)


def publish(
    store: Store,
    report: Report,
    table: Table,
    parts: Iterable[pa.Table],
    live: Live,
    origin: dict[str, Any],
    gate: ShrinkGate,
) -> Snapshot | None:
    """Write the parts, judge them, and show them.

    Args:
        store: The warehouse.
        report: Is filled.
        table: The table.
        parts: Its rows, made while they are written.
        live: What was live when the run began.
        origin: What the rows are made from.
        gate: How far the table may shrink.

    Returns:
        The new version; None if another run published meanwhile.

    Raises:
        GateRefused: The table would shrink too far.
    """
    old = live.snapshot
    with Publication(store, report.run_id) as publication:
        written = [store.write_file(table, part, report.run_id, number) for number, part in enumerate(parts)]
        publication.add(table, written)
        rows, before = sum(file.rows for file in written), old.rows if old is not None else 0
        report.rows.published = rows
        report.gates.append(shrinking(gate.rows, "image_vectors", rows, rows, before))
        refuse_if_failed(report.gates)
        crash_point("before_publish")
        metadata = {"job": report.job, "origin": origin, "run_id": report.run_id}
        try:
            done = publication.commit(table, metadata, check=unless_changed(old.files if old is not None else ()))
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return None
    move_away(store, table, live.damaged)
    report.tables[table.name] = {"written": done.version}
    report.outcome = "published"
    return store.snapshot(table.name, done.version)
