"""Compare updating the tiles for one new day, and for late rows, with rebuilding all tiles.

Tiles are daily sums per user; build_user_profiles keeps them. bench/user_profiles.py calls this module (mode `day`).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bench.profile_tools import build, fresh
from pyspark.sql import SparkSession

from shopbatch import sample
from shopbatch.capabilities.profiles.tiles import Tiler, Update
from shopbatch.capabilities.profiles.tiling import TRANSACTION_TILES
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
from shopbatch.runs.report import new_run_id
from shopbatch.tables.events import EVENTS
from shopbatch.tables.schema import TIMESTAMP
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Mode, Snapshot, Store

NEW_DAYS, LATE_LINES, LATE_DAYS = 3, 1_000, 30
APPENDED = "bench-"  # prefix of the folders of files that this benchmark appends


def measure(store: Store, rows: int, memory: str) -> None:
    """Measure how long updates of the tiles and the whole job take, and print the figures; the last line is JSON.

    Measured are a rebuild of all tiles, the update for each of several new days, the whole job for the last new day,
    and the update for late rows (new lines on old days). At the end the rows that this benchmark has appended are
    removed.

    Args:
        store: The warehouse, which is filled with a generated shop if it is empty.
        rows: Number of transaction lines.
        memory: Heap of the JVM, such as "4g".
    """
    _prepare(store, rows)
    with spark_session(Platform(spark=Spark(memory=memory))) as spark:
        result: dict[str, Any] = {"rows": store.snapshot(TRANSACTIONS.name).rows}
        for round_ in ("first, cold", "second"):
            fresh(store)
            whole, done = _update(spark, store)
            print(f"rebuild ({round_}): {whole:.2f} s, {_summary(done)}", flush=True)
        result["rebuild_seconds"] = round(whole, 3)
        day, seconds = NewDay.after(store.snapshot(TRANSACTIONS.name)), []
        for number in range(NEW_DAYS + 1):  # the first update of a session compiles code and is not counted
            _append(store, lines := day.shifted(number + 1))
            one, done = _update(spark, store)
            seconds += [one] if number else []
            print(
                f"new day {number or 'warm-up'}: {lines.num_rows:,} lines, {one:.2f} s, {one / whole:.1%} of the "
                f"rebuild, {_summary(done)}",
                flush=True,
            )
        result |= {"day_seconds": [round(s, 3) for s in seconds], "day_lines": lines.num_rows, "day": _figures(done)}
        print(f"new day, median: {statistics.median(seconds):.2f} s, {statistics.median(seconds) / whole:.1%}")
        with _without(store, EVENTS.name):
            total, report = build(spark, store)
        stages = {name: round(stage.seconds, 2) for name, stage in report.stages.items()}
        users = report.stages["profiles"].rows
        print(
            f"the whole job for the day (no events, first of the session): {total:.2f} s, {users:,} users, {stages}",
            flush=True,
        )
        result |= {"job_seconds": stages, "users": users}
        _append(store, day.late(store.snapshot(TRANSACTIONS.name)))
        one, done = _update(spark, store)
        print(f"late: {LATE_LINES:,} lines of {LATE_DAYS} old days, {one:.2f} s, {one / whole:.1%}, {_summary(done)}")
        result |= {"late_seconds": round(one, 3), "late": _figures(done)}
    fresh(store)
    _prepare(store, rows)
    print(json.dumps(result))


@dataclass(frozen=True)
class NewDay:
    """The transaction lines of one whole day, a pattern from which later days are generated.

    Attributes:
        lines: The lines.
        number: Number of the newest basket; generated baskets are numbered from there on.
    """

    lines: pa.Table
    number: int

    @classmethod
    def after(cls, source: Snapshot) -> NewDay:
        """Take the lines of the day before the newest day of a snapshot, because the newest day may not be complete."""
        bounds = source.bounds("transaction_at")
        newest = max(high for _, high in bounds.values())
        end = newest.replace(hour=0, minute=0, second=0, microsecond=0)
        start = end - timedelta(days=1)
        near = [f for f in source.files if bounds[f.path][1] >= start]
        rows = pa.concat_tables([files.read(f.uri, source.schema) for f in near])
        numbers = pc.cast(pc.utf8_slice_codeunits(rows["basket_id"], 2), pa.int64())
        return cls(rows.filter(_between(rows, start, end)), pc.max(numbers).as_py())

    def shifted(self, days: int) -> pa.Table:
        """Return the lines moved to the day that is `days` after the newest day, in new baskets."""
        by = pa.scalar(timedelta(days=days + 1), pa.duration("us"))
        return self._renamed(
            self.lines, days, {n: pc.add(self.lines[n], by) for n in ("transaction_at", "ingested_at")}
        )

    def late(self, source: Snapshot) -> pa.Table:
        """Return late data: LATE_LINES lines of new baskets, on LATE_DAYS old days, that arrive only now."""
        bounds = source.bounds("transaction_at").values()
        first, newest = min(low for low, _ in bounds), max(high for _, high in bounds)
        span = (newest - first).days
        draw = random.Random(0)
        back = draw.sample(range(2, span - 1), min(LATE_DAYS, span - 3))
        lines = pa.concat_tables([self.lines] * (LATE_LINES // self.lines.num_rows + 1)).slice(0, LATE_LINES)
        # Lines of one basket are neighbours and go to one day. Copies of a basket get different numbers.
        baskets = lines["basket_id"].to_pylist()
        turn = np.cumsum([i > 0 and name != baskets[i - 1] for i, name in enumerate(baskets)])
        shift = pa.array([timedelta(days=back[i % len(back)]) for i in turn], pa.duration("us"))
        columns = {
            "basket_id": pa.array([f"late-{i}" for i in turn]),
            "transaction_at": pc.subtract(lines["transaction_at"], shift),
            "ingested_at": pa.repeat(pa.scalar(newest, TIMESTAMP), LATE_LINES),
        }
        return self._renamed(_with(lines, columns), NEW_DAYS + 2, {})

    def _renamed(self, lines: pa.Table, turn: int, columns: dict[str, Any]) -> pa.Table:
        """Return `lines` with new basket numbers, after the newest one, and with `columns` replaced.

        Args:
            lines: The lines.
            turn: Number of the generated day; it keeps the basket numbers of different days apart.
            columns: Columns to replace, by name.
        """
        codes = pc.dictionary_encode(lines["basket_id"].combine_chunks()).indices.cast(pa.int64())
        numbers = pc.add(codes, self.number + 1 + turn * self.lines.num_rows).cast(pa.string())
        return _with(lines, {"basket_id": pc.binary_join_element_wise("g-", numbers, ""), **columns})


def _between(rows: pa.Table, start: datetime, end: datetime) -> pa.ChunkedArray:
    """Return a boolean mask: True for rows with `start <= transaction_at < end`."""
    low, high = (pa.scalar(moment, TIMESTAMP) for moment in (start, end))
    return pc.and_(pc.greater_equal(rows["transaction_at"], low), pc.less(rows["transaction_at"], high))


def _with(lines: pa.Table, columns: dict[str, Any]) -> pa.Table:
    """Return `lines` with some columns replaced by those of the same name in `columns`."""
    kept = {name: columns.get(name, lines[name]) for name in lines.column_names}
    return pa.table(kept, schema=TRANSACTIONS.schema())


def _prepare(store: Store, rows: int) -> None:
    """Generate the shop if it is missing, and remove the files that this benchmark appended to it."""
    if snapshot := store.find(TRANSACTIONS.name):
        appended = [f.path for f in snapshot.files if f.path.startswith(APPENDED)]
        _commit(store, [], appended)
    sample.fill_generated(store, rows=1_000, lines=rows)


def _append(store: Store, lines: pa.Table) -> None:
    """Append transaction lines to the table `transactions`, in a file that `_prepare` can find and remove."""
    run_id = f"{APPENDED}{new_run_id()}"
    _commit(store, [store.write_file(TRANSACTIONS, lines, run_id, 0)], [])


def _commit(store: Store, added: Sequence[files.DataFile], removed: Sequence[str]) -> None:
    """Add files to the table `transactions` or remove files from it.

    The name of the sample stays in the table's metadata, so that the sample is recognised the next time.
    """
    metadata = store.snapshot(TRANSACTIONS.name).metadata
    mode: Mode = "rewrite" if removed else "append"
    store.commit(TRANSACTIONS, added, mode, str(metadata["run_key"]), metadata, removed)


def _update(spark: SparkSession, store: Store) -> tuple[float, Update]:
    """Update the tiles with the session settings of the job; return the seconds and a description of the update."""
    start = time.perf_counter()
    source = store.require(TRANSACTIONS, TRANSACTION_TILES.columns)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    tasks = max(spark.sparkContext.defaultParallelism, -(-source.rows // 1_000_000))
    spark.conf.set("spark.sql.shuffle.partitions", str(tasks))
    done = Tiler(spark, store, TRANSACTION_TILES, "UTC", new_run_id()).update(source)
    return time.perf_counter() - start, done


def _summary(done: Update) -> str:
    """Format a tile update in one line: full or partial and why, rows read, tiles written and kept."""
    pairs = "" if done.pairs is None else f", {done.pairs:,} pairs"
    why = f" ({done.why})" if done.why else ""
    return (
        f"{done.how}{why}{pairs}, {done.rows_read:,} rows read, tiles written {done.tiles_written:,}, "
        f"kept {done.tiles_kept:,}"
    )


def _figures(done: Update) -> dict[str, Any]:
    """Return the main fields of a tile update (rows read, tiles written, ...) as a dict for the JSON output."""
    return {n: getattr(done, n) for n in ("how", "pairs", "rows_read", "tiles_written", "tiles_kept")}


@contextmanager
def _without(store: Store, name: str) -> Iterator[None]:
    """Hide a table inside the block, by renaming its folder."""
    folder, aside = f"{store.root}/{name}", f"{store.root}/_{name}"
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(folder, aside)
    try:
        yield
    finally:
        os.rename(aside, folder)
