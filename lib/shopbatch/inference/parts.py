"""A source snapshot cut into parts, the units of indexing and of publishing."""

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
    """Some row groups of one file. first_row: position in the file of the first row."""

    file: FileRef
    groups: tuple[tuple[int, int], ...]  # (row group, its rows)
    first_row: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(rows for _, rows in self.groups)


@dataclass(frozen=True)
class Part:
    """About PART_ROWS rows of one or several files. A row's position counts through the slices, from 0."""

    number: int
    slices: tuple[Slice, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(s.rows for s in self.slices)

    def group_ends(self) -> np.ndarray:
        """Return the positions at which the row groups end, int64 [row groups]."""
        return np.cumsum([rows for piece in self.slices for _, rows in piece.groups])

    def read(self, schema: pa.Schema, positions: np.ndarray | None = None) -> Iterator[tuple[slice, pa.Table]]:
        """Read the part one row group at a time; row groups without a wanted row are skipped.

        Args:
            schema: The columns to read.
            positions: Positions in the part of the rows wanted, ascending; None: all rows.

        Yields:
            Which of the positions (of the rows of the part, if None) a row group holds, and these rows.
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
    """Cut the snapshot's rows into parts in file order: small files together, large ones between row groups."""
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
