"""What a reader of users' files gives: batches of rows that are not converted yet, whatever the format is."""

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
    """Some rows of one file, not converted yet.

    file: name of the file for reports. rows: row numbers in the file, from 1, int64 [n]. names: all columns that are
    known so far. get: the values [n] of a column by its name; nulls if this file lacks it. broken: (row number, line,
    reason) of rows that could not be read. lines: the lines in which the rows begin, from 1, int64 [n]; None if the
    file has no lines.
    """

    file: str
    rows: npt.NDArray[np.int64]
    names: tuple[str, ...]
    get: Callable[[str], pa.Array | list[Any]]
    broken: Sequence[tuple[int, int | None, str]] = ()
    lines: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Input:
    """An opened file, folder, Delta table or query.

    names: its columns; of JSON lines only those of the first batch. digest: 32 hex digits that name the content.
    batches: reads all rows, given the columns that are wanted. unchanged: whether the files are still those that were
    opened. notes: what was recognised, for the user. label: what messages and reports call it, if it is no file.
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
        """What messages call it."""
        return self.label or str(self.path)

    @property
    def name(self) -> str:
        """What reports and rows call it: without the folders that it lies in."""
        return self.label or self.path.name
