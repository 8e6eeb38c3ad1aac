"""Tiles of one new day beside all tiles built anew, and tiles of rows that come late. Called by user_profiles.py."""

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
from profile_tools import build, fresh
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
OURS = "bench-"  # folders of the files that are appended here


def measure(store: Store, rows: int, memory: str) -> None:
    """All of it, printed as it comes; the last line is JSON. At the end the appended rows are taken out again."""
    _prepare(store, rows)
    with spark_session(Platform(spark=Spark(memory=memory))) as spark:
        result: dict[str, Any] = {"rows": store.snapshot(TRANSACTIONS.name).rows}
        for round_ in ("first, cold", "second"):
            fresh(store)
            whole, done = _update(spark, store)
            print(f"rebuild ({round_}): {whole:.2f} s, {_told(done)}", flush=True)
        result["rebuild_seconds"] = round(whole, 3)
        day, seconds = NewDay.after(store.snapshot(TRANSACTIONS.name)), []
        for number in range(NEW_DAYS + 1):  # the first update of a session compiles its code, and is not counted
            _append(store, lines := day.shifted(number + 1))
            one, done = _update(spark, store)
            seconds += [one] if number else []
            print(
                f"new day {number or 'warm-up'}: {lines.num_rows:,} lines, {one:.2f} s, {one / whole:.1%} of the "
                f"rebuild, {_told(done)}",
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
        print(f"late: {LATE_LINES:,} lines of {LATE_DAYS} old days, {one:.2f} s, {one / whole:.1%}, {_told(done)}")
        result |= {"late_seconds": round(one, 3), "late": _figures(done)}
    fresh(store)
    _prepare(store, rows)
    print(json.dumps(result))


@dataclass(frozen=True)
class NewDay:
    """Lines of a whole day, as a pattern for later ones. number: of the newest basket, from which new ones go on."""

    lines: pa.Table
    number: int

    @classmethod
    def after(cls, source: Snapshot) -> NewDay:
        """The day before the newest: that one may not be over."""
        bounds = source.bounds("transaction_at")
        newest = max(high for _, high in bounds.values())
        end = newest.replace(hour=0, minute=0, second=0, microsecond=0)
        start = end - timedelta(days=1)
        near = [f for f in source.files if bounds[f.path][1] >= start]
        rows = pa.concat_tables([files.read(f.uri, source.schema) for f in near])
        numbers = pc.cast(pc.utf8_slice_codeunits(rows["basket_id"], 2), pa.int64())
        return cls(rows.filter(_between(rows, start, end)), pc.max(numbers).as_py())

    def shifted(self, days: int) -> pa.Table:
        """The lines as those of the day `days` after the newest day, of new baskets."""
        by = pa.scalar(timedelta(days=days + 1), pa.duration("us"))
        return self._renamed(
            self.lines, days, {n: pc.add(self.lines[n], by) for n in ("transaction_at", "ingested_at")}
        )

    def late(self, source: Snapshot) -> pa.Table:
        """LATE_LINES lines of new baskets on LATE_DAYS old days, arriving now."""
        bounds = source.bounds("transaction_at").values()
        first, newest = min(low for low, _ in bounds), max(high for _, high in bounds)
        span = (newest - first).days
        draw = random.Random(0)
        back = draw.sample(range(2, span - 1), min(LATE_DAYS, span - 3))
        lines = pa.concat_tables([self.lines] * (LATE_LINES // self.lines.num_rows + 1)).slice(0, LATE_LINES)
        # the lines of a basket lie together and go to one day; copies of a basket are told apart by theirs
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
        """New numbers for baskets, going on from the newest; `columns` take the place of those of `lines`."""
        codes = pc.dictionary_encode(lines["basket_id"].combine_chunks()).indices.cast(pa.int64())
        numbers = pc.add(codes, self.number + 1 + turn * self.lines.num_rows).cast(pa.string())
        return _with(lines, {"basket_id": pc.binary_join_element_wise("g-", numbers, ""), **columns})


def _between(rows: pa.Table, start: datetime, end: datetime) -> pa.ChunkedArray:
    low, high = (pa.scalar(moment, TIMESTAMP) for moment in (start, end))
    return pc.and_(pc.greater_equal(rows["transaction_at"], low), pc.less(rows["transaction_at"], high))


def _with(lines: pa.Table, columns: dict[str, Any]) -> pa.Table:
    """`lines` with other columns in the place of those of the same name."""
    kept = {name: columns.get(name, lines[name]) for name in lines.column_names}
    return pa.table(kept, schema=TRANSACTIONS.schema())


def _prepare(store: Store, rows: int) -> None:
    """The generated shop, if it is not there, without what was appended to it here."""
    if snapshot := store.find(TRANSACTIONS.name):
        mine = [f.path for f in snapshot.files if f.path.startswith(OURS)]
        _commit(store, [], mine)
    sample.fill_generated(store, rows=1_000, lines=rows)


def _append(store: Store, lines: pa.Table) -> None:
    run_id = f"{OURS}{new_run_id()}"
    _commit(store, [store.write_file(TRANSACTIONS, lines, run_id, 0)], [])


def _commit(store: Store, added: Sequence[files.DataFile], removed: Sequence[str]) -> None:
    """Files come or go; the sample's name stays on the table, so that it is known the next time."""
    metadata = store.snapshot(TRANSACTIONS.name).metadata
    mode: Mode = "rewrite" if removed else "append"
    store.commit(TRANSACTIONS, added, mode, str(metadata["run_key"]), metadata, removed)


def _update(spark: SparkSession, store: Store) -> tuple[float, Update]:
    """Seconds of the tiles alone, with the settings that the job gives its session."""
    start = time.perf_counter()
    source = store.require(TRANSACTIONS, TRANSACTION_TILES.columns)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    tasks = max(spark.sparkContext.defaultParallelism, -(-source.rows // 1_000_000))
    spark.conf.set("spark.sql.shuffle.partitions", str(tasks))
    done = Tiler(spark, store, TRANSACTION_TILES, "UTC", new_run_id()).update(source)
    return time.perf_counter() - start, done


def _told(done: Update) -> str:
    pairs = "" if done.pairs is None else f", {done.pairs:,} pairs"
    why = f" ({done.why})" if done.why else ""
    return (
        f"{done.how}{why}{pairs}, {done.rows_read:,} rows read, tiles written {done.tiles_written:,}, "
        f"kept {done.tiles_kept:,}"
    )


def _figures(done: Update) -> dict[str, Any]:
    return {n: getattr(done, n) for n in ("how", "pairs", "rows_read", "tiles_written", "tiles_kept")}


@contextmanager
def _without(store: Store, name: str) -> Iterator[None]:
    """A table that is not there for the length of the block."""
    there, aside = f"{store.root}/{name}", f"{store.root}/_{name}"
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(there, aside)
    try:
        yield
    finally:
        os.rename(aside, there)
