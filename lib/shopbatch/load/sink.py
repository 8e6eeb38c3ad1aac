"""Collects rows and writes them to data files of a useful size."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from shopbatch.tables.schema import Table
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.store import Store

ROWS_PER_FILE = 262_144
BYTES_PER_FILE = 128 * 2**20  # in memory; whichever limit is reached first ends a file


@dataclass
class Sink:
    """Rows on their way into data files of a table.

    written: the files that are on disk; they are invisible until they are committed.
    """

    store: Store
    table: Table
    run_id: str
    written: list[DataFile] = field(default_factory=list)
    _waiting: list[pa.Table] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        """Take some rows, and write a file if there are enough for one."""
        if rows.num_rows:
            self._waiting.append(rows)
        size = sum(int(t.nbytes) for t in self._waiting)
        if sum(t.num_rows for t in self._waiting) >= ROWS_PER_FILE or size >= BYTES_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are waiting."""
        if self._waiting:
            data = pa.concat_tables(self._waiting).combine_chunks()
            self._waiting.clear()
            self.written.append(self.store.write_file(self.table, data, self.run_id, len(self.written)))

    def discard(self) -> None:
        """Delete the files that did not become visible."""
        self.store.discard(self.table, self.written)
