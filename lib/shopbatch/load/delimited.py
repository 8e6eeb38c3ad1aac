"""Reads delimited text files (CSV, TSV) as users have them, into columns of raw bytes that `values.py` converts.

`dialect.py` recognises how a file is written, and `rows.py` finds where its rows and cells begin and end. A row that
cannot be split into cells for certain is reported with its line, so that nothing is lost silently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load.dialect import Dialect
from shopbatch.load.rows import Bytes, Mask, Offsets, Quoting, Rows

RAGGED, STRAY_QUOTE = "ragged", "stray_quote"
_QUOTE = ord('"')
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
# escape sequences: the letter after the backslash -> its character; any other character stands for itself
_MEANT = {b"0": b"\0", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"Z": b"\x1a"}


@dataclass(frozen=True)
class Block:
    """Some consecutive rows of a delimited text file, split into cells.

    Attributes:
        rows: Row numbers, from 1 without the header, int64 [n].
        lines: The lines of the file in which the rows begin, from 1, int64 [n].
        columns: Column name -> cells, binary [n]; an empty cell without quotes is null.
        broken: (row number, line, reason) of rows that could not be split; they are not among the n rows.
    """

    rows: Offsets
    lines: Offsets
    columns: Mapping[str, pa.Array]
    broken: Sequence[tuple[int, int, str]]


def read(dialect: Dialect, wanted: Sequence[str]) -> Iterator[Block]:
    """Read a delimited text file, a few million bytes at a time.

    Args:
        dialect: How the file is written.
        wanted: The columns to read; names that the file lacks are ignored.
    """
    present = [name for name in dict.fromkeys(wanted) if name in dialect.names]
    row = 0
    for piece in dialect.pieces():
        broken = piece.rows.broken(len(dialect.names))
        numbers = np.arange(row + 1, row + 1 + len(broken))
        lines = piece.line + 1 + piece.rows.lines
        row += len(broken)
        listed = [
            (int(numbers[i]), int(lines[i]), STRAY_QUOTE if piece.rows.stray[i] else RAGGED)
            for i in np.flatnonzero(broken)
        ]
        split = _Split(np.frombuffer(piece.data, np.uint8), piece.rows.only(~broken), dialect)
        columns = {name: split.cells(dialect.names.index(name)) for name in present}
        yield Block(numbers[~broken], lines[~broken], columns, listed)


@dataclass(frozen=True)
class _Split:
    """A piece of text with its rows, all of which can be split into cells."""

    text: Bytes
    rows: Rows
    dialect: Dialect

    def cells(self, position: int) -> pa.Array:
        """Return the cells of the column at a position (from 0), without their quotes and escapes; binary [n]."""
        starts, ends = self.rows.cell(position)
        quoting = self.dialect.quoting
        quoted = np.zeros(len(starts), bool)
        if quoting in (Quoting.DOUBLED, Quoting.ESCAPED) and len(starts):
            quoted = (ends > starts) & (self.text[np.minimum(starts, len(self.text) - 1)] == _QUOTE)
            starts, ends = starts + quoted, ends - quoted
        cells = _gather(self.text, starts, ends, quoted | (ends > starts))
        if quoting is Quoting.BACKSLASH:
            cells = pc.if_else(pc.equal(cells, b"\\N"), None, cells)
            return _replace(cells, _having(cells, "\\"), _unescaped)
        if not quoted.any():
            return cells
        chosen = pc.and_(_having(cells, '""'), pa.array(quoted))
        if quoting is Quoting.ESCAPED:
            chosen = pc.and_(pc.or_(_having(cells, "\\"), _having(cells, '""')), pa.array(quoted))
            escape = rf'\\(["\\\n{re.escape(self.dialect.delimiter)}])|"(")'
            return _replace(cells, chosen, lambda found: pc.replace_substring_regex(found, escape, r"\1\2"))
        return _replace(cells, chosen, lambda found: pc.replace_substring(found, '""', '"'))


def _gather(text: Bytes, starts: Offsets, ends: Offsets, valid: Mask) -> pa.Array:
    """Copy ranges of bytes of a text into a binary array [n].

    Args:
        text: The bytes.
        starts: Where each range begins, int64 [n].
        ends: Where each range ends, int64 [n].
        valid: False where the result is null, boolean [n].
    """
    offsets = np.concatenate([[0], np.cumsum(ends - starts)])
    index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], ends - starts)
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bitmap, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(text[index])]
    return pa.Array.from_buffers(pa.binary(), len(starts), buffers)


def _having(cells: pa.Array, part: str) -> pa.Array:
    """Return a boolean array [n]: True for cells that contain `part`."""
    return pc.fill_null(pc.match_substring(cells, part), False)


def _replace(cells: pa.Array, chosen: pa.Array, rewrite: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Return the cells after applying `rewrite` to those that the mask `chosen` selects."""
    return pc.replace_with_mask(cells, chosen, rewrite(cells.filter(chosen))) if pc.any(chosen).as_py() else cells


def _unescaped(cells: pa.Array) -> pa.Array:
    r"""Return cells without backslash escapes, as MySQL and PostgreSQL write them (`\t` becomes a tab)."""
    return pa.array(
        [_ESCAPE.sub(lambda found: _MEANT.get(found[1], found[1]), c) for c in cells.to_pylist()], cells.type
    )
