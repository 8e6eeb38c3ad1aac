"""Publish a table about pictures in one commit, unless it was made from the same inputs before.

`classify_images` and `find_similar_images` use it.
"""

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
    """The live version of a table about pictures when a run begins.

    Attributes:
        snapshot: Snapshot of the live version; None if there is no table.
        same: True if it was made from the same inputs and its page exists, so that there is nothing to do.
        damaged: Damaged files of the table; they are moved away when the new version is published.
        origin: Inputs of this run's rows (versions of sources, model and settings), stored with the new version.
    """

    snapshot: Snapshot | None
    same: bool
    damaged: Sequence[FileRef]
    origin: Mapping[str, Any]


def live_of(store: Store, table: Table, origin: dict[str, Any], report: Report) -> Live:
    """Return the live table, and enter "nothing to do" into the report if it was made from the same inputs.

    First, changes that other programs made to the table are undone and damaged files are found. The report's message
    tells which.

    Args:
        store: The warehouse.
        table: Declaration of the table.
        origin: Inputs of this run's rows: versions of sources, model and settings.
        report: The report to fill.
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
    """Write the rows, judge them by the gates, and commit them as the new version of the table.

    Args:
        store: The warehouse.
        report: The report to fill.
        table: Declaration of the table.
        parts: The rows, one Arrow table per file; they are computed while they are written.
        live: The live table when the run began.
        read: Number of rows of each table that was read, by name; the first one is image_vectors.
        gate: How far the table and its sources may shrink.

    Returns:
        The new version; None if another run published meanwhile.

    Raises:
        GateRefused: The table or one of its sources has shrunk too far.
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
