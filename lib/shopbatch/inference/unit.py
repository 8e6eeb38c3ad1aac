"""The work of one worker on one unit of pending rows: read, score, write memo files, return receipts.

`compute.Worker` calls it. Results are written at least every `flush_rows` rows or `flush_seconds`, to the place where
they stay. The first file of a worker is written after FIRST_SECONDS, so that a run is soon seen to work. If the process
dies, Ray starts another one and gives it the same unit: rows in written files are not computed again, and the row that
killed the process is found (`journal.py`) and rejected.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from shopbatch.engines.base import EngineError
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.journal import EngineBroken, Journal
from shopbatch.inference.parts import Part
from shopbatch.inference.receipt import Receipt
from shopbatch.inference.resolve import memo_table, unsigned_words
from shopbatch.inference.shards import to_arrow
from shopbatch.inference.spec import Spec
from shopbatch.inference.stage import Scorer
from shopbatch.inference.watchdog import Watchdog
from shopbatch.warehouse import files
from shopbatch.warehouse.checksums import DamagedFile

FIRST_SECONDS = 2.0  # seconds of work after which a worker writes its first results
_OUTCOME = ["hi", "lo", "attempt"]  # columns of the pending row that an outcome takes over


@dataclass(frozen=True)
class Task:
    """The data that every worker of a run gets.

    Attributes:
        spec: The inference job.
        config: Settings of the job.
        schema: Schema of the source's content columns.
        parts: The parts of the source.
        memo: Path or URI of the memo's folder.
        folder: The folder of this run's files, relative to `memo`.
        journals: Folder of the journals.
        run_id: The run.
        round: Number of the retry round within the run, from 0. A later round computes some rows once more.
    """

    spec: Spec
    config: InferenceConfig
    schema: pa.Schema
    parts: list[Part]
    memo: str
    folder: str
    journals: str
    run_id: str
    round: int = 0


class UnitRun:
    """Computes one unit of pending rows in a worker: reads the content, scores it, and writes memo files.

    A new object is made for each try of a unit; `first` tells whether the unit is the worker's first one.
    """

    def __init__(self, task: Task, scorer: Scorer, watchdog: Watchdog, unit: pa.Table, first: bool = False) -> None:
        self.task, self.scorer, self.watchdog = task, scorer, watchdog
        self.patience = min(FIRST_SECONDS, task.config.flush_seconds) if first else task.config.flush_seconds
        self.part = self.task.parts[unit["part"][0].as_py()]
        retry = f"-r{task.round}" if task.round else ""
        self.name = f"p{self.part.number:05d}-{unit['pos'][0].as_py():07d}{retry}"
        self.unit = unit
        self.journal = Journal.open(f"{self.task.journals}/{self.name}.json")
        self.done: list[pa.Table] = []  # outcomes not written yet
        self.written = 0
        self.calls = 0
        self.began = time.monotonic()

    def run(self) -> Iterator[pa.Table]:
        """Compute the unit, and yield a receipt for each memo file, as a table of one row."""
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
        """Return True if a memo file of this unit exists already: its rows must then not be computed again.

        This happens even after the unit was finished: Ray runs it again if a node died with its receipts.
        """
        fs, path = files.filesystem(f"{self.task.memo}/{self.task.folder}/{self.name}-00000.parquet")
        return bool(fs.get_file_info(path).type == pafs.FileType.File)

    def _recover(self) -> tuple[pa.Table, list[pa.Table]]:
        """Return the rows of the unit that no file holds yet, and the receipts of the files that exist.

        Rows of damaged files are returned, too, so that they are computed again.
        """
        fs, folder = files.filesystem(f"{self.task.memo}/{self.task.folder}")
        names = sorted(f.base_name for f in files.entries(fs, folder) if f.base_name.startswith(f"{self.name}-"))
        receipts, seen = [], []
        for name in names:
            uri = f"{self.task.memo}/{self.task.folder}/{name}"
            with suppress(DamagedFile):  # then its rows are computed again
                seen.append(files.scan([uri]).select("hash_hi", "hash_lo").collect())
                receipts.append(self._receipt(f"{self.task.folder}/{name}", 0, (0, 0), 0))
        self.written = len(names)
        if not seen:
            return self.unit, receipts
        written = pl.concat(seen).select(unsigned_words())
        left = pl.DataFrame(self.unit).join(written, on=["hi", "lo"], how="anti").sort("pos")
        return to_arrow(left), receipts

    def _windows(self, unit: pa.Table) -> Iterator[pa.Table]:
        """Yield the unit's rows with their content, one Parquet row group at a time.

        Columns: pos (position in the part), hi, lo (content hash), attempt, and each content column as `content.NAME`.
        """
        for where, content in self.part.read(self.task.schema, unit["pos"].to_numpy()):
            rows = unit.slice(where.start, where.stop - where.start)
            for name in content.column_names:
                rows = rows.append_column(f"content.{name}", content[name])
            yield rows

    def _compute(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Score rows whose content was read, and write the results: at the end, or earlier after `flush_seconds`."""
        names = self.task.spec.stage.content
        content = pa.table([rows[f"content.{n}"] for n in names], names=list(names))
        rows = rows.select(["pos", *_OUTCOME])
        positions = rows["pos"].to_numpy()
        suspects = self.journal.suspects
        for batch in self.scorer.plan(content):
            groups = [batch]
            if suspects and not suspects.isdisjoint(positions[batch].tolist()):
                groups = [np.array([i]) for i in batch]
            for group in groups:
                self._score(_taken(rows, group), _taken(content, group), positions[group].tolist())
                if time.monotonic() - self.began >= self.patience:
                    yield self._flush()
        if self.done:
            yield self._flush()

    def _score(self, rows: pa.Table, content: pa.Table, positions: list[int]) -> None:
        """Score one batch by one engine call and add the outcomes (result or rejection of each row) to `done`.

        If the engine reports a failure, each row gets a call of its own, and rows that fail again are rejected as
        `engine_error`. If each of the first 64 rows fails again, EngineBroken is raised.

        Args:
            rows: The pending rows (pos, hi, lo, attempt).
            content: The content columns of the same rows.
            positions: Positions of the same rows in the part.
        """
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
            self.watchdog.rest()  # also after a failure: the process must not be ended for an old call
        if raw.num_rows != len(positions):
            raise EngineBroken(f"the engine gave {raw.num_rows} answers for {len(positions)} rows")
        if missing := {"tokens", *self.task.spec.stage.outputs.names}.difference(raw.column_names):
            raise EngineBroken(f"the stage's outputs lack {', '.join(sorted(missing))}")
        return raw

    def _outcome(self, rows: pa.Table, raw: pa.Table | None, reason: str | None) -> pa.Table:
        """Return the memo columns of rows that were scored, or that were rejected (hash words hi, lo as uint64).

        Args:
            rows: The pending rows.
            raw: The stage's raw outputs for them; None if they were rejected.
            reason: The reason of the rejection of all of them; None if they were scored.
        """
        n = rows.num_rows
        table = rows.select(_OUTCOME).append_column("reason", pa.array([reason] * n, pa.string()))
        for field in [pa.field("tokens", pa.int32()), *self.task.spec.stage.outputs]:
            column = pa.nulls(n, field.type) if raw is None else raw[field.name].cast(field.type)
            table = table.append_column(field.name, column)
        return table

    def _flush(self) -> pa.Table:
        rows = pa.concat_tables(self.done)
        now = pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC"))
        for name, value in (("scored_at", now), ("run_id", pa.scalar(self.task.run_id, pa.string()))):
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        path = f"{self.task.folder}/{self.name}-{self.written:05d}.parquet"
        files.write(f"{self.task.memo}/{path}", memo_table(self.task.spec, rows))
        self.done, self.written = [], self.written + 1
        counted = (rows[c] if c in rows.column_names else pa.nulls(0, pa.int32()) for c in ("tokens", "tokens_out"))
        tokens, tokens_out = (int(pc.sum(column).as_py() or 0) for column in counted)
        receipt = self._receipt(path, len(rows) - rows["reason"].null_count, (tokens, tokens_out), self.calls)
        self.calls, self.began, self.patience = 0, time.monotonic(), self.task.config.flush_seconds
        return receipt

    def _receipt(self, path: str, rejects: int, tokens: tuple[int, int], calls: int) -> pa.Table:
        file = files.describe(self.task.memo, path, self.task.spec.memo.file_schema())
        seconds = time.monotonic() - self.began
        return Receipt(file.path, file.size, file.rows, file.stats, rejects, *tokens, calls, seconds).table()


def _taken(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Return the rows of a table with these row numbers; consecutive rows are not copied."""
    if len(rows) and (np.diff(rows) == 1).all():
        return table.slice(int(rows[0]), len(rows))
    return table.take(rows)
