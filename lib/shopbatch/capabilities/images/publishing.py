"""Shows a candidate table of pictures in one commit, unless its inputs are those of the live one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from shopbatch.capabilities.images.config import ShrinkGate
from shopbatch.core.crash_points import crash_point
from shopbatch.runs.report import Report
from shopbatch.tables.schema import Table
from shopbatch.warehouse.foreign import put_all_right
from shopbatch.warehouse.gates import refuse_if_failed, shrinking
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store


def live_of(store: Store, table: Table, origin: dict[str, Any], report: Report) -> tuple[Snapshot | None, bool]:
    """Return the live table, and whether it was made from the same inputs; the report then says so.

    What others did to it is undone first, and the report's message names that.
    """
    undone = put_all_right(store, [table], anew=True)
    report.message = "; ".join(undone)
    store.check_targets([table], "replace")
    live = store.find(table.name)
    same = live is not None and live.metadata.get("origin") == origin
    if same:
        report.outcome = "nothing to do"
    return live, same


def publish(
    store: Store,
    report: Report,
    table: Table,
    parts: Iterable[pa.Table],
    live: Snapshot | None,
    origin: dict[str, Any],
    gate: ShrinkGate,
) -> Snapshot | None:
    """Write the parts, judge them, and show them.

    Args:
        store: The warehouse.
        report: Is filled.
        table: The table.
        parts: Its rows, made while they are written.
        live: The live version when the run began.
        origin: What the rows are made from.
        gate: How far the table may shrink.

    Returns:
        The new version; None if another run published meanwhile.

    Raises:
        GateRefused: The table would shrink too far.
    """
    with Publication(store, report.run_id) as publication:
        written = [store.write_file(table, part, report.run_id, number) for number, part in enumerate(parts)]
        publication.add(table, written)
        rows, before = sum(file.rows for file in written), live.rows if live is not None else 0
        report.rows.published = rows
        report.gates.append(shrinking(gate.rows, "image_vectors", rows, rows, before))
        refuse_if_failed(report.gates)
        crash_point("before_publish")
        metadata = {"job": report.job, "origin": origin, "run_id": report.run_id}
        try:
            done = publication.commit(table, metadata, check=unless_changed(live.files if live is not None else ()))
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return None
    report.tables[table.name] = {"written": done.version}
    report.outcome = "published"
    return store.snapshot(table.name, done.version)
