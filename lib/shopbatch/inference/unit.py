"""One worker's work on one unit of pending rows: read, score, write memo files, give receipts.

Called by `compute.Worker`. What there is gets written at least every `flush_rows` rows or `flush_seconds`, where it
will stay. If the process dies, Ray starts another and gives it the same unit: files that are there are not computed
again, and the row that killed it is found (`journal.py`) and rejected.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs

from shopbatch.engines.base import EngineError
from shopbatch.inference.journal import EngineBroken, Journal
from shopbatch.inference.memo import memo_table
from shopbatch.inference.source import Part
from shopbatch.inference.spec import InferenceConfig, Spec
from shopbatch.inference.stage import Scorer
from shopbatch.warehouse import files

RECEIPT = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("rows", pa.int64()),
        ("stats", pa.string()),
        ("rejects", pa.int64()),
        ("tokens", pa.int64()),
        ("tokens_out", pa.int64()),
        ("calls", pa.int64()),
        ("seconds", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Task:
    """What every worker of a run is told. memo: root of the memo; folder: where this run writes, under it."""

    spec: Spec
    config: InferenceConfig
    schema: pa.Schema  # of the source's content columns
    parts: list[Part]
    memo: str
    folder: str
    journals: str
    run_id: str
    round: int = 0  # of the run: in a later one the same rows are computed once more


class Watchdog:
    """Ends this process if an engine call takes too long: nothing else can interrupt native code."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.deadline = float("inf")
        self.journal: Journal | None = None
        self.wake = threading.Condition()
        threading.Thread(target=self._watch, daemon=True).start()

    def watch(self, journal: Journal) -> None:
        with self.wake:
            self.journal, self.deadline = journal, time.monotonic() + self.seconds
            self.wake.notify()

    def rest(self) -> None:
        with self.wake:
            self.deadline = float("inf")

    def _watch(self) -> None:
        while True:
            with self.wake:
                left = self.deadline - time.monotonic()
                self.wake.wait(min(max(left, 0.01), self.seconds))
                if time.monotonic() < self.deadline or self.journal is None:
                    continue
                self.journal.time_out()
                os._exit(70)


class UnitRun:
    """One try of one unit."""

    def __init__(self, task: Task, scorer: Scorer, watchdog: Watchdog, unit: pa.Table) -> None:
        self.task, self.scorer, self.watchdog = task, scorer, watchdog
        self.part = self.task.parts[unit["part"][0].as_py()]
        again = f"-r{task.round}" if task.round else ""
        self.name = f"p{self.part.number:05d}-{unit['pos'][0].as_py():07d}{again}"
        self.unit = unit
        self.journal = Journal.open(f"{self.task.journals}/{self.name}.json")
        self.done: list[pa.Table] = []  # outcomes not written yet
        self.written = 0
        self.calls = 0
        self.began = time.monotonic()

    def run(self) -> Iterator[pa.Table]:
        unit, held, rows = self.unit, [], 0
        if self.journal.deaths or self._begun():
            unit, receipts = self._recover()
            yield from receipts
        for window in self._windows(unit):
            held.append(window)
            rows += window.num_rows
            while rows >= self.task.config.flush_rows:
                whole = pa.concat_tables(held).combine_chunks()
                yield from self._compute(whole.slice(0, self.task.config.flush_rows))
                held = [whole.slice(self.task.config.flush_rows)]
                rows = held[0].num_rows
        if rows:
            yield from self._compute(pa.concat_tables(held).combine_chunks())
        self.journal.close()

    def _begun(self) -> bool:
        """Whether a file of the unit is there: Ray runs it again, whole as it may be, if a node took receipts along."""
        fs, path = files.filesystem(f"{self.task.memo}/{self.task.folder}/{self.name}-00000.parquet")
        return bool(fs.get_file_info(path).type == pafs.FileType.File)

    def _recover(self) -> tuple[pa.Table, list[pa.Table]]:
        """The rows of the unit that no file holds, and the receipts of the files there are, as first given."""
        fs, folder = files.filesystem(f"{self.task.memo}/{self.task.folder}")
        names = sorted(
            f.base_name
            for f in fs.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
            if f.base_name.startswith(f"{self.name}-")
        )
        receipts, seen = [], []
        for name in names:
            uri = f"{self.task.memo}/{self.task.folder}/{name}"
            seen.append(files.scan([uri]).select("hash_hi", "hash_lo").collect())
            receipts.append(self._receipt(f"{self.task.folder}/{name}", 0, [0, 0], 0))
        self.written = len(names)
        if not seen:
            return self.unit, receipts
        words = [pl.col(f"hash_{w}").reinterpret(signed=False).alias(w) for w in ("hi", "lo")]
        left = pl.DataFrame(self.unit).join(pl.concat(seen).select(words), on=["hi", "lo"], how="anti").sort("pos")
        return left.to_arrow(compat_level=pl.CompatLevel.oldest()), receipts

    def _windows(self, unit: pa.Table) -> Iterator[pa.Table]:
        """The unit's rows with their content, a row group at a time: pos, hi, lo, attempt, content columns."""
        positions = unit["pos"].to_numpy()
        first = 0
        for piece in self.part.slices:
            for group, rows in piece.groups:
                a, b = np.searchsorted(positions, [first, first + rows])
                if a < b:
                    data = files.read(piece.file.uri, self.task.schema, piece.file.partition, [group])
                    mine = unit.slice(int(a), int(b - a))
                    content = data.take(pa.array(positions[a:b] - first))
                    for name in content.column_names:
                        mine = mine.append_column(f"content.{name}", content[name])
                    yield mine
                first += rows

    def _compute(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Score the rows (their content is known) and write them, all at once or every `flush_seconds`."""
        names = self.task.spec.stage.content
        content = pa.table([rows[f"content.{n}"] for n in names], names=list(names))
        positions = rows["pos"].to_numpy()
        alone = self.journal.suspects
        for batch in self.scorer.plan(content):
            groups = [batch]
            if alone and not alone.isdisjoint(positions[batch].tolist()):
                groups = [np.array([i]) for i in batch]
            for group in groups:
                self._score(rows.take(group), content.take(group), positions[group].tolist())
                if time.monotonic() - self.began >= self.task.config.flush_seconds:
                    yield self._flush()
        if self.done:
            yield self._flush()

    def _score(self, rows: pa.Table, content: pa.Table, positions: list[int]) -> None:
        """One engine call; if the engine reports a failure, one call a row, and the rows that fail are rejected."""
        if len(positions) == 1 and positions[0] in self.journal.rejected:
            self.done.append(self._outcome(rows, None, self.journal.rejected[positions[0]]))
            return
        try:
            self.done.append(self._outcome(rows, self._call(rows, content, positions), None))
            return
        except EngineError as error:
            if len(positions) == 1:
                self.done.append(self._outcome(rows, None, "engine_error"))
                return
            cause = error
        failed = 0
        for i, position in enumerate(positions):
            row = rows.slice(i, 1)
            try:
                self.done.append(self._outcome(row, self._call(row, content.slice(i, 1), [position]), None))
            except EngineError:
                self.done.append(self._outcome(row, None, "engine_error"))
                failed += 1
                if failed == i + 1 == 64:
                    raise EngineBroken(f"the engine failed on each of 64 rows: {cause}") from cause

    def _call(self, rows: pa.Table, content: pa.Table, positions: list[int]) -> pa.Table:
        self.journal.begin(positions)
        self.watchdog.watch(self.journal)
        self.calls += 1
        try:
            raw = self.scorer.run(content, rows["attempt"].to_numpy())
        finally:
            self.watchdog.rest()  # also when the engine gave up: else it would end whatever this process does next
        if raw.num_rows != len(positions):
            raise EngineBroken(f"the engine gave {raw.num_rows} answers for {len(positions)} rows")
        return raw

    def _outcome(self, rows: pa.Table, raw: pa.Table | None, reason: str | None) -> pa.Table:
        """Memo columns (hi, lo as uint64) of rows that were scored, or of rows rejected for one reason."""
        n = rows.num_rows
        table = rows.select(["hi", "lo", "attempt"]).append_column("reason", pa.array([reason] * n, pa.string()))
        for field in [pa.field("tokens", pa.int32()), *self.task.spec.stage.outputs]:
            column = pa.nulls(n, field.type) if raw is None else raw[field.name].cast(field.type)
            table = table.append_column(field.name, column)
        return table

    def _flush(self) -> pa.Table:
        now = pl.lit(datetime.now(UTC)).cast(pl.Datetime("us", "UTC"))
        rows = pl.concat([pl.DataFrame(t) for t in self.done])
        rows = rows.with_columns(now.alias("scored_at"), pl.lit(self.task.run_id).alias("run_id"))
        path = f"{self.task.folder}/{self.name}-{self.written:05d}.parquet"
        files.write(f"{self.task.memo}/{path}", memo_table(self.task.spec, rows))
        self.done, self.written = [], self.written + 1
        tokens = [int(rows[c].sum() or 0) if c in rows.columns else 0 for c in ("tokens", "tokens_out")]
        receipt = self._receipt(path, int(rows["reason"].count()), tokens, self.calls)
        self.calls, self.began = 0, time.monotonic()
        return receipt

    def _receipt(self, path: str, rejects: int, tokens: list[int], calls: int) -> pa.Table:
        file = files.describe(self.task.memo, path, self.task.spec.memo.file_schema())
        row = {
            "path": file.path,
            "size": file.size,
            "rows": file.rows,
            "stats": file.stats,
            "rejects": rejects,
            "tokens": tokens[0],
            "tokens_out": tokens[1],
            "calls": calls,
            "seconds": time.monotonic() - self.began,
        }
        return pa.Table.from_pylist([row], RECEIPT)
