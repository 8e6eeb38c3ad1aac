"""Loads a user's file into a source table: reads, matches, checks and writes it, and makes it visible in one commit.

Values that are refused are listed in `<table>_load_rejects` with their reasons. The same file is loaded only once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopbatch import tables
from shopbatch.core.errors import Stopped, UserError, one_line
from shopbatch.load import keys, values
from shopbatch.load.formats import Input, RawBatch, open_input, unreadable
from shopbatch.load.identity import Mode, load_id, loaded_version, new_run_id, shows
from shopbatch.load.match import Match, match
from shopbatch.load.report import LoadReport
from shopbatch.load.sink import Sink
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

_WHOLE_ROW = "*"  # in place of a column's name, where a whole row is refused


def load_file(
    store: Store,
    table: str,
    path: str | Path,
    mapping: Mapping[str, str] | None = None,
    mode: Mode = "append",
) -> LoadReport:
    """Load a CSV, JSON-lines or Parquet file, a folder of them, or a Delta table, into a source table.

    Memory does not grow with the file, except for 16 bytes per row. A file that was loaded before with the same
    mapping is not loaded again.

    Args:
        store: The warehouse.
        table: Name of the source table.
        path: The file or folder.
        mapping: The table's column -> the file's column; all other columns are matched by name.
        mode: Whether the rows are added to the table or replace it.

    Raises:
        UserError: The table, the file or a column is unknown, the file is unreadable, or no row fits. Nothing becomes
            visible.
        Stopped: There is no space left, or an object store does not answer.
    """
    started = time.monotonic()
    if table not in tables.SOURCES:
        raise UserError(f"cannot load into {table!r}: the source tables are {', '.join(tables.SOURCES)}")
    load = _Load(store, tables.table(table), open_input(path), mapping or {}, mode)
    matched = match(load.table, load.opened.names, load.mapping)
    if (version := loaded_version(store, load.table, load.id, mode)) is not None:
        return load.report(matched).loaded_before(version)
    run = _Run(load, matched)
    try:
        run.read()
        return run.publish(started)
    except (OSError, pa.ArrowException) as error:
        if files.is_full(error) or files.is_lost_connection(error):
            raise Stopped(f"{store.root}: {one_line(error)}; nothing was loaded") from None
        raise unreadable(load.opened.path, error) from None
    finally:
        run.discard()


@dataclass(frozen=True)
class _Load:
    """What is to be loaded, and where to."""

    store: Store
    table: Table
    opened: Input
    mapping: Mapping[str, str]
    mode: Mode

    @property
    def id(self) -> str:
        return load_id(self.table, self.opened, self.mapping)

    def report(self, matched: Match) -> LoadReport:
        return LoadReport(
            table=self.table.name,
            file=self.opened.path.name,
            mode=self.mode,
            load_id=self.id,
            columns=dict(matched.columns),
            ignored=matched.ignored,
            makes_key=matched.makes_key,
        )


class _Run:
    """One load under way: what was read, what was refused, and what is on disk but not visible yet."""

    def __init__(self, load: _Load, matched: Match) -> None:
        self.load, self.id, self.store, self.table = load, load.id, load.store, load.table
        self.match = matched
        run_id = new_run_id(self.id)
        self.rows = Sink(self.store, self.table, run_id)
        self.refused = Sink(self.store, load_rejects(self.table.name), run_id)
        self.reasons: Counter[str] = Counter()
        self.rows_read = self.rows_rejected = self.duplicate_keys = 0
        self.seen_content, self.seen_keys = keys.Occurrences(), keys.Occurrences()

    def read(self) -> None:
        """Read, check and write all rows. Columns that first occur in a later batch (JSON) are matched then."""
        names = self.load.opened.names
        for batch in self.load.opened.batches(list(self.match.columns.values())):
            if batch.names != names:
                self.match, names = self._match_more(batch.names), batch.names
            self._take(batch)
        self.rows.flush()
        self.refused.flush()

    def _match_more(self, names: tuple[str, ...]) -> Match:
        """The match of more columns. UserError if one of them would match a column that has been read from another."""
        matched = match(self.table, names, self.load.mapping)
        for target, source in self.match.columns.items():
            if (now := matched.columns[target]) != source:
                raise UserError(
                    f"columns {source!r}, {now!r} could both be {target!r}: choose with --map {target}={now!r}"
                )
        return matched

    def _take(self, batch: RawBatch) -> None:
        """Convert a batch; keep its good rows and list the values that are refused."""
        count = len(batch.rows)
        self.rows_read += count + len(batch.broken)
        faults = [(np.array([n]), _WHOLE_ROW, reason) for n, reason in batch.broken]
        bad = np.zeros(count, bool)
        columns: dict[str, pa.Array] = {}
        for column in self.table.columns:
            if column.name not in self.match.columns:
                columns[column.name] = pa.nulls(count, column.type)
                continue
            raw = batch.get(self.match.columns[column.name])
            converted = values.convert(column, raw, column.name in self.table.key)
            columns[column.name] = converted.values
            faults += [(batch.rows[rows], column.name, reason) for reason, rows in converted.faults.items()]
            bad |= converted.refused
        self.rows_rejected += len(batch.broken) + int(np.count_nonzero(bad))
        self._refuse(batch.file, faults)
        if bad.any():
            columns = {name: column.filter(pa.array(~bad)) for name, column in columns.items()}
        self._keep(columns)

    def _keep(self, columns: dict[str, pa.Array]) -> None:
        rows = len(columns[self.table.names[0]])
        if rows == 0:
            return
        if self.match.makes_key:
            content = {n: columns[n] for n in self.match.columns if n != "source"}
            columns[self.table.key[0]] = keys.from_content(content, self.seen_content)
        else:
            self.duplicate_keys += keys.count_repeated([columns[k] for k in self.table.key], self.seen_keys)
        if "source" in columns and "source" not in self.match.columns:
            columns["source"] = pa.repeat(self.load.opened.path.name, rows)
        self.rows.add(pa.table(columns, schema=self.table.schema()))

    def _refuse(self, file: str, faults: list[tuple[npt.NDArray[np.int64], str, str]]) -> None:
        """List refused values. faults: (row numbers, column, reason)."""
        parts = []
        for numbers, column, reason in faults:
            self.reasons[f"{'row' if column == _WHOLE_ROW else column}: {reason}"] += len(numbers)
            cells = [pa.repeat(text, len(numbers)) for text in (file, column, reason, self.id)]
            cells.insert(1, pa.array(numbers, pa.int64()))
            parts.append(pa.table(cells, schema=self.refused.table.schema()))
        if parts:
            self.refused.add(pa.concat_tables(parts).sort_by("source_row"))

    def publish(self, started: float) -> LoadReport:
        """Make the rejects visible and then the rows. The commit of the rows is what marks the load as done."""
        path, mode = self.load.opened.path, self.load.mode
        if not self.load.opened.unchanged():
            raise UserError(f"{path}: the file changed while it was read; nothing was loaded")
        report = replace(
            self.load.report(self.match),
            rows_read=self.rows_read,
            rows_rejected=self.rows_rejected,
            reasons=dict(self.reasons),
            duplicate_keys=self.duplicate_keys,
            seconds=time.monotonic() - started,
        )
        before = self.store.find(self.table.name) if mode == "append" else None
        beside_sample = before is not None and bool(before.files) and "sample" in before.metadata
        useless = not self.rows.written and (mode == "replace" or self.rows_read > 0)
        if not (useless and mode == "replace"):  # the table stays as it is, and so must the list of its rejects
            self._publish_rejects()
        if useless:
            raise UserError(f"{path}: no row fits table {self.table.name!r} ({report.explain()}); nothing was loaded")
        try:
            version = self.store.commit(
                self.table,
                self.rows.written,
                mode=mode,
                run_key=f"load/{self.id}",
                metadata={"loads": [self.id], "source": path.name, **report.counts()},
                guard=self._refuse_second_load,
            )
        except _LoadedMeanwhileError as error:
            return report.loaded_before(error.version)
        self.rows.written.clear()
        return report.committed(version, beside_sample)

    def _publish_rejects(self) -> None:
        table, mode = self.refused.table, self.load.mode
        if not self.refused.written and not (mode == "replace" and self.store.exists(table.name)):
            return
        if loaded_version(self.store, table, self.id, mode) is None:
            self.store.commit(
                table,
                self.refused.written,
                mode=mode,
                run_key=f"load/{self.id}",
                metadata={"loads": [self.id]},
            )
            self.refused.written.clear()

    def _refuse_second_load(self, snapshot: Snapshot) -> None:
        """Raise if another process has loaded the same file meanwhile."""
        own_files = {f.path for f in self.rows.written}
        if self.load.mode == "append" and shows(snapshot, self.id, self.load.mode, own_files):
            raise _LoadedMeanwhileError(snapshot.version)

    def discard(self) -> None:
        """Delete what was written and did not become visible."""
        self.rows.discard()
        self.refused.discard()


class _LoadedMeanwhileError(Exception):
    """The version that holds the rows already."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version
