"""The types that all readers of files return: an opened input, and batches of its unconverted rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True)
class RawBatch:
    """Some consecutive rows of one file whose values are not converted yet.

    Attributes:
        file: Name of the file, for reports.
        rows: Row numbers in the file, from 1, int64 [n].
        names: All columns of the input that are known so far.
        get: Returns the values [n] of a column by its name, as an Arrow array or a list; nulls if this file lacks it.
        broken: (row number, line, reason) of rows that could not be read; they are not among the n rows.
        lines: The line of the file in which each row begins, from 1, int64 [n]; None if the format has no lines.
    """

    file: str
    rows: npt.NDArray[np.int64]
    names: tuple[str, ...]
    get: Callable[[str], pa.Array | list[Any]]
    broken: Sequence[tuple[int, int | None, str]] = ()
    lines: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Input:
    """An opened file, folder, Delta table or query result, which can be read several times.

    Attributes:
        path: The file or folder; for a query, its label.
        kind: The format: `csv`, `json`, `sheet`, `parquet`, `delta` or `query`.
        names: The columns; of JSON lines only those of the first batch.
        digest: 32 hex digits that identify the content (followed by `#` and the sheet, if the user named a sheet).
        batches: Function from the names of the wanted columns to an iterator over all rows, as batches.
        unchanged: Returns True if the files are still as they were when they were opened.
        notes: What was recognised (encoding, delimiter, sheet), a line each for the user.
        label: The name in messages and reports of an input that is not a file; "" for files.
    """

    path: Path
    kind: str
    names: tuple[str, ...]
    digest: str
    batches: Callable[[Sequence[str]], Iterator[RawBatch]]
    unchanged: Callable[[], bool]
    notes: list[str] = field(default_factory=list)
    label: str = ""

    @property
    def title(self) -> str:
        """The name of the input in messages: its label or its whole path."""
        return self.label or str(self.path)

    @property
    def name(self) -> str:
        """The name of the input in reports and in the column `source`: its label, or its file name without folders."""
        return self.label or self.path.name
