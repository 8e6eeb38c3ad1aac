"""The receipt of a memo file: the message by which a worker tells the driver that the file can be committed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pyarrow as pa

from shopbatch.warehouse.files import DataFile


@dataclass(frozen=True)
class Receipt:
    """The message of a worker to the driver about one memo file that it has written.

    Attributes:
        path: The file, relative to the memo's folder.
        size: Bytes of the file.
        rows: Rows of the file.
        stats: Delta statistics of the file, as JSON.
        rejects: How many of the rows were rejected.
        tokens: Tokens that the engine read for these rows.
        tokens_out: Tokens that the engine generated for these rows.
        calls: Engine calls since the worker's last receipt.
        seconds: Seconds since the worker's last receipt.
    """

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
        """Return the file in the form that the memo's commit takes."""
        return DataFile(self.path, self.size, self.rows, self.stats, {"recipe": recipe})

    def table(self) -> pa.Table:
        """Return the receipt as a table of one row, because a Ray Data worker can only return tables."""
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
