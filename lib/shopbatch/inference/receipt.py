"""The receipt for a memo file: what a worker tells the driver, which then commits the file."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pyarrow as pa

from shopbatch.warehouse.files import DataFile


@dataclass(frozen=True)
class Receipt:
    """What a worker tells the driver about a memo file that it wrote. calls and seconds: since its last receipt."""

    path: str
    size: int
    rows: int
    stats: str
    rejects: int
    tokens: int
    tokens_out: int
    calls: int
    seconds: float

    def file(self, recipe: str) -> DataFile:
        """The file, to be committed to the memo."""
        return DataFile(self.path, self.size, self.rows, self.stats, {"recipe": recipe})

    def table(self) -> pa.Table:
        """The receipt as a table of one row, which is what a Ray Data worker returns."""
        return pa.Table.from_pylist([asdict(self)], RECEIPT)


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
