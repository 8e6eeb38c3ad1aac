"""Reads CSV files as users have them.

It accepts four delimiters, a byte order mark, CRLF, quoted newlines and NUL bytes, and it reports ragged rows and bytes
that are not UTF-8. Arrow's parser splits the cells. Cells stay bytes; `load.values` decides what each one means.
"""

from __future__ import annotations

import bisect
import codecs
import csv
import io
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from shopbatch.core.errors import UserError

BLOCK_BYTES = 16 * 2**20  # Arrow parses one block at a time, and a row must fit into a block
_HEADER_BYTES = 2**20
_DELIMITERS = (",", ";", "\t", "|")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Header:
    """The first line: the names of the columns, and the delimiter that splits it into the most names."""

    names: tuple[str, ...]
    delimiter: str


@dataclass(frozen=True)
class Block:
    """Some rows of a file, as cells of bytes; an unquoted empty cell is null.

    rows: row numbers, int64 [n], counted from 1 without the header. columns: cells by column name, [n] each.
    broken: (row number, reason) of rows that could not be split into cells.
    """

    rows: npt.NDArray[np.int64]
    columns: Mapping[str, pa.Array]
    broken: Sequence[tuple[int, str]]


# This text stands in for bytes that are not UTF-8, because Arrow fails when it reports a ragged row that holds such
# bytes. It is random, so no file holds it by chance.
_INVALID = f"\ufdd0{uuid.uuid4().hex}\ufdd0"
INVALID_BYTES = "shopbatch.invalid_bytes"  # the name of the codec error handler below


def _replace_invalid(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _INVALID, error.end


codecs.register_error(INVALID_BYTES, _replace_invalid)


class Utf8Stream(io.RawIOBase):
    """A stream of bytes that is always valid UTF-8: invalid bytes are replaced by a marker text.

    Attributes:
        last_byte: the last byte read that is not part of a line end.
    """

    def __init__(self, inner: pa.NativeFile) -> None:
        self._inner = inner
        self._incomplete = b""  # the first bytes of a character whose other bytes have not been read yet
        self._ready = b""
        self._ended = False
        self.last_byte = b""

    def readable(self) -> bool:
        """Say that this stream can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read exactly `size` bytes, or fewer at the end of the file.

        Arrow has no room for more bytes, and would take fewer bytes as a block of its own.
        """
        while not self._ended and (size < 0 or len(self._ready) < size):
            data: bytes = self._inner.read(BLOCK_BYTES if size < 0 else size)
            self._ended = not data
            data = self._incomplete + data
            end = len(data) if self._ended else _complete_length(data)
            self._incomplete = data[end:]
            self._ready += _as_utf8(data[:end])
        taken = self._ready if size < 0 else self._ready[:size]
        self._ready = self._ready[len(taken) :]
        self.last_byte = taken.rstrip(b"\r\n")[-1:] or self.last_byte
        return taken


def _complete_length(data: bytes) -> int:
    """How many bytes can be decoded now: all of them, or those before a last character that is still incomplete."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 != 0x80:  # an ASCII character, or the first byte of a character of 2, 3 or 4 bytes
            return len(data) - back if byte >= 0xC0 and back < 2 + (byte >= 0xE0) + (byte >= 0xF0) else len(data)
    return len(data)


def _as_utf8(data: bytes) -> bytes:
    """The same bytes if they are UTF-8, else with a marker in place of each invalid one.

    Arrow validates, since that is faster than decoding in Python.
    """
    bounds = pa.py_buffer(np.array([0, len(data)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, bounds, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return data.decode("utf-8", INVALID_BYTES).encode()
    return data


def read_header(file: Path) -> Header:
    """Read the first line of a CSV file.

    Raises:
        UserError: The file is empty, its first line is blank, it is UTF-16, or the header is not UTF-8.
    """
    with pa.input_stream(str(file), compression="detect") as stream:
        start: bytes = stream.read(_HEADER_BYTES)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{file}: the file is UTF-16; save it as UTF-8")
    text = start.removeprefix(_BOM).decode("utf-8", "replace")
    lines = [next(csv.reader(io.StringIO(text, newline=""), delimiter=d), []) for d in _DELIMITERS]
    names, delimiter = max(zip(lines, _DELIMITERS, strict=True), key=lambda pair: len(pair[0]))
    if not any(name.strip() for name in names):
        raise UserError(f"{file}: the first line is empty; it must hold the names of the columns")
    if any("\ufffd" in name for name in names):
        raise UserError(f"{file}: the first line is not UTF-8; save the file as UTF-8")
    return Header(tuple(name.strip() for name in names), delimiter)


def read(file: Path, header: Header, wanted: Sequence[str]) -> Iterator[Block]:
    """Read the wanted columns block by block; rows with more or fewer cells than the header are reported as ragged.

    Raises:
        UserError: A row is longer than a block, or a quote is never closed (it would swallow all later rows).
    """
    ragged: list[int] = []
    quote_open_in_ragged = False

    def skip_ragged(row: pcsv.InvalidRow) -> str:
        nonlocal quote_open_in_ragged
        ragged.append(row.number - 1)  # Arrow counts the header as a row, but no empty lines
        quote_open_in_ragged = row.text.count('"') % 2 == 1
        return "skip"

    present = [name for name in dict.fromkeys(wanted) if name in header.names]
    positions = [header.names.index(name) for name in present]
    last_row, reported, last_cell = 0, 0, b""
    with pa.input_stream(str(file), compression="detect") as opened:
        stream = Utf8Stream(opened)
        # The last column is always read as well: an open quote shows in the last cell of the file.
        for batch in _batches(stream, header, [*positions, len(header.names) - 1], skip_ragged, file):
            rows = _good_row_numbers(last_row, batch.num_rows, ragged)
            if len(rows):
                last_row = int(rows[-1])
                last_cell = batch.columns[-1][-1].as_py() or b""
            columns = dict(zip(present, map(_with_invalid_bytes, batch.columns), strict=False))
            yield Block(rows, columns, [(number, "ragged") for number in ragged[reported:]])
            reported = len(ragged)
        if reported < len(ragged):
            yield Block(np.empty(0, np.int64), {}, [(number, "ragged") for number in ragged[reported:]])
    ends_ragged = bool(ragged) and ragged[-1] > last_row
    quote_open_in_good = last_row > 0 and not ends_ragged and b"\n" in last_cell and stream.last_byte != b'"'
    if quote_open_in_good or (ends_ragged and quote_open_in_ragged):
        raise UserError(f"{file}: the quote opened in row {max([last_row, *ragged[-1:]]):,} is never closed")


def _batches(
    stream: Utf8Stream,
    header: Header,
    positions: Sequence[int],
    skip_ragged: Callable[[pcsv.InvalidRow], str],
    file: Path,
) -> Iterator[pa.RecordBatch]:
    """Arrow's batches of the columns at these positions, as bytes."""
    names = [f"c{i}" for i in range(len(header.names))]  # the user's names may occur twice
    rows = 0
    try:
        reader = pcsv.open_csv(
            stream,
            pcsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows_after_names=1),
            pcsv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=skip_ragged),
            pcsv.ConvertOptions(
                include_columns=[names[position] for position in positions],
                column_types=dict.fromkeys(names, pa.binary()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        for batch in reader:
            rows += batch.num_rows
            yield batch
    except pa.ArrowInvalid as error:
        if "straddling" in str(error):
            problem = f"a row longer than {BLOCK_BYTES:,} bytes, or a quote that is never closed, after row {rows:,}"
            raise UserError(f"{file}: {problem}") from None
        raise


def _with_invalid_bytes(cells: pa.Array) -> pa.Array:
    """Make cells that held invalid bytes invalid UTF-8 again, so that whoever converts them refuses them."""
    marked = pc.match_substring(cells, _INVALID)
    return pc.if_else(marked, b"\xff", cells) if pc.any(marked).as_py() else cells


def _good_row_numbers(last_row: int, count: int, ragged: Sequence[int]) -> npt.NDArray[np.int64]:
    """The numbers of the next `count` rows after `last_row` that are not ragged."""
    if not ragged or ragged[-1] <= last_row:
        return np.arange(last_row + 1, last_row + 1 + count)
    ahead = ragged[bisect.bisect_right(ragged, last_row) :]
    numbers = np.arange(last_row + 1, last_row + 1 + count + len(ahead))
    return np.setdiff1d(numbers, np.array(ahead), assume_unique=True)[:count]
