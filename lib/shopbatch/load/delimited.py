"""Reads delimited text files as users have them, as cells of bytes; `load.values` decides what each cell means.

`dialect.py` recognises how a file is written, and `rows.py` finds where its rows and cells begin and end. Rows that
cannot be split for certain are reported with their line, and nothing is lost silently.
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
# the letters that stand for a character behind a backslash; any other character stands for itself
_MEANT = {b"0": b"\0", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"Z": b"\x1a"}


@dataclass(frozen=True)
class Block:
    """Some rows of a file, as cells of bytes; an unquoted empty cell is null.

    rows: row numbers, int64 [n], counted from 1 without the header. lines: the lines they begin in, from 1, int64 [n].
    columns: cells by column name, [n] each. broken: (row number, line, reason) of rows that could not be split.
    """

    rows: Offsets
    lines: Offsets
    columns: Mapping[str, pa.Array]
    broken: Sequence[tuple[int, int, str]]


def read(dialect: Dialect, wanted: Sequence[str]) -> Iterator[Block]:
    """Read the wanted columns of a file, about a million bytes at a time."""
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
    """Rows of a text that can be split into cells."""

    text: Bytes
    rows: Rows
    dialect: Dialect

    def cells(self, position: int) -> pa.Array:
        """The cells at a position, without their quotes and escapes; binary [n]."""
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
    """Stretches of a text as an array, null where not valid; binary [n]."""
    offsets = np.concatenate([[0], np.cumsum(ends - starts)])
    index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], ends - starts)
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bitmap, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(text[index])]
    return pa.Array.from_buffers(pa.binary(), len(starts), buffers)


def _having(cells: pa.Array, part: str) -> pa.Array:
    """Which cells have this part; boolean [n]."""
    return pc.fill_null(pc.match_substring(cells, part), False)


def _replace(cells: pa.Array, chosen: pa.Array, rewrite: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The cells, with the chosen ones rewritten."""
    return pc.replace_with_mask(cells, chosen, rewrite(cells.filter(chosen))) if pc.any(chosen).as_py() else cells


def _unescaped(cells: pa.Array) -> pa.Array:
    """Cells as MySQL and PostgreSQL write them, without the backslashes."""
    return pa.array(
        [_ESCAPE.sub(lambda found: _MEANT.get(found[1], found[1]), c) for c in cells.to_pylist()], cells.type
    )
