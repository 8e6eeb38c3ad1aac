"""Opens a user's input (CSV, JSON lines, workbook, Parquet, Delta; a file or a folder) as a stream of raw batches.

Nothing is converted here: CSV cells are bytes, values of JSON and workbooks are Python objects, all others are Arrow
values. One block at a time is in memory; a workbook is read as a whole.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake.exceptions import DeltaError
from polars.exceptions import PanicException

from shopbatch.core.errors import UserError, one_line
from shopbatch.load import bounds, columnar, delimited, json_lines, spreadsheet
from shopbatch.load.dialect import find_dialect
from shopbatch.load.raw import Input, RawBatch

__all__ = ["Input", "RawBatch", "open_input", "unreadable"]

_KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    **dict.fromkeys(spreadsheet.SUFFIXES, "sheet"),
}


# What readers raise for damaged files: also for names that are not text, impossible counts, and panics in Rust code.
UNREADABLE = (OSError, pa.ArrowException, DeltaError, UnicodeError, OverflowError, PanicException)


def open_input(
    path: str | Path, encoding: str | None = None, names: Sequence[str] = (), max_gb: float | None = None
) -> Input:
    """Open a file, a folder of files of one format, or a Delta table.

    Args:
        path: The file or folder; `shop.xlsx#Orders` names a sheet of a workbook.
        encoding: Python codec of delimited text files, if the user has named it.
        names: The column names of delimited text files without a header.
        max_gb: Gigabytes that the user allows a compressed file to become; None: the usual limits (`bounds.py`).

    Returns:
        The opened input, whose `batches` reads its rows as often as needed.

    Raises:
        UserError: The input does not exist, is empty, unreadable or too large, or its files are of an unknown format or
            of several formats.
    """
    if "://" in str(path):
        raise UserError(f"{path}: only files and folders of this machine can be loaded; copy it here first")
    name, sheet = spreadsheet.split_name(str(path))
    path = Path(os.path.expanduser(name)).absolute()
    if not path.exists():
        raise UserError(f"no file or folder {path}")
    try:
        if path.is_dir() and columnar.is_delta(path):
            return columnar.open_delta(path)
        files = _list_files(path)
        kind = _kind(path, files)
        state = _state(files)
        if kind == "sheet":
            bounds.check_workbooks(files, max_gb)
        elif kind != "parquet":
            for file in files:
                bounds.check_text(file, max_gb)
        if kind == "csv":
            return _open_csv(path, files, encoding, names)
        if kind == "sheet":
            return _open_sheets(path, files, sheet)
        opened, batches = {"json": _open_json, "parquet": columnar.open_parquet}[kind](path, files)
        return Input(path, kind, opened, _digest(path, files), batches, lambda: _state(files) == state)
    except UNREADABLE as error:
        raise unreadable(path, error) from None


def unreadable(title: str | Path, error: BaseException) -> UserError:
    """Return (not raise) the UserError for a file that a reader failed to read.

    Args:
        title: Path or label of the file, for the message.
        error: The exception that the reader raised.
    """
    return UserError(f"{title}: cannot be read: {one_line(error, 300)}")


def _list_files(path: Path) -> list[Path]:
    """Return the file itself, or all files of a folder and its subfolders in order of path, except hidden ones.

    A file is hidden if its name, or that of a subfolder in its path, begins with a dot or an underscore.
    """
    if path.is_file():
        return [path]
    every = [p for p in sorted(path.rglob("*")) if p.is_file()]
    visible = [p for p in every if not any(part[0] in "._" for part in p.relative_to(path).parts)]
    if not visible:
        raise UserError(f"{path}: the folder holds no files")
    return visible


def _kind(path: Path, files: Sequence[Path]) -> str:
    """Return the format that all files have: `csv`, `json`, `parquet` or `sheet`. UserError if they differ."""
    kinds = {_KINDS.get(_suffix(f), "") for f in files}
    if len(kinds) == 1 and (kind := kinds.pop()):
        return kind
    names = sorted({_suffix(f) or f.name for f in files})
    raise UserError(f"{path}: expected one kind of {', '.join(_KINDS)} or a Delta table, found {', '.join(names)}")


def _suffix(file: Path) -> str:
    """Return the file's suffix in lower case, without a compression suffix ("a.CSV.gz" -> ".csv")."""
    name = file.with_suffix("") if file.suffix.lower() in bounds.COMPRESSED else file
    return name.suffix.lower()


def _state(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Return size in bytes and modification time of each file, to notice that a file changes while it is read."""
    return [(s.st_size, s.st_mtime_ns) for s in (f.stat() for f in files)]


def _digest(path: Path, files: Sequence[Path]) -> str:
    """Return 32 hex digits that identify the bytes of all files and, if the input is a folder, their relative paths."""
    whole = hashlib.blake2b(digest_size=16)
    for file in files:
        with file.open("rb") as stream:
            part = hashlib.file_digest(stream, "sha256")
        whole.update(part.digest() + (b"" if path.is_file() else str(file.relative_to(path)).encode()))
    return whole.hexdigest()


def _label(path: Path, file: Path) -> str:
    """Return a file's name for reports: its path relative to the input's parent folder, never absolute."""
    return str(file.relative_to(path.parent))


Opened = tuple[tuple[str, ...], Callable[[Sequence[str]], Iterator[RawBatch]]]  # (column names, batches)


def _open_csv(path: Path, files: Sequence[Path], encoding: str | None, stated: Sequence[str]) -> Input:
    """Open delimited text files as one input, whose columns are the union of the columns of all files.

    Args:
        path: The file or folder.
        files: Its files.
        encoding: Python codec, if the user has named it; None: recognised for each file.
        stated: The column names, if the files have no header; () if they have one.
    """
    state = _state(files)
    dialects = [found for file in files if (found := find_dialect(file, encoding, stated)) is not None]
    if not dialects:
        raise UserError(f"{path}: it is empty" if path.is_file() else f"{path}: all its files are empty")
    names = _union(dialect.names for dialect in dialects)

    def batches(wanted: Sequence[str]) -> Iterator[RawBatch]:
        for dialect in dialects:
            for block in delimited.read(dialect, wanted):
                get = _arrow_getter(block.columns, len(block.rows))
                yield RawBatch(_label(path, dialect.file), block.rows, names, get, block.broken, block.lines)

    notes = list(dict.fromkeys(note for dialect in dialects for note in dialect.notes()))
    return Input(path, "csv", names, _digest(path, files), batches, lambda: _state(files) == state, notes)


def _open_sheets(path: Path, files: Sequence[Path], sheet: str | None) -> Input:
    """Open one sheet of each workbook as one input, whose columns are the union of the columns of all sheets.

    Args:
        path: The file or folder.
        files: Its workbooks.
        sheet: Name of the sheet; None: the first visible sheet with a header.
    """
    state = _state(files)
    sheets = [spreadsheet.open_sheet(file, sheet) for file in files]
    names = _union(one.names for one in sheets)

    def batches(wanted: Sequence[str]) -> Iterator[RawBatch]:
        for one in sheets:
            for block in one.read(wanted):
                get = _values_getter(block.columns, len(block.rows))
                yield RawBatch(_label(path, one.file), block.rows, names, get, (), block.lines)

    notes = list(dict.fromkeys(one.note for one in sheets if one.note))
    digest = _digest(path, files) if sheet is None else f"{_digest(path, files)}#{sheet}"
    return Input(path, "sheet", names, digest, batches, lambda: _state(files) == state, notes)


def _values_getter(columns: Mapping[str, list[Any]], rows: int) -> Callable[[str], list[Any]]:
    """Return a function from a column's name to its values, for `RawBatch.get`; a missing column gives Nones."""
    return lambda name: columns.get(name, [None] * rows)


def _open_json(path: Path, files: Sequence[Path]) -> Opened:
    """Open files of JSON lines; return the column names of the first batch, and the function that reads batches.

    JSON lines have no header, so later batches may bring more columns.
    """

    def batches(_: Sequence[str]) -> Iterator[RawBatch]:
        names: dict[str, None] = {}
        for file in files:
            for block in json_lines.read(file):
                names.update(dict.fromkeys(name for item in block.objects for name in item))
                rows = np.array(block.rows, np.int64)
                lines = np.array(block.lines, np.int64)
                get = _json_getter(block.objects)
                yield RawBatch(_label(path, file), rows, tuple(names), get, block.broken, lines)

    first = next(batches(()), None)
    return (first.names if first else ()), batches


def _json_getter(objects: Sequence[Mapping[str, Any]]) -> Callable[[str], list[Any]]:
    """Return a function from a column's name to its value in each object (None if missing), for `RawBatch.get`."""
    return lambda name: [o.get(name) for o in objects]


def _arrow_getter(columns: Mapping[str, pa.Array], rows: int) -> Callable[[str], pa.Array]:
    """Return a function from a column's name to its values, for `RawBatch.get`; a missing column gives `rows` nulls."""
    return lambda name: columns.get(name, pa.nulls(rows))


def _union(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the union of several lists of column names, in order of first occurrence.

    A name that one list holds twice is twice in the result, so that `match.py` can refuse it as ambiguous.
    """
    whole: list[str] = []
    for names in lists:
        for name in dict.fromkeys(names):
            whole += [name] * (list(names).count(name) - whole.count(name))
    return tuple(whole)
