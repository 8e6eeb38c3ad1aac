"""Opens what users bring (CSV, JSON lines, Parquet, Delta; one file or a folder of them) as a stream of raw batches.

Nothing is converted here: CSV cells are bytes, JSON values are Python's, all others are Arrow's. One block at a time
is in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from shopbatch.core.errors import UserError, one_line
from shopbatch.load import delimited, json_lines

_PARQUET_BATCH_ROWS = 65_536
_KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_COMPRESSED = (".gz", ".bz2", ".zst")


@dataclass(frozen=True)
class RawBatch:
    """Some rows of one file, not converted yet.

    file: name of the file for reports. rows: row numbers in the file, from 1, int64 [n]. names: all columns that are
    known so far. get: the values [n] of a column by its name; nulls if this file lacks it. broken: (row number, reason)
    of rows that could not be read.
    """

    file: str
    rows: npt.NDArray[np.int64]
    names: tuple[str, ...]
    get: Callable[[str], pa.Array | list[Any]]
    broken: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class Input:
    """An opened file, folder or Delta table.

    names: its columns; of JSON lines only those of the first batch. digest: 32 hex digits that name the content.
    batches: reads all rows, given the columns that are wanted. unchanged: whether the files are still those that were
    opened.
    """

    path: Path
    kind: str
    names: tuple[str, ...]
    digest: str
    batches: Callable[[Sequence[str]], Iterator[RawBatch]]
    unchanged: Callable[[], bool]


def open_input(path: str | Path) -> Input:
    """Open a file, a folder of files of one kind, or a Delta table.

    Raises:
        UserError: It does not exist, is empty or unreadable, or its files are of an unknown kind or of several kinds.
    """
    if "://" in str(path):
        raise UserError(f"{path}: only files and folders of this machine can be loaded; copy it here first")
    path = Path(path).expanduser().absolute()
    if not path.exists():
        raise UserError(f"no file or folder {path}")
    try:
        if path.is_dir() and DeltaTable.is_deltatable(str(path)):
            return _open_delta(path)
        files = _list_files(path)
        kind = _kind(path, files)
        state = _state(files)
        names, batches = {"csv": _open_csv, "json": _open_json, "parquet": _open_parquet}[kind](path, files)
        return Input(path, kind, names, _digest(path, files), batches, lambda: _state(files) == state)
    except (OSError, pa.ArrowException, DeltaError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> UserError:
    """Make the error for a file that a reader could not read."""
    return UserError(f"{path}: cannot be read: {one_line(error, 300)}")


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
    name = file.with_suffix("") if file.suffix.lower() in _COMPRESSED else file
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


def _open_csv(path: Path, files: Sequence[Path]) -> Opened:
    headers = [delimited.read_header(file) for file in files]
    names = _union(header.names for header in headers)

    def batches(wanted: Sequence[str]) -> Iterator[RawBatch]:
        for file, header in zip(files, headers, strict=True):
            for block in delimited.read(file, header, wanted):
                get = _arrow_getter(block.columns, len(block.rows))
                yield RawBatch(_label(path, file), block.rows, names, get, block.broken)

    return names, batches


def _open_json(path: Path, files: Sequence[Path]) -> Opened:
    """JSON lines have no header: the columns known at first are those of the first batch, and more may follow."""

    def batches(_: Sequence[str]) -> Iterator[RawBatch]:
        names: dict[str, None] = {}
        for file in files:
            for block in json_lines.read(file):
                names.update(dict.fromkeys(name for item in block.objects for name in item))
                rows = np.array(block.rows, np.int64)
                yield RawBatch(_label(path, file), rows, tuple(names), _json_getter(block.objects), block.broken)

    first = next(batches(()), None)
    return (first.names if first else ()), batches


def _json_getter(objects: Sequence[Mapping[str, Any]]) -> Callable[[str], list[Any]]:
    return lambda name: [o.get(name) for o in objects]


def _arrow_getter(columns: Mapping[str, pa.Array], rows: int) -> Callable[[str], pa.Array]:
    return lambda name: columns.get(name, pa.nulls(rows))


def _open_parquet(path: Path, files: Sequence[Path]) -> Opened:
    partitioning = "hive" if path.is_dir() else None
    dataset = ds.dataset([str(f) for f in files], format="parquet", partitioning=partitioning)
    fragments = sorted(dataset.get_fragments(), key=lambda f: str(f.path))
    names = _union([*f.physical_schema.names, *ds.get_partition_keys(f.partition_expression)] for f in fragments)
    return names, lambda wanted: _read_fragments(fragments, names, wanted, lambda f: _label(path, Path(f.path)))


def _open_delta(path: Path) -> Input:
    table = DeltaTable(str(path))
    dataset = table.to_pyarrow_dataset()
    fragments = sorted(dataset.get_fragments(), key=lambda f: str(f.path))
    names = tuple(dataset.schema.names)
    version = table.version()
    digest = hashlib.blake2b(f"{table.metadata().id}/{version}".encode(), digest_size=16).hexdigest()

    def batches(wanted: Sequence[str]) -> Iterator[RawBatch]:
        return _read_fragments(fragments, names, wanted, lambda f: f"{path.name}/{f.path}", dataset.schema)

    return Input(path, "delta", names, digest, batches, lambda: True)  # a version of a Delta table never changes


def _read_fragments(
    fragments: Sequence[ds.Fragment],
    names: tuple[str, ...],
    wanted: Sequence[str],
    label: Callable[[ds.Fragment], str],
    schema: pa.Schema | None = None,
) -> Iterator[RawBatch]:
    """The wanted columns of Parquet files, one file after the other; a partition column has one value per file."""
    for fragment in fragments:
        partition = ds.get_partition_keys(fragment.partition_expression)
        stored = set((schema or fragment.physical_schema).names) - set(partition)
        columns = {n: ds.field(n) for n in dict.fromkeys(wanted) if n in stored}
        number = 0
        for batch in fragment.to_batches(
            schema=schema,
            columns=columns,
            batch_size=_PARQUET_BATCH_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        ):
            rows = np.arange(number + 1, number + 1 + batch.num_rows)
            number += batch.num_rows
            values = dict(zip(batch.schema.names, batch.columns, strict=True))
            values |= {n: pa.repeat(pa.scalar(v), batch.num_rows) for n, v in partition.items()}
            yield RawBatch(label(fragment), rows, names, _arrow_getter(values, batch.num_rows))


def _union(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All names in the order in which they first occur. A name that occurs twice in one list stays twice."""
    whole: list[str] = []
    for names in lists:
        for name in dict.fromkeys(names):
            whole += [name] * (list(names).count(name) - whole.count(name))
    return tuple(whole)
