"""CSV as it comes: any of four delimiters, BOM, CRLF, quoted newlines, NUL bytes, ragged rows, bytes that are no UTF-8.

Arrow's parser splits the cells, which stay bytes: what they mean is decided value by value elsewhere.
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

BLOCK = 16 * 2**20  # bytes; a row must fit
_HEAD = 2**20
_DELIMITERS = (",", ";", "\t", "|")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Head:
    """The first line: the columns' names, and the delimiter that gives the most of them."""

    names: tuple[str, ...]
    delimiter: str


@dataclass(frozen=True)
class Block:
    """Some rows. rows: their numbers from 1, the header not counted. An unquoted empty cell is null."""

    rows: npt.NDArray[np.int64]
    columns: Mapping[str, pa.Array]
    broken: Sequence[tuple[int, str]]


# Stands for bytes that are not UTF-8: Arrow's report of a ragged row fails on them. No file can hold it by chance.
_MARK = f"\ufdd0{uuid.uuid4().hex}\ufdd0"


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _MARK, error.end


codecs.register_error("shopbatch.mark", _marked)


class _Clean(io.RawIOBase):
    """A stream that is always valid UTF-8, and remembers its last byte that ends no line."""

    def __init__(self, inner: pa.NativeFile) -> None:
        self._inner = inner
        self._cut = b""  # the beginning of a character that the next bytes end
        self._ready = b""
        self._ended = False
        self.last = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes but at the end: Arrow has room for no more, and takes less for a block of its own."""
        while not self._ended and (size < 0 or len(self._ready) < size):
            data: bytes = self._inner.read(BLOCK if size < 0 else size)
            self._ended = not data
            data = self._cut + data
            end = len(data) if self._ended else _whole(data)
            self._cut = data[end:]
            self._ready += _valid(data[:end])
        taken = self._ready if size < 0 else self._ready[:size]
        self._ready = self._ready[len(taken) :]
        self.last = taken.rstrip(b"\r\n")[-1:] or self.last
        return taken


def _whole(data: bytes) -> int:
    """Where the last character that may be cut begins, or the end."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 != 0x80:  # not the inside of a character: an ASCII one or the first byte of 2, 3 or 4
            return len(data) - back if byte >= 0xC0 and back < 2 + (byte >= 0xE0) + (byte >= 0xF0) else len(data)
    return len(data)


def _valid(data: bytes) -> bytes:
    """The same bytes where they are UTF-8 (Arrow looks faster than Python decodes), else with marks."""
    bounds = pa.py_buffer(np.array([0, len(data)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, bounds, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return data.decode("utf-8", "shopbatch.mark").encode()
    return data


def read_head(file: Path) -> Head:
    """The header. UserError: empty file, blank first line, UTF-16, or a header that is not UTF-8."""
    with pa.input_stream(str(file), compression="detect") as stream:
        start: bytes = stream.read(_HEAD)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{file}: the file is UTF-16; save it as UTF-8")
    text = start.removeprefix(_BOM).decode("utf-8", "replace")
    lines = [next(csv.reader(io.StringIO(text, newline=""), delimiter=d), []) for d in _DELIMITERS]
    names, delimiter = max(zip(lines, _DELIMITERS, strict=True), key=lambda pair: len(pair[0]))
    if not any(name.strip() for name in names):
        raise UserError(f"{file}: the first line must hold the names of the columns, it is empty")
    if any("\ufffd" in name for name in names):
        raise UserError(f"{file}: the first line is not UTF-8; save the file as UTF-8")
    return Head(tuple(name.strip() for name in names), delimiter)


def read(file: Path, head: Head, wanted: Sequence[str]) -> Iterator[Block]:
    """The wanted columns, block by block; rows with more or fewer cells than the header are told apart.

    UserError: a row that no block holds, or a quote that is never closed (what follows would be lost in one cell).
    """
    ragged: list[int] = []
    open_quote = False

    def skip(row: pcsv.InvalidRow) -> str:
        nonlocal open_quote
        ragged.append(row.number - 1)  # Arrow counts the header, and no empty lines
        open_quote = row.text.count('"') % 2 == 1
        return "skip"

    inside = [n for n in dict.fromkeys(wanted) if n in head.names]
    every = [f"c{i}" for i in range(len(head.names))]
    done, told = 0, 0
    with pa.input_stream(str(file), compression="detect") as opened:
        tail = _Clean(opened)
        for batch in _batches(tail, head, [every[head.names.index(n)] for n in inside] + every[-1:], skip, file):
            rows = _numbers(done, batch.num_rows, ragged)
            if len(rows):
                done = int(rows[-1])
                last_cell = batch.columns[-1][-1].as_py() or b""
            columns = dict(zip(inside, map(_unmarked, batch.columns), strict=False))
            yield Block(rows, columns, [(n, "ragged") for n in ragged[told:]])
            told = len(ragged)
        if told < len(ragged):
            yield Block(np.empty(0, np.int64), {}, [(n, "ragged") for n in ragged[told:]])
    in_ragged = bool(ragged) and ragged[-1] > done and open_quote
    in_last = done > 0 and not (ragged and ragged[-1] > done) and b"\n" in last_cell and tail.last != b'"'
    if in_ragged or in_last:
        raise UserError(f"{file}: the quote opened in row {max([done, *ragged[-1:]]):,} is never closed")


def _batches(
    stream: _Clean, head: Head, columns: Sequence[str], skip: Callable[[pcsv.InvalidRow], str], file: Path
) -> Iterator[pa.RecordBatch]:
    """Arrow's batches of the cells as bytes; a column asked for twice comes once."""
    every = [f"c{i}" for i in range(len(head.names))]
    rows = 0
    try:
        reader = pcsv.open_csv(
            stream,
            pcsv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=every, skip_rows_after_names=1),
            pcsv.ParseOptions(delimiter=head.delimiter, newlines_in_values=True, invalid_row_handler=skip),
            pcsv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(every, pa.binary()),
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
            what = f"a row longer than {BLOCK:,} bytes, or a quote that is never closed, after row {rows:,}"
            raise UserError(f"{file}: {what}") from None
        raise


def _unmarked(cells: pa.Array) -> pa.Array:
    """Cells that held bytes that are not UTF-8 are made so again, for whoever converts them to refuse them."""
    marked = pc.match_substring(cells, _MARK)
    return pc.if_else(marked, b"\xff", cells) if pc.any(marked).as_py() else cells


def _numbers(done: int, count: int, ragged: Sequence[int]) -> npt.NDArray[np.int64]:
    """The numbers of the next `count` good rows after row `done`: those that are not ragged."""
    if not ragged or ragged[-1] <= done:
        return np.arange(done + 1, done + 1 + count)
    ahead = ragged[bisect.bisect_right(ragged, done) :]
    numbers = np.arange(done + 1, done + 1 + count + len(ahead))
    return np.setdiff1d(numbers, np.array(ahead), assume_unique=True)[:count]
