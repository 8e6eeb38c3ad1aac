"""Recognises how a delimited text file is written (encoding, delimiter, header, quoting) from all of its rows."""

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
ONE_COLUMN = "\x1f"  # the delimiter of a file whose first line holds one name
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|", "\x01": "Ctrl-A", ONE_COLUMN: "none (one column)"}
_ESCAPABLE = b"\\\n\r0NbfnrtvZ"  # what MySQL and PostgreSQL write a backslash before, besides the delimiter
_SAMPLE = 2**18  # bytes that the delimiter is decided from
_LONGEST_HEADER = 100_000  # bytes: Python's csv module has a limit
_HOPELESS = 1_000  # broken rows
_SEP = b"sep="  # Excel's first line, before the header


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    file: the file. encoding: a Python codec. names: the columns. delimiter: one character. quoting: see `Quoting`.
    skip: lines before the first row, the header among them. mac: whether lines end with a carriage return alone.
    """

    file: Path
    encoding: str
    names: tuple[str, ...]
    delimiter: str
    quoting: Quoting
    skip: int
    mac: bool = False

    def blocks(self) -> Iterator[bytes]:
        """Read the file as UTF-8 without its first lines (see `skip`)."""
        left = self.skip
        for block in encodings.read_utf8(self.file, self.encoding):
            text = block.replace(b"\r", b"\n") if self.mac else block
            while left and text:
                _, newline, text = text.partition(b"\n")
                left -= bool(newline)
            if text:
                yield text

    def pieces(self) -> Iterator[Piece]:
        """Cut the rows behind the header into pieces."""
        return pieces(self.blocks(), self.delimiter.encode(), self.quoting, len(self.names), self.skip)

    def notes(self) -> list[str]:
        """Say what is not as in a plain UTF-8 file with commas."""
        said = [f"encoding {self.encoding}"] if self.encoding != encodings.UTF8 else []
        if self.delimiter not in (",", ONE_COLUMN):
            said.append(f"delimiter {_NAMES[self.delimiter]}")
        if self.quoting is Quoting.LITERAL:
            said.append("quotes are part of the text")
        if self.quoting in (Quoting.ESCAPED, Quoting.BACKSLASH):
            said.append("escaped by backslashes")
        return said


def find_dialect(file: Path, encoding: str | None = None, names: Sequence[str] = ()) -> Dialect | None:
    """Recognise how a file is written; None if the file is empty.

    Args:
        file: The file.
        encoding: A codec, if the user has named it.
        names: The names of the columns, if the file has no header.

    Raises:
        UserError: The first line is blank or is not of the encoding, or the encoding is not recognised.
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
    """The names in the header, the delimiter, and the header's number of lines. width: of a file without a header."""
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
    """The cells of the first row of a text, and its number of lines."""
    rows = find_rows(text, delimiter.encode(), Quoting.DOUBLED, final=True)
    row = text[: min(int(rows.ends[0]), _LONGEST_HEADER)].decode("utf-8", "replace")
    names = next(csv.reader(io.StringIO(row.replace("\r", " "), newline=""), delimiter=delimiter))
    return names, row.count("\n") + 1


def _find_delimiter(text: bytes, widths: Mapping[str, int]) -> str:
    """The delimiter that splits most rows into as many cells as there are names; of equals the one with most names."""
    fits = {}
    for delimiter, width in widths.items():
        if width > 1:
            rows = find_rows(text, delimiter.encode(), Quoting.DOUBLED, True, width)
            fits[delimiter] = (int(np.count_nonzero(~rows.broken(width))), width)
    return max(fits, key=lambda delimiter: fits[delimiter], default=ONE_COLUMN)


def _find_quoting(dialect: Dialect) -> Quoting:
    """The quoting under which the fewest rows are broken; of equals the more usual one."""
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
    # A stray quote may have swallowed what looks like lines of a cell. Of one column, lines say nothing.
    doubtful = doubled.broken + (doubled.multiline if len(dialect.names) > 1 else 0)
    hardly_quoted = doubled.pairs <= doubtful and doubled.quoted - doubled.multiline < max(doubled.rows, 2)
    if doubtful and hardly_quoted:
        literal = _trial(dialect, Quoting.LITERAL)
        if not literal.broken:
            return Quoting.LITERAL  # lines of one cell would hardly all have as many cells as the header
        trials.append(literal)
    if doubled.backslashes and doubled.broken:
        trials.append(_trial(dialect, Quoting.BACKSLASH))
    return min(trials, key=lambda trial: trial.share).quoting


@dataclass
class _Trial:
    """What one way of quoting makes of a file.

    rows, lines: those that were read. broken: rows that cannot be split, and backslashes before what no backslash is
    written before. multiline: rows with a line break in a quoted cell. quoted: cells that are quoted as a whole. pairs:
    doubled quotes in these. backslashes: whether there are any. escaped_quotes: whether a backslash stands before a
    quote. null_cells: whether a cell is `\\N`, as databases write it.
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
        """Broken rows per line, so that ways under which a row has more or fewer lines can be compared."""
        return self.broken / max(self.lines, 1)


def _trial(dialect: Dialect, quoting: Quoting) -> _Trial:
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
            break  # the rest would say the same
    return trial
