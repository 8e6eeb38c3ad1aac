"""Recognises how a delimited text file is written: encoding, delimiter, header, and, from all of its rows, quoting."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shopbatch.core.errors import UserError
from shopbatch.load import encodings
from shopbatch.load.rows import Piece, Quoting, find_escaped, find_rows, pieces

_DELIMITERS = (",", ";", "\t", "|", "\x01")
ONE_COLUMN = "\x1f"  # stands for the delimiter if the header has only one name
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|", "\x01": "Ctrl-A", ONE_COLUMN: "none (one column)"}
_ESCAPABLE = b"\\\n\r0NbfnrtvZ"  # characters that MySQL and PostgreSQL escape, besides the delimiter
_SAMPLE = 2**18  # bytes from which the delimiter is decided
_LONGEST_HEADER = 100_000  # bytes, because Python's csv module limits a field to 131,072 characters
_HOPELESS = 1_000  # a trial stops early after this many broken rows
_SEP = b"sep="  # how Excel's optional line before the header begins


@dataclass(frozen=True)
class Dialect:
    """How a delimited text file is written.

    Attributes:
        file: The file.
        encoding: A Python codec.
        names: The column names.
        delimiter: The character between cells.
        quoting: How cells that hold a delimiter, a newline or a quote are written.
        skip: Number of lines before the first row, including the header.
        mac: Whether lines end with a carriage return alone.
    """

    file: Path
    encoding: str
    names: tuple[str, ...]
    delimiter: str
    quoting: Quoting
    skip: int
    mac: bool = False

    def blocks(self) -> Iterator[bytes]:
        """Read the file as blocks of UTF-8 without its first `skip` lines.

        In a file that ends lines with a carriage return alone (`mac`), these become newlines.
        """
        left = self.skip
        for block in encodings.read_utf8(self.file, self.encoding):
            text = block.replace(b"\r", b"\n") if self.mac else block
            while left and text:
                _, newline, text = text.partition(b"\n")
                left -= bool(newline)
            if text:
                yield text

    def pieces(self) -> Iterator[Piece]:
        """Yield the rows after the header, in pieces of whole rows."""
        return pieces(self.blocks(), self.delimiter.encode(), self.quoting, len(self.names), self.skip)

    def notes(self) -> list[str]:
        """Return a note for the user for each way in which the file differs from UTF-8 with commas."""
        said = [f"encoding {self.encoding}"] if self.encoding != encodings.UTF8 else []
        if self.delimiter not in (",", ONE_COLUMN):
            said.append(f"delimiter {_NAMES[self.delimiter]}")
        if self.quoting is Quoting.LITERAL:
            said.append("quotes are part of the text")
        if self.quoting in (Quoting.ESCAPED, Quoting.BACKSLASH):
            said.append("escaped by backslashes")
        return said


def find_dialect(file: Path, encoding: str | None = None, names: Sequence[str] = ()) -> Dialect | None:
    """Recognise how a delimited text file is written; None if the file is empty.

    Args:
        file: The file.
        encoding: A Python codec, if the user has named it; None: recognised.
        names: The column names, if the file has no header; () if it has one.

    Raises:
        UserError: The first line is blank or cannot be decoded, or the encoding is not recognised.
    """
    codec = encoding or encodings.find_encoding(file)
    start = next(encodings.read_utf8(file, codec), b"")
    if not start.strip(b"\0\r\n \t"):
        return None
    mac = b"\n" not in start and b"\r" in start
    lines = (start.replace(b"\r", b"\n") if mac else start).split(b"\n")
    stated = lines[0].strip().lower() if lines[0][:4].lower() == _SEP else b""
    first = next(iter(lines[bool(stated) :]), b"")
    text = b"\n".join(lines[bool(stated) :])[:_SAMPLE]
    header, delimiter, height = _header(file, text, first, stated, len(names))
    skip = (0 if names else height) + bool(stated)
    found = Dialect(file, codec, tuple(names) or header, delimiter, Quoting.DOUBLED, skip, mac)
    return replace(found, quoting=_find_quoting(found))


def _header(file: Path, text: bytes, first: bytes, stated: bytes, width: int) -> tuple[tuple[str, ...], str, int]:
    """Find the header and the delimiter.

    Args:
        file: The file, for error messages.
        text: The beginning of the file.
        first: Its first line.
        stated: Excel's line `sep=;`, which states the delimiter, if the file begins with one; else empty.
        width: Number of columns of a file without a header, as the user named them; 0 if there is a header.

    Returns:
        The column names, the delimiter, and the number of lines of the header.
    """
    if not first.strip():
        raise UserError(f"{file}: the first line is empty; it must hold the names of the columns")
    told = stated.removeprefix(_SEP).decode("utf-8", "replace").strip('"')
    headers = {d: _split_header(text, d) for d in ((told,) if len(told) == 1 and told.isascii() else _DELIMITERS)}
    delimiter = _find_delimiter(text, {d: width or len(names) for d, (names, _) in headers.items()})
    names, height = headers.get(delimiter, ([first.decode("utf-8", "replace").strip().strip('"')], 1))
    if not any(name.strip() for name in names):
        raise UserError(f"{file}: the first line is empty; it must hold the names of the columns")
    if any("\ufffd" in name for name in names):
        raise UserError(f"{file}: the first line is not UTF-8; save the file as UTF-8, or name its --encoding")
    return tuple(name.strip().strip("\ufeff") for name in names), delimiter, height


def _split_header(text: bytes, delimiter: str) -> tuple[list[str], int]:
    """Return the cells of the first row of a text, and the number of lines that the row has."""
    rows = find_rows(text, delimiter.encode(), Quoting.DOUBLED, final=True)
    row = text[: min(int(rows.ends[0]), _LONGEST_HEADER)].decode("utf-8", "replace")
    names = next(csv.reader(io.StringIO(row.replace("\r", " "), newline=""), delimiter=delimiter))
    return names, row.count("\n") + 1


def _find_delimiter(text: bytes, widths: Mapping[str, int]) -> str:
    """Return the delimiter under which most rows have as many cells as the header.

    If several delimiters do equally well, the one with the most columns is returned; if none gives two columns,
    `ONE_COLUMN`.

    Args:
        text: The beginning of the file.
        widths: Possible delimiter -> number of columns in the header.
    """
    fits = {}
    for delimiter, width in widths.items():
        if width > 1:
            rows = find_rows(text, delimiter.encode(), Quoting.DOUBLED, True, width)
            fits[delimiter] = (int(np.count_nonzero(~rows.broken(width))), width)
    return max(fits, key=lambda delimiter: fits[delimiter], default=ONE_COLUMN)


def _find_quoting(dialect: Dialect) -> Quoting:
    """Return the quoting under which the file has the smallest share of broken rows; of equals, the commoner one."""
    doubled = _trial(dialect, Quoting.DOUBLED)
    trials = [doubled]
    if doubled.null_cells and doubled.quoted < doubled.rows:
        backslash = _trial(dialect, Quoting.BACKSLASH)
        if backslash.share <= doubled.share:
            return Quoting.BACKSLASH
    if doubled.broken and doubled.escaped_quotes:
        escaped = _trial(dialect, Quoting.ESCAPED)
        if not escaped.broken:
            return Quoting.ESCAPED
        trials.append(escaped)
    # A cell of several lines may really be rows that a stray quote swallowed. With one column, nothing shows it.
    doubtful = doubled.broken + (doubled.multiline if len(dialect.names) > 1 else 0)
    hardly_quoted = doubled.pairs <= doubtful and doubled.quoted - doubled.multiline < max(doubled.rows, 2)
    if doubtful and hardly_quoted:
        literal = _trial(dialect, Quoting.LITERAL)
        if not literal.broken:
            return Quoting.LITERAL  # lines inside one cell would hardly all split into as many cells as the header
        trials.append(literal)
    if doubled.backslashes and doubled.broken:
        trials.append(_trial(dialect, Quoting.BACKSLASH))
    return min(trials, key=lambda trial: trial.share).quoting


@dataclass
class _Trial:
    r"""Counts from reading a whole file with one way of quoting, by which the ways are compared.

    Attributes:
        quoting: The way of quoting.
        rows: Rows that were read.
        lines: Lines that were read.
        broken: Rows that cannot be split, and backslashes before characters that are never escaped.
        multiline: Rows with a line break in a quoted cell.
        quoted: Cells that are quoted as a whole.
        pairs: Doubled quotes in these cells.
        backslashes: Whether the file has a backslash.
        escaped_quotes: Whether a backslash stands before a quote.
        null_cells: Whether a cell is `\N`, as databases write null.
    """

    quoting: Quoting
    rows: int = 0
    lines: int = 0
    broken: int = 0
    multiline: int = 0
    quoted: int = 0
    pairs: int = 0
    backslashes: bool = False
    escaped_quotes: bool = False
    null_cells: bool = False

    @property
    def share(self) -> float:
        """Broken rows per line of the file; the number of rows is no fair divisor, as the quoting changes it."""
        return self.broken / max(self.lines, 1)


def _trial(dialect: Dialect, quoting: Quoting) -> _Trial:
    """Read the file with one way of quoting and count its rows; stop early if far too many rows are broken."""
    trial = _Trial(quoting)
    delimiter = dialect.delimiter.encode()
    null_cells = (delimiter + b"\\N" + delimiter, delimiter + b"\\N\n", b"\n\\N" + delimiter, delimiter + b"\\N\r\n")
    for piece in replace(dialect, quoting=quoting).pieces():
        trial.rows += len(piece.rows.starts)
        trial.lines += piece.rows.used_lines
        trial.broken += int(np.count_nonzero(piece.rows.broken(len(dialect.names))))
        trial.multiline += int(np.count_nonzero(piece.rows.several))
        trial.quoted += piece.rows.quoted
        trial.pairs += piece.rows.pairs
        if b"\\" in piece.data:
            trial.backslashes = True
            trial.escaped_quotes = trial.escaped_quotes or b'\\"' in piece.data
            trial.null_cells = trial.null_cells or any(cell in piece.data for cell in null_cells)
            if quoting is Quoting.BACKSLASH:
                text = np.frombuffer(piece.data[: piece.rows.used] + b"\n", np.uint8)
                escapable = np.frombuffer(_ESCAPABLE + delimiter, np.uint8)
                trial.broken += int(np.count_nonzero(~np.isin(text[find_escaped(text)], escapable)))
        if trial.broken > _HOPELESS and trial.share > 0.1:
            break  # the rest of the file would not change the result
    return trial
