"""Loading a user's file into a source table: read, matched, checked, written, and made visible in one commit.

What does not fit is listed in `<table>_load_rejects` with its reason. The same file is taken once.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopbatch import tables
from shopbatch.core.errors import Stopped, UserError
from shopbatch.load import keys, values
from shopbatch.load.formats import Input, Raw, open_input, unreadable
from shopbatch.load.match import Match, match
from shopbatch.load.report import LoadReport
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of how values are read: to be raised when the same file would give other rows
_ROWS_PER_FILE, _BYTES_PER_FILE = 262_144, 128 * 2**20
_WHOLE_ROW = "*"
Mode = Literal["append", "replace"]


def load_file(
    store: Store,
    table: str,
    path: str | Path,
    mapping: Mapping[str, str] | None = None,
    mode: Mode = "append",
) -> LoadReport:
    """Load a CSV, JSON-lines, Parquet file or folder, or a Delta table, into a source table.

    mapping: the table's column -> the file's column; other columns are matched by name. Memory does not grow with
    the file but for 16 bytes a row. A file that was loaded before, with the same mapping, is not loaded again.
    UserError: unknown table, file or column, an unreadable file, no row that fits; nothing is visible then.
    Stopped: no space left, or an object store that does not answer.
    """
    clock = time.monotonic()
    if table not in tables.SOURCES:
        raise UserError(f"cannot load into {table!r}: the source tables are {', '.join(tables.SOURCES)}")
    target = tables.table(table)
    opened = open_input(path)
    first = match(target, opened.names, mapping or {})
    load_id = _load_id(target, opened, mapping or {})
    if (version := _there(store, target, load_id, mode)) is not None:
        report = LoadReport(table, opened.path.name, mode, load_id, dict(first.columns), first.ignored, first.makes_key)
        return report.done_before(version)
    run = _Run(store, target, opened, mapping=mapping or {}, mode=mode, load_id=load_id)
    try:
        run.read(first)
        return run.publish(time.monotonic() - clock)
    except (OSError, pa.ArrowException) as error:
        if files.is_full(error) or files.is_lost_connection(error):
            raise Stopped(f"{store.root}: {' '.join(str(error).split())}; nothing was loaded") from None
        raise unreadable(opened.path, error) from None
    finally:
        run.discard()


def _load_id(table: Table, opened: Input, mapping: Mapping[str, str]) -> str:
    identity = json.dumps([VERSION, table.name, opened.kind, opened.digest, dict(mapping)], sort_keys=True)
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


def _there(store: Store, table: Table, load_id: str, mode: Mode) -> int | None:
    """The table's version if it shows the rows of this load (and, for a replace, no others); else None."""
    snapshot = store.find(table.name)
    return None if snapshot is None or not _shows(snapshot, load_id, mode) else snapshot.version


def _shows(snapshot: Snapshot, load_id: str, mode: Mode, but: Collection[str] = ()) -> bool:
    """Whether a load's files are there, or were until another client's OPTIMIZE. but: paths that do not count."""
    told = bool(snapshot.files) and load_id in snapshot.metadata.get("loads", ())
    mine = [f.path.startswith(_prefix(load_id)) for f in snapshot.files if f.path not in but]
    if mode == "replace":
        return bool(mine) and (all(mine) or snapshot.metadata.get("loads") == [load_id])
    return any(mine) or told


def _prefix(load_id: str) -> str:
    """Data files of a load lie in a folder of this beginning."""
    return f"load-{load_id}-"


@dataclass
class _Sink:
    """Tables on their way into data files of about a quarter of a million rows."""

    store: Store
    table: Table
    run_id: str
    written: list[DataFile] = field(default_factory=list)
    _waiting: list[pa.Table] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._waiting.append(rows)
        if sum(t.num_rows for t in self._waiting) >= _ROWS_PER_FILE or self._bytes() >= _BYTES_PER_FILE:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            data = pa.concat_tables(self._waiting).combine_chunks()
            self._waiting.clear()
            self.written.append(self.store.write_file(self.table, data, self.run_id, len(self.written)))

    def _bytes(self) -> int:
        return sum(int(t.nbytes) for t in self._waiting)


class _Run:
    """One load under way: what was read, what was refused, what lies on disk and is not visible yet."""

    def __init__(
        self, store: Store, table: Table, opened: Input, *, mapping: Mapping[str, str], mode: Mode, load_id: str
    ) -> None:
        self.store, self.table, self.opened, self.mapping, self.mode = store, table, opened, mapping, mode
        self.load_id = load_id
        run_id = _prefix(load_id) + uuid.uuid4().hex[:8]
        self.rows = _Sink(store, table, run_id)
        self.refused = _Sink(store, load_rejects(table.name), run_id)
        self.reasons: Counter[str] = Counter()
        self.read_rows = self.bad_rows = self.repeated = 0
        self.made_from, self.seen = keys.Occurrences(), keys.Occurrences()
        self.match: Match | None = None

    def read(self, first: Match) -> None:
        """Read, check and write all rows. Columns that turn up later (JSON) are matched when they do."""
        self.match, names = first, self.opened.names
        for raw in self.opened.batches(list(first.columns.values())):
            if raw.names != names:
                self.match, names = self._again(self.match, raw.names), raw.names
            self._take(raw, self.match)
        self.rows.flush()
        self.refused.flush()

    def _again(self, before: Match, names: tuple[str, ...]) -> Match:
        """The match of more columns. UserError if one of them takes a place that rows were read into already."""
        matched = match(self.table, names, self.mapping)
        for target, source in before.columns.items():
            if (now := matched.columns[target]) != source:
                raise UserError(
                    f"columns {source!r}, {now!r} could both be {target!r}: choose with --map {target}={now!r}"
                )
        return matched

    def _take(self, raw: Raw, matched: Match) -> None:
        count = len(raw.rows)
        self.read_rows += count + len(raw.broken)
        self.bad_rows += len(raw.broken)
        faults = [(np.array([n]), _WHOLE_ROW, reason) for n, reason in raw.broken]
        bad = np.zeros(count, bool)
        columns: dict[str, pa.Array] = {}
        for column in self.table.columns:
            if column.name not in matched.columns:
                columns[column.name] = pa.nulls(count, column.type)
                continue
            done = values.convert(column, raw.get(matched.columns[column.name]), column.name in self.table.key)
            columns[column.name] = done.values
            for reason, rows in done.faults.items():
                faults.append((raw.rows[rows], column.name, reason))
                bad |= rows
        self.bad_rows += int(np.count_nonzero(bad))
        self._refuse(raw.file, faults)
        if bad.any():
            columns = {name: column.filter(pa.array(~bad)) for name, column in columns.items()}
        self._keep(columns, matched)

    def _keep(self, columns: dict[str, pa.Array], matched: Match) -> None:
        rows = len(columns[self.table.names[0]])
        if rows == 0:
            return
        if matched.makes_key:
            content = {n: columns[n] for n in matched.columns if n != "source"}
            columns[self.table.key[0]] = keys.made(content, self.made_from)
        if "source" in columns and "source" not in matched.columns:
            columns["source"] = pa.repeat(self.opened.path.name, rows)
        if not matched.makes_key:
            self.repeated += keys.repeated([columns[k] for k in self.table.key], self.seen)
        self.rows.add(pa.table(columns, schema=self.table.schema()))

    def _refuse(self, file: str, faults: list[tuple[npt.NDArray[np.int64], str, str]]) -> None:
        parts = []
        for numbers, column, reason in faults:
            self.reasons[f"{'row' if column == _WHOLE_ROW else column}: {reason}"] += len(numbers)
            told = [pa.repeat(word, len(numbers)) for word in (file, column, reason, self.load_id)]
            told.insert(1, pa.array(numbers, pa.int64()))
            parts.append(pa.table(told, schema=self.refused.table.schema()))
        if parts:
            self.refused.add(pa.concat_tables(parts).sort_by("source_row"))

    def publish(self, seconds: float) -> LoadReport:
        """Make the rejects and then the rows visible. The rows' commit is what says that the load is done."""
        matched = self.match
        assert matched is not None
        if not self.opened.unchanged():
            raise UserError(f"{self.opened.path}: the file changed while it was read; nothing was loaded")
        report = LoadReport(
            self.table.name, self.opened.path.name, self.mode, self.load_id, dict(matched.columns), matched.ignored,
            matched.makes_key, rows_read=self.read_rows, rows_rejected=self.bad_rows, reasons=dict(self.reasons),
            duplicate_keys=self.repeated, seconds=seconds,
        )  # fmt: skip
        before = self.store.find(self.table.name) if self.mode == "append" else None
        beside = before is not None and bool(before.files) and "sample" in before.metadata
        useless = not self.rows.written and (self.mode == "replace" or self.read_rows > 0)
        if not (useless and self.mode == "replace"):  # else the rejects of the rows that stay would go
            self._publish_rejects()
        if useless:
            raise UserError(
                f"{self.opened.path}: no row fits table {self.table.name!r} ({report.why()}); nothing was loaded"
            )
        try:
            version = self.store.commit(
                self.table,
                self.rows.written,
                mode=self.mode,
                run_key=f"load/{self.load_id}",
                metadata={"loads": [self.load_id], "source": self.opened.path.name, **report.counts()},
                guard=self._guard,
            )
        except _DoneMeanwhileError as done:
            return report.done_before(done.version)
        self.rows.written.clear()
        return report.done(version, beside)

    def _publish_rejects(self) -> None:
        name = self.refused.table.name
        if not self.refused.written and not (self.mode == "replace" and self.store.exists(name)):
            return
        if _there(self.store, self.refused.table, self.load_id, self.mode) is None:
            self.store.commit(
                self.refused.table,
                self.refused.written,
                mode=self.mode,
                run_key=f"load/{self.load_id}",
                metadata={"loads": [self.load_id]},
            )
            self.refused.written.clear()

    def _guard(self, snapshot: Snapshot) -> None:
        """Refuse to load twice what another process loaded meanwhile."""
        if self.mode == "append" and _shows(snapshot, self.load_id, self.mode, {f.path for f in self.rows.written}):
            raise _DoneMeanwhileError(snapshot.version)

    def discard(self) -> None:
        """Delete what was written and did not become visible."""
        for sink in (self.rows, self.refused):
            self.store.discard(sink.table, sink.written)


class _DoneMeanwhileError(Exception):
    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version
