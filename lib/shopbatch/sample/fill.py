"""Writes a sample into the source tables, unless the same sample is already there.

A sample replaces the rows of another sample. It never touches rows that a user has loaded.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.tables.schema import Table
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.store import Snapshot, Store, check_target

ROWS_PER_FILE = 262_144


@dataclass(frozen=True)
class TableFill:
    """One table of a sample as it is in the warehouse, for the report.

    Attributes:
        table: Name of the table.
        rows: Number of rows.
        version: Version of the table in the warehouse.
        origin: The data set or generator that the rows come from.
        licence: Licence of the data.
        note: A remark about the data.
    """

    table: str
    rows: int
    version: int
    origin: str
    licence: str
    note: str


@dataclass(frozen=True)
class SampleReport:
    """The result of filling a sample, which `shopbatch sample` prints.

    Attributes:
        source: Name of the sample: real, generated or boutique.
        tables: The filled tables.
        written: False if the same content was already there, so that nothing was written.
        seconds: Duration.
        distinct_texts: Number of different review texts of a generated sample, without blank ones; None for other
            samples.
    """

    source: str
    tables: tuple[TableFill, ...]
    written: bool
    seconds: float
    distinct_texts: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary of JSON types.

        `tables` maps each table to its rows, version, origin, licence and note.
        """
        return {
            "source": self.source,
            "written": self.written,
            "seconds": round(self.seconds, 2),
            "distinct_texts": self.distinct_texts,
            "tables": {t.table: {k: v for k, v in vars(t).items() if k != "table"} for t in self.tables},
        }

    def lines(self, notes: bool = False) -> list[str]:
        """Return the report as lines of text: one per table, and one for the whole sample.

        Args:
            notes: Whether to add the origin, the licence and the remark after each table.
        """
        done = f"filled in {self.seconds:.1f} s" if self.written else "there already, nothing written"
        lines = []
        for t in self.tables:
            lines.append(f"{t.table:<16} {t.rows:>10,} rows  version {t.version}")
            lines += [f"    from {t.origin} [{t.licence}]", f"    {t.note}"] if notes else []
        if self.distinct_texts is not None:
            lines.append(f"distinct texts: {self.distinct_texts:,}")
        return [*lines, f"sample {self.source}: {done}"]


@dataclass(frozen=True)
class Source:
    """The rows of one table of a sample, and where they come from.

    Attributes:
        table: The table to fill.
        chunks: Returns the rows as Arrow tables, generated lazily; each becomes one data file.
        origin: The data set or generator, for the report.
        licence: Licence of the data, for the report.
        note: A remark about the data, for the report.
        facts: Called after the last chunk; its result is added to the metadata of the commit.
    """

    table: Table
    chunks: Callable[[], Iterable[pa.Table]]
    origin: str
    licence: str
    note: str
    facts: Callable[[], Mapping[str, Any]] = dict


def digest(**identity: Any) -> str:
    """Return an identifier of a sample's content: a hash of all its parameters, 32 hex digits.

    Args:
        identity: The parameters (kind, versions, rows, seed, ...), as JSON types.
    """
    return hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16).hexdigest()


def there(store: Store, tables: Iterable[Table], content: str) -> bool:
    """Return True if the last commit of each table wrote the sample with the identifier `content` (see `digest`)."""
    snapshots = [store.find(table.name) for table in tables]
    return all(s is not None and s.metadata.get("sample") == content for s in snapshots)


def fill(store: Store, content: str, sources: Iterable[Source]) -> tuple[TableFill, ...]:
    """Replace the rows of each table by those of its source, with one atomic commit per table.

    All tables are checked before the first one is changed.

    Args:
        store: The warehouse.
        content: Identifier of the sample's content, from `digest`.
        sources: The tables with their rows.

    Raises:
        UserError: A table holds a user's rows, or cannot be replaced (see `check_target`).
    """
    sources = list(sources)
    for source in sources:  # all tables are checked before the first one is changed
        snapshot = store.find(source.table.name)
        if snapshot is not None:
            _refuse_user_rows(snapshot)
            check_target(source.table, snapshot, "replace")
    return tuple(_fill_one(store, content, source) for source in sources)


def described(store: Store, sources: Iterable[Source]) -> tuple[TableFill, ...]:
    """Return the report's entries for tables that already hold the sample, with their current rows and versions."""
    fills = []
    for s in sources:
        snapshot = store.snapshot(s.table.name)
        fills.append(TableFill(s.table.name, snapshot.rows, snapshot.version, s.origin, s.licence, s.note))
    return tuple(fills)


def in_files(data: pa.Table) -> Iterator[pa.Table]:
    """Yield a table in slices of at most `ROWS_PER_FILE` rows, one per data file."""
    for start in range(0, data.num_rows, ROWS_PER_FILE):
        yield data.slice(start, ROWS_PER_FILE)


def _fill_one(store: Store, content: str, source: Source) -> TableFill:
    run_id = f"sample-{content[:12]}-{uuid.uuid4().hex[:8]}"
    written: list[DataFile] = []
    committed = False
    try:
        for index, chunk in enumerate(source.chunks()):
            written.append(store.write_file(source.table, chunk, run_id, index))
        version = store.commit(
            source.table,
            written,
            mode="replace",
            run_key=f"sample/{content}",
            metadata={"sample": content, "run_id": run_id, **source.facts()},
            guard=_refuse_user_rows,
        )
        committed = True
    finally:
        if not committed:
            store.discard(source.table, written)
    rows = sum(f.rows for f in written)
    return TableFill(source.table.name, rows, version, source.origin, source.licence, source.note)


def _refuse_user_rows(snapshot: Snapshot) -> None:
    if snapshot.files and "sample" not in snapshot.metadata:
        raise UserError(
            f"table {snapshot.name!r} holds rows that no sample brought (version {snapshot.version}); a sample would "
            "replace them: use another warehouse (SHOPBATCH_WAREHOUSE=...)"
        )


class Clock:
    """A stopwatch that starts when it is created."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the clock was created."""
        return time.monotonic() - self._start
