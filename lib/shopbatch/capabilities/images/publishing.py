"""Shows a candidate table of pictures in one commit, unless its inputs are those of the live one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shopbatch.capabilities.images import page
from shopbatch.core.crash_points import crash_point
from shopbatch.core.shrink_gate import ShrinkGate
from shopbatch.runs.report import Report
from shopbatch.tables.schema import Table
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.gates import refuse_if_failed
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
        origin: What the rows of this run are made from.
    """

    snapshot: Snapshot | None
    same: bool
    damaged: Sequence[FileRef]
    origin: Mapping[str, Any]


def live_of(store: Store, table: Table, origin: dict[str, Any], report: Report) -> Live:
    """Look at the live table and its page; the report says so if there is nothing to do.

    What others did to it is undone first, and damaged files are set aside; the report's message names both.
    """
    damaged, report.message = put_in_order(store, table, report.run_id)
    live = store.find(table.name)
    same = live is not None and live.metadata.get("origin") == origin and page.is_there(store, report.job, live)
    if same:
        report.outcome = "nothing to do"
    return Live(live, same, damaged, origin)


def publish(
    store: Store,
    report: Report,
    table: Table,
    parts: Iterable[pa.Table],
    live: Live,
    read: Mapping[str, int],
    gate: ShrinkGate,
) -> Snapshot | None:
    """Write the parts, judge them, and show them.

    Args:
        store: The warehouse.
        report: Is filled.
        table: The table.
        parts: Its rows, made while they are written.
        live: What was live when the run began.
        read: Rows of each table that was read; the first one is image_vectors.
        gate: How far the table and what it is made of may shrink.

    Returns:
        The new version; None if another run published meanwhile.

    Raises:
        GateRefused: The table would shrink too far, or what it is made of has.
    """
    old = live.snapshot
    with Publication(store, report.run_id) as publication:
        written = [store.write_file(table, part, report.run_id, number) for number, part in enumerate(parts)]
        publication.add(table, written)
        report.rows.published = sum(file.rows for file in written)
        report.gates += publication.judge(table, gate.rows, read, old)
        refuse_if_failed(report.gates)
        crash_point("before_publish")
        metadata = {"job": report.job, "origin": live.origin, "run_id": report.run_id}
        try:
            done = publication.commit(table, metadata, check=unless_changed(old.files if old is not None else ()))
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return None
    move_away(store, table, live.damaged)
    report.tables[table.name] = {"written": done.version}
    report.outcome = "published"
    return store.snapshot(table.name, done.version)
