"""Finds where the rows of a delimited text begin and end, and which rows cannot be split into cells for certain.

A quote is regular as in RFC 4180: it opens a cell at its first byte and closes it at its last. A quoted cell that is
closed before its last byte, or never, has a stray quote: its line is refused and reading goes on with the next line, so
that a stray quote cannot swallow the rows after it. `dialect.py` and `delimited.py` use this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_QUOTE, _BACKSLASH, _NEWLINE, _RETURN = b'"\\\n\r'
_SWALLOWED = 4 * 2**20  # bytes: a quoted cell that is longer is taken for a stray quote
_ENDLESS = 2**62  # an offset beyond the end of any text
_FEW = 8  # this many ragged rows are taken for stray quotes, however large their share is
_WINDOW = 2**14  # bytes searched at first after a stray quote, so that many of them do not cost a full pass each


class Quoting(StrEnum):
    """The ways in which files write a cell that holds a delimiter, a newline or a quote."""

    DOUBLED = "doubled"  # "a ""b""": RFC 4180, spreadsheets, pandas
    ESCAPED = "escaped"  # "a \"b\"": Spark, MySQL with ENCLOSED BY
    LITERAL = "literal"  # a quote is a character like any other
    BACKSLASH = "backslash"  # no quotes; a backslash escapes delimiters, newlines and backslashes: MySQL


@dataclass(frozen=True)
class Rows:
    """The rows of a piece of text, in order, without blank lines; positions are byte offsets in the text.

    Attributes:
        starts: Where each row begins, int64 [n].
        ends: Where it ends, without its line end, int64 [n].
        lines: Number of each row's first line within the text, from 0, int64 [n].
        delimiters: Where the delimiters are that end a cell, int64 [m].
        first: Index into `delimiters` of the first one at or after the start of each row, int64 [n].
        cells: Number of cells of each row, int64 [n].
        stray: Whether the row has a stray quote (see the module), boolean [n].
        several: Whether the row has several lines, since a cell holds a line break, boolean [n].
        quoted: Number of cells that are quoted as a whole, in rows without a stray quote.
        pairs: Number of doubled quotes in these cells.
        used: Number of bytes read; the bytes after them belong to a row that is not complete.
        used_lines: Number of line breaks in the bytes read.
    """

    starts: Offsets
    ends: Offsets
    lines: Offsets
    delimiters: Offsets
    first: Offsets
    cells: Offsets
    stray: Mask
    several: Mask
    quoted: int
    pairs: int
    used: int
    used_lines: int

    def broken(self, width: int) -> Mask:
        """Return a mask of the rows that cannot be split into `width` cells, boolean [n].

        A row is broken if it has a stray quote or another number of cells. Further empty cells at its end are accepted.
        """
        extra = self.cells - width
        longer = np.flatnonzero(extra > 0)
        last = self.delimiters[self.first[longer] + width - 1]  # the delimiter after the last cell that is wanted
        extra[longer[self.ends[longer] - last == extra[longer]]] = 0
        return np.asarray(self.stray | (extra != 0))

    def cell(self, position: int) -> tuple[Offsets, Offsets]:
        """Return where one cell of each row begins and ends, as two int64 arrays [n] of byte offsets.

        Args:
            position: The column, from 0. No row may be broken.
        """
        starts, ends = self.starts, self.ends
        if position:
            starts = self.delimiters[self.first + position - 1] + 1
        inner = self.cells > position + 1
        if inner.any():
            ends = ends.copy()
            ends[inner] = self.delimiters[self.first[inner] + position]
        return starts, ends

    def only(self, chosen: Mask) -> Rows:
        """Return the rows chosen by a mask, boolean [n]."""
        if chosen.all():
            return self
        fields = ("starts", "ends", "lines", "first", "cells", "stray", "several")
        return replace(self, **{name: getattr(self, name)[chosen] for name in fields})


def find_rows(data: bytes, delimiter: bytes, quoting: Quoting, final: bool, width: int = 0) -> Rows:
    """Find the rows of a text and where their cells end.

    Args:
        data: The text, which begins with a new row. If not `final`, its last row may be incomplete.
        delimiter: The byte between cells.
        quoting: How cells are quoted.
        final: Whether this is the end of the file.
        width: Number of cells of each row, if it is known, else 0. If a row of several lines has another number of
            cells, it is assumed to have a stray quote.
    """
    parts: list[Rows] = []
    begin = lines = 0
    window = len(data)
    while begin < len(data):
        all_left = begin + window >= len(data)
        part, stray = _find(data[begin : begin + window], delimiter, quoting, final and all_left, width)
        parts.append(_shifted(part, begin, lines))
        begin, lines = begin + part.used, lines + part.used_lines
        if all_left and not stray:
            break
        window = _WINDOW if stray else 2 * window
    return _joined(parts, begin, lines)


def _find(data: bytes, delimiter: bytes, quoting: Quoting, final: bool, width: int) -> tuple[Rows, bool]:
    """Find the rows of a text up to the first row that has swallowed others by a stray quote.

    Returns:
        The rows, and whether there is such a row. Its first line is then the last of the rows, marked as `stray`.
    """
    text = np.frombuffer(data, np.uint8)
    can_quote = quoting in (Quoting.DOUBLED, Quoting.ESCAPED)
    marks = _Marks.of(text, delimiter[0], can_quote)
    escaped = find_escaped(text) if quoting in (Quoting.ESCAPED, Quoting.BACKSLASH) else np.empty(0, np.int64)
    stray_at = quoted = pairs = np.empty(0, np.int64)
    if can_quote:
        quotes = (None if len(escaped) else marks.quotes(text)) or _read_runs(text, delimiter[0], marks, escaped)
        stray_at, quoted, pairs, counts = quotes.stray, quotes.closed, quotes.pairs, quotes.outside
        if quotes.open_at is not None and (final or len(data) - quotes.open_at > _SWALLOWED):
            stray_at = np.append(stray_at, quotes.open_at)
    else:
        counts = ~np.isin(marks.at, escaped, assume_unique=True)
    newlines = marks.at[marks.byte == _NEWLINE]
    breaks, delimiters = (marks.at[counts & (marks.byte == byte)] for byte in (_NEWLINE, delimiter[0]))
    ends = np.append(breaks, len(data)) if final and (not len(breaks) or breaks[-1] < len(data) - 1) else breaks
    rows = _rows(text, ends, newlines, delimiters, stray_at, (quoted, pairs))
    start = _swallowing_row(rows, stray_at, ends, newlines, width)
    if start is None:
        return rows, False
    line_end = newlines[np.searchsorted(newlines, start)]
    ends = np.append(ends[: np.searchsorted(ends, start)], line_end)
    stray_at = stray_at[stray_at < start]
    if can_quote:
        stray_at = np.append(stray_at, start)
        # the line is split at all its delimiters, as if nothing were quoted
        line = np.flatnonzero(text[start:line_end] == delimiter[0]) + start
        delimiters = np.concatenate([delimiters[delimiters < start], line])
    return _rows(text, ends, newlines, delimiters, stray_at, (quoted, pairs)), True


def _swallowing_row(rows: Rows, stray: Offsets, ends: Offsets, newlines: Offsets, width: int) -> int | None:
    """Return the byte offset of the first row that swallowed other rows by a stray quote; None if there is none.

    Such a row has several lines and, in addition, a stray quote or (if `width` is known) not `width` cells.
    """
    ragged = rows.broken(width) & rows.several if width else np.zeros(len(rows.starts), bool)
    often = np.count_nonzero(ragged) > max(_FEW, len(ragged) // 10)  # then the header has another width
    starts = [] if often else [rows.starts[ragged]]
    if len(stray):
        row = np.searchsorted(ends, stray)
        bounds = np.concatenate([[-1], ends, [_ENDLESS]])
        start, end = bounds[row] + 1, bounds[row + 1]
        starts.append(start[np.searchsorted(newlines, end) > np.searchsorted(newlines, start)])
    return min((int(found[0]) for found in starts if len(found)), default=None)


def _rows(
    text: Bytes,
    ends: Offsets,
    newlines: Offsets,
    delimiters: Offsets,
    stray_at: Offsets,
    counted: tuple[Offsets, Offsets],
) -> Rows:
    """Build the rows of a text from the offsets of its line ends, delimiters and stray quotes.

    Args:
        text: The bytes of the text.
        ends: Offsets of the newlines that end a row.
        newlines: Offsets of all newlines, also of those in quoted cells.
        delimiters: Offsets of the delimiters that end a cell.
        stray_at: Offsets of stray quotes.
        counted: Offsets of the closing quotes, and of the doubled quotes, for `Rows.quoted` and `Rows.pairs`.
    """
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else np.empty(0, np.int64)
    used = min(int(ends[-1]) + 1, len(text)) if len(ends) else 0
    stray = np.zeros(len(ends), bool)
    stray[np.minimum(np.searchsorted(ends, stray_at[stray_at < used]), max(len(ends) - 1, 0))] = True
    first = np.searchsorted(delimiters, starts)
    cells = np.searchsorted(delimiters, ends) - first + 1
    lines = np.searchsorted(newlines, starts)
    several = np.searchsorted(newlines, ends) > lines
    stripped = np.where((ends > starts) & (text[np.maximum(ends - 1, 0)] == _RETURN), ends - 1, ends)
    full = stripped > starts
    quoted, pairs = (int(np.count_nonzero(~stray[np.searchsorted(ends, at[at < used])])) for at in counted)
    return Rows(
        starts[full], stripped[full], lines[full], delimiters[: np.searchsorted(delimiters, used)], first[full],
        cells[full], stray[full], several[full], quoted, pairs, used, int(np.searchsorted(newlines, used)),
    )  # fmt: skip


def find_escaped(text: Bytes) -> Offsets:
    """Return the offsets of the bytes that a backslash escapes, int64; such a byte is no delimiter or quote.

    Of several adjacent backslashes, every second one is escaped by the one before it.
    """
    at = np.flatnonzero(text == _BACKSLASH)
    if not len(at):
        return at
    first = np.concatenate([[True], np.diff(at) > 1])
    place = np.arange(len(at)) - np.maximum.accumulate(np.where(first, np.arange(len(at)), 0))
    return np.asarray(at[place % 2 == 0] + 1)


@dataclass(frozen=True)
class _Quotes:
    """The roles of the quotes in a text.

    Attributes:
        stray: Offsets of stray quotes.
        closed: Offsets of quotes that close a cell.
        pairs: Offsets of quotes that are doubled inside a cell.
        open_at: Offset of a quoted cell that is not closed in this text; None if there is none.
        outside: Mask [marks] over the bytes of `_Marks`: True for those outside quoted cells.
    """

    stray: Offsets
    closed: Offsets
    pairs: Offsets
    open_at: int | None
    outside: Mask


@dataclass(frozen=True)
class _Marks:
    """The bytes of a text that can end a cell or a row: delimiters, newlines and quotes, in order.

    Attributes:
        at: Their offsets.
        byte: The bytes.
    """

    at: Offsets
    byte: Bytes

    @classmethod
    def of(cls, text: Bytes, delimiter: int, can_quote: bool) -> _Marks:
        """Find all delimiters and newlines of a text and, if `can_quote`, all quotes."""
        found = (text == _NEWLINE) | (text == delimiter)
        if can_quote:
            found |= text == _QUOTE
        at = np.flatnonzero(found)
        return cls(at, text[at])

    def quotes(self, text: Bytes) -> _Quotes | None:
        """Return the roles of the quotes, assuming that they open and close cells in turn, which is fast.

        The result is None if there is a stray quote; the caller then uses the slower `_read_runs`.
        """
        quotes = np.flatnonzero(self.byte == _QUOTE)
        opens, closes = quotes[::2], quotes[1::2]
        joined = np.append(np.diff(self.at, prepend=-1) == 1, False)  # adjacent to the mark before it, or at the start
        rest = self.at[closes[~joined[closes + 1]]]
        at_line_end = (_at(text, rest + 1) == _RETURN) & (_at(text, rest + 2) == _NEWLINE)
        if not (joined[opens].all() and (at_line_end | (rest + 1 == len(text))).all()):
            return None
        again = np.append(np.diff(self.at[quotes]) == 1, False)  # adjacent to the next quote
        begins = opens[~np.append(False, again[:-1])[::2]] if len(quotes) else opens
        pairs = again[1::2] & ~again[::2][: len(closes)]
        inside = np.cumsum(self.byte == _QUOTE, dtype=np.uint8) % 2 == 1  # an overflow keeps the parity
        open_at = int(self.at[begins[-1]]) if len(quotes) % 2 else None
        return _Quotes(self.at[:0], self.at[closes[~again[1::2]]], self.at[closes[pairs]], open_at, ~inside)


def _read_runs(text: Bytes, delimiter: int, marks: _Marks, escaped: Offsets) -> _Quotes:
    """Return the roles of the quotes, also of stray and escaped ones, by looking at runs of adjacent quotes.

    A run of an odd number of quotes opens a cell if it begins at the cell's first byte, and closes a cell that is open.
    A run of an even number is doubled quotes inside a cell, or an empty cell. All other quotes are ordinary characters.
    """
    at = marks.at[marks.byte == _QUOTE]
    if len(escaped):
        at = np.setdiff1d(at, escaped, assume_unique=True)
    if not len(at):
        return _Quotes(at, at, at, None, np.ones(len(marks.at), bool))
    first = np.concatenate([[True], np.diff(at) > 1])
    starts = at[first]
    lengths = np.diff(np.append(np.flatnonzero(first), len(at)))
    stops = starts + lengths
    at_start = (starts == 0) | _is_edge(text, starts - 1, delimiter)
    at_line_end = (_at(text, stops) == _RETURN) & (_at(text, stops + 1) == _NEWLINE)
    at_end = (stops >= len(text)) | _is_edge(text, stops, delimiter) | at_line_end
    odd = lengths % 2 == 1
    flips = np.cumsum(odd & at_start)
    reset = np.maximum.accumulate(np.where(odd & ~at_start, np.arange(len(at_start)), -1))
    inside = (flips - np.where(reset >= 0, flips[np.maximum(reset, 0)], 0)) % 2 == 1
    before = np.concatenate([[False], inside[:-1]])
    closes = (before & ~inside) | (~before & ~odd & at_start)
    open_at = int(starts[~before & inside][-1]) if inside[-1] else None
    run = np.searchsorted(starts, marks.at) - 1
    outside = ~(inside[np.maximum(run, 0)] & (run >= 0))
    return _Quotes(starts[closes & ~at_end], starts[closes & at_end], starts[before & (lengths >= 2)], open_at, outside)


def _is_edge(text: Bytes, offsets: Offsets, delimiter: int) -> Mask:
    """Return a mask: True where the byte at an offset is a delimiter or a newline."""
    byte = _at(text, offsets)
    return np.asarray((byte == delimiter) | (byte == _NEWLINE))


def _at(text: Bytes, offsets: Offsets) -> Bytes:
    """Return the bytes at some offsets; a newline for offsets beyond the end of the text."""
    return np.where(offsets < len(text), text[np.minimum(offsets, len(text) - 1)], np.uint8(_NEWLINE))


def _shifted(rows: Rows, begin: int, lines: int) -> Rows:
    """Return the rows of a part of a text with offsets and line numbers that count from the start of the whole text."""
    return replace(
        rows,
        starts=rows.starts + begin,
        ends=rows.ends + begin,
        lines=rows.lines + lines,
        delimiters=rows.delimiters + begin,
    )


def _joined(parts: list[Rows], used: int, used_lines: int) -> Rows:
    """Join the rows of consecutive parts of a text, of which `used` bytes and `used_lines` lines were read."""
    if len(parts) == 1:
        return replace(parts[0], used=used, used_lines=used_lines)
    none = np.empty(0, np.int64)
    before = np.cumsum([0, *(len(p.delimiters) for p in parts)])
    return Rows(
        np.concatenate([none, *(p.starts for p in parts)]),
        np.concatenate([none, *(p.ends for p in parts)]),
        np.concatenate([none, *(p.lines for p in parts)]),
        np.concatenate([none, *(p.delimiters for p in parts)]),
        np.concatenate([none, *(p.first + n for p, n in zip(parts, before.tolist(), strict=False))]),
        np.concatenate([none, *(p.cells for p in parts)]),
        np.concatenate([none.astype(bool), *(p.stray for p in parts)]),
        np.concatenate([none.astype(bool), *(p.several for p in parts)]),
        sum(p.quoted for p in parts),
        sum(p.pairs for p in parts),
        used,
        used_lines,
    )


@dataclass(frozen=True)
class Piece:
    """A piece of a file with the complete rows in it.

    Attributes:
        data: The bytes.
        rows: The rows, with offsets into `data`.
        line: Number of the piece's first line in the file, from 0.
    """

    data: bytes
    rows: Rows
    line: int


def pieces(blocks: Iterable[bytes], delimiter: bytes, quoting: Quoting, width: int, line: int = 0) -> Iterator[Piece]:
    """Cut a text into pieces of whole rows, and find the rows of each.

    Args:
        blocks: The text, in blocks of any size.
        delimiter: The byte between cells.
        quoting: How cells are quoted.
        width: Number of cells of each row; see `find_rows`.
        line: Number of the text's first line in the file, from 0.
    """
    waiting = b""
    blocks = iter(blocks)
    block = next(blocks, None)
    while block is not None:
        following = next(blocks, None)
        waiting += block
        final = following is None
        if final or b"\n" in block:
            found = find_rows(waiting, delimiter, quoting, final, width)
            if len(found.starts) or final:
                yield Piece(waiting, found, line)
            waiting, line = waiting[found.used :], line + found.used_lines
        block = following
