"""Cuts a source snapshot into parts of about 262,144 rows. Each task of indexing and publishing works on one part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shopbatch.warehouse import files
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.store import Snapshot

PART_ROWS = 262_144


@dataclass(frozen=True)
class Slice:
    """Consecutive row groups of one Parquet file.

    Attributes:
        file: The file.
        groups: (number of the row group in the file, number of its rows) for each row group.
        first_row: Position in the file of the slice's first row.
    """

    file: FileRef
    groups: tuple[tuple[int, int], ...]  # (row group, its rows)
    first_row: int

    @property
    def rows(self) -> int:
        """Number of rows of the slice."""
        return sum(rows for _, rows in self.groups)


@dataclass(frozen=True)
class Part:
    """About PART_ROWS rows of the source, from one or several files.

    Attributes:
        number: Number of the part, from 0.
        slices: The pieces of files. A row's position in the part counts through them, from 0.
    """

    number: int
    slices: tuple[Slice, ...]

    @property
    def rows(self) -> int:
        """Number of rows of the part."""
        return sum(s.rows for s in self.slices)

    def group_ends(self) -> np.ndarray:
        """Return the positions in the part at which its row groups end, int64 [row groups]."""
        return np.cumsum([rows for piece in self.slices for _, rows in piece.groups])

    def read(self, schema: pa.Schema, positions: np.ndarray | None = None) -> Iterator[tuple[slice, pa.Table]]:
        """Read the rows of the part one row group at a time, skipping row groups without a wanted row.

        Args:
            schema: The columns to read.
            positions: Positions in the part of the wanted rows, ascending; None: all rows.

        Yields:
            (range, rows) for each row group. `range` is the slice of `positions` whose rows the row group holds, or
            without `positions` the slice of the part's rows.
        """
        first = 0
        for piece in self.slices:
            for group, rows in piece.groups:
                start, stop = first, first + rows
                if positions is not None:
                    start, stop = (int(i) for i in np.searchsorted(positions, [start, stop]))
                if start < stop or positions is None:
                    data = files.read(piece.file.uri, schema, piece.file.partition, [group])
                    if positions is not None and stop - start < rows:
                        data = data.take(pa.array(positions[start:stop] - first))
                    yield slice(start, stop), data
                first += rows


def plan_parts(snapshot: Snapshot) -> list[Part]:
    """Cut the rows of a snapshot into parts, in the order of its files.

    Small files are put together in one part; large files are cut between row groups.
    """
    parts: list[list[Slice]] = [[]]
    filled = 0
    for file in snapshot.files:
        groups: list[tuple[int, int]] = []
        first = seen = 0
        for group in enumerate(files.row_group_rows(file.uri)):
            if filled and filled + group[1] > PART_ROWS:
                if groups:
                    parts[-1].append(Slice(file, tuple(groups), first))
                groups, first, filled = [], seen, 0
                parts.append([])
            groups.append(group)
            filled += group[1]
            seen += group[1]
        if groups:
            parts[-1].append(Slice(file, tuple(groups), first))
    return [Part(i, tuple(s)) for i, s in enumerate(p for p in parts if p)]
