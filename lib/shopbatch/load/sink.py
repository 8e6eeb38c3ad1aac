"""Collects loaded rows and writes them to data files of a useful size; the caller commits the files."""

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
    """A buffer of rows that writes a data file whenever it holds enough of them.

    Attributes:
        store: The warehouse.
        table: The table that the rows belong to.
        run_id: Name of the folder for the data files of this run (`identity.new_run_id`).
        written: The files on disk; they stay invisible to readers until the caller commits them.
    """

    store: Store
    table: Table
    run_id: str
    written: list[DataFile] = field(default_factory=list)
    _waiting: list[pa.Table] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        """Add rows to the buffer; write them to a file once it holds `ROWS_PER_FILE` rows or `BYTES_PER_FILE` bytes."""
        if rows.num_rows:
            self._waiting.append(rows)
        size = sum(int(t.nbytes) for t in self._waiting)
        if sum(t.num_rows for t in self._waiting) >= ROWS_PER_FILE or size >= BYTES_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Write the rows of the buffer to a data file, if there are any."""
        if self._waiting:
            data = pa.concat_tables(self._waiting).combine_chunks()
            self._waiting.clear()
            self.written.append(self.store.write_file(self.table, data, self.run_id, len(self.written)))

    def discard(self) -> None:
        """Delete the files in `written`; after a commit the caller clears that list first."""
        self.store.discard(self.table, self.written)
