"""Opens what users bring (CSV, JSON lines, Parquet, Delta; one file or a folder of them) as a stream of raw batches.

Nothing is converted here: CSV cells are bytes, JSON values are Python's, all others are Arrow's. One block at a time
is in memory.
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


# what readers raise for damaged files: names that are no text, counts beyond any bound, and what Rust has not foreseen
UNREADABLE = (OSError, pa.ArrowException, DeltaError, UnicodeError, OverflowError, PanicException)


def open_input(
    path: str | Path, encoding: str | None = None, names: Sequence[str] = (), max_gb: float | None = None
) -> Input:
    """Open a file, a folder of files of one kind, or a Delta table.

    Args:
        path: The file or folder.
        encoding: Of delimited files, if the user has named it.
        names: The columns of delimited files without a header.
        max_gb: What the user allows a compressed file to become; None: what is usual.

    Raises:
        UserError: It does not exist, is empty, unreadable or takes too much, or its files are of an unknown kind or of
            several kinds.
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
    """Make the error for a file that a reader could not read."""
    return UserError(f"{title}: cannot be read: {one_line(error, 300)}")


def _list_files(path: Path) -> list[Path]:
    """The file, or all files of a folder except hidden ones (whose name, or a folder's, begins with a dot or _)."""
    if path.is_file():
        return [path]
    every = [p for p in sorted(path.rglob("*")) if p.is_file()]
    visible = [p for p in every if not any(part[0] in "._" for part in p.relative_to(path).parts)]
    if not visible:
        raise UserError(f"{path}: the folder holds no files")
    return visible


def _kind(path: Path, files: Sequence[Path]) -> str:
    kinds = {_KINDS.get(_suffix(f), "") for f in files}
    if len(kinds) == 1 and (kind := kinds.pop()):
        return kind
    names = sorted({_suffix(f) or f.name for f in files})
    raise UserError(f"{path}: expected one kind of {', '.join(_KINDS)} or a Delta table, found {', '.join(names)}")


def _suffix(file: Path) -> str:
    name = file.with_suffix("") if file.suffix.lower() in bounds.COMPRESSED else file
    return name.suffix.lower()


def _state(files: Sequence[Path]) -> list[tuple[int, int]]:
    return [(s.st_size, s.st_mtime_ns) for s in (f.stat() for f in files)]


def _digest(path: Path, files: Sequence[Path]) -> str:
    """Digest of the files' bytes, and of their names if the input is a folder."""
    whole = hashlib.blake2b(digest_size=16)
    for file in files:
        with file.open("rb") as stream:
            part = hashlib.file_digest(stream, "sha256")
        whole.update(part.digest() + (b"" if path.is_file() else str(file.relative_to(path)).encode()))
    return whole.hexdigest()


def _label(path: Path, file: Path) -> str:
    """A file's name in reports: relative to the folder that holds the input, never the whole path."""
    return str(file.relative_to(path.parent))


Opened = tuple[tuple[str, ...], Callable[[Sequence[str]], Iterator[RawBatch]]]  # (column names, batches)


def _open_csv(path: Path, files: Sequence[Path], encoding: str | None, stated: Sequence[str]) -> Input:
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
    return lambda name: columns.get(name, [None] * rows)


def _open_json(path: Path, files: Sequence[Path]) -> Opened:
    """JSON lines have no header: the columns known at first are those of the first batch, and more may follow."""

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
    return lambda name: [o.get(name) for o in objects]


def _arrow_getter(columns: Mapping[str, pa.Array], rows: int) -> Callable[[str], pa.Array]:
    return lambda name: columns.get(name, pa.nulls(rows))


def _union(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All names in the order in which they first occur. A name that occurs twice in one list stays twice."""
    whole: list[str] = []
    for names in lists:
        for name in dict.fromkeys(names):
            whole += [name] * (list(names).count(name) - whole.count(name))
    return tuple(whole)
