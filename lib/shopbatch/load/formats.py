"""Files that users bring, as streams of raw batches: CSV, JSON lines, Parquet, Delta; one file or a folder of them.

Nothing is converted here: CSV cells are bytes, JSON values Python's, the rest Arrow's. Memory: one block at a time.
"""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from shopbatch.core.errors import UserError
from shopbatch.load import delimited

BATCH = 65_536
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
_PACKED = (".gz", ".bz2", ".zst")


@dataclass(frozen=True)
class Raw:
    """Some rows of one file. rows: their numbers in it, from 1, int64 [n]. broken: (number, reason) of the others.

    names: all columns known by now. get: a column's values by name, [n] each; nulls where this file lacks it.
    """

    file: str
    rows: npt.NDArray[np.int64]
    names: tuple[str, ...]
    get: Callable[[str], pa.Array | list[Any]]
    broken: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class Input:
    """An opened input. names: its columns as far as they are known. digest: of the content, 32 hex digits.

    batches: all rows, when asked with the columns that are wanted. unchanged: whether the files are as they were.
    """

    path: Path
    kind: str
    names: tuple[str, ...]
    digest: str
    batches: Callable[[Sequence[str]], Iterator[Raw]]
    unchanged: Callable[[], bool]


def open_input(path: str | Path) -> Input:
    """Open a file or a folder. UserError: not there, empty, of no known kind or of several, or not readable."""
    if "://" in str(path):
        raise UserError(f"{path}: only files and folders of this machine can be loaded; copy it here first")
    path = Path(path).expanduser().absolute()
    if not path.exists():
        raise UserError(f"no file or folder {path}")
    try:
        if path.is_dir() and DeltaTable.is_deltatable(str(path)):
            return _delta(path)
        files = _files(path)
        kind = _kind(path, files)
        state = _state(files)
        names, batches = {"csv": _csv, "json": _json, "parquet": _parquet}[kind](path, files)
        return Input(path, kind, names, _digest(path, files), batches, lambda: _state(files) == state)
    except (OSError, pa.ArrowException, DeltaError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> UserError:
    """What to tell the user about a file that a reader gave up on."""
    return UserError(f"{path}: cannot be read: {' '.join(str(error).split())[:300]}")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = [p for p in sorted(path.rglob("*")) if p.is_file()]
    shown = [p for p in found if not any(part[0] in "._" for part in p.relative_to(path).parts)]
    if not shown:
        raise UserError(f"{path}: the folder holds no files")
    return shown


def _kind(path: Path, files: Sequence[Path]) -> str:
    kinds = {_KINDS.get(_suffix(f), "") for f in files}
    if len(kinds) == 1 and (kind := kinds.pop()):
        return kind
    names = sorted({_suffix(f) or f.name for f in files})
    raise UserError(f"{path}: expected one kind of {', '.join(_KINDS)} or a Delta table, found {', '.join(names)}")


def _suffix(file: Path) -> str:
    name = file.with_suffix("") if file.suffix.lower() in _PACKED else file
    return name.suffix.lower()


def _state(files: Sequence[Path]) -> list[tuple[int, int]]:
    return [(s.st_size, s.st_mtime_ns) for s in (f.stat() for f in files)]


def _digest(path: Path, files: Sequence[Path]) -> str:
    """Of the files' bytes, and of their names where they are several."""
    whole = hashlib.blake2b(digest_size=16)
    for file in files:
        with file.open("rb") as stream:
            part = hashlib.file_digest(stream, "sha256")
        whole.update(part.digest() + (b"" if path.is_file() else str(file.relative_to(path)).encode()))
    return whole.hexdigest()


def _label(path: Path, file: Path) -> str:
    """A file's name in reports: relative to the folder that the input lies in, never the whole path."""
    return str(file.relative_to(path.parent))


Opened = tuple[tuple[str, ...], Callable[[Sequence[str]], Iterator[Raw]]]


def _csv(path: Path, files: Sequence[Path]) -> Opened:
    heads = [delimited.read_head(file) for file in files]
    names = _union(head.names for head in heads)

    def batches(wanted: Sequence[str]) -> Iterator[Raw]:
        for file, head in zip(files, heads, strict=True):
            for block in delimited.read(file, head, wanted):
                get = _getter(block.columns, len(block.rows))
                yield Raw(_label(path, file), block.rows, names, get, block.broken)

    return names, batches


def _json(path: Path, files: Sequence[Path]) -> Opened:
    """Objects line by line. Columns are known from what was read so far: the first batch's are told at once."""

    def batches(_: Sequence[str]) -> Iterator[Raw]:
        names: dict[str, None] = {}
        for file in files:
            number = 0
            for lines in _lines(file):
                objects, rows, broken = [], [], []
                for parsed in _objects(lines):
                    number += 1
                    if isinstance(parsed, dict):
                        objects.append(parsed)
                        rows.append(number)
                        names.update(dict.fromkeys(parsed))
                    else:
                        broken.append((number, parsed))
                get = _picker(objects)
                yield Raw(_label(path, file), np.array(rows, np.int64), tuple(names), get, broken)

    first = next(batches(()), None)
    return (first.names if first else ()), batches


def _lines(file: Path) -> Iterator[list[bytes]]:
    """Lines that are not blank, `BATCH` at a time, at most."""
    with io.BufferedReader(pa.input_stream(str(file), compression="detect")) as stream:
        start = stream.peek(4)[:4]
        if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[":
            raise UserError(f"{file}: one JSON array; expected one object a line (jq -c '.[]' turns it into lines)")
        if start[:3] == b"\xef\xbb\xbf":
            stream.read(3)
        batch: list[bytes] = []
        size = 0
        for line in stream:
            if line.isspace():
                continue
            batch.append(line)
            size += len(line)
            if len(batch) == BATCH or size > 64_000_000:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _objects(lines: Sequence[bytes]) -> Sequence[dict[str, Any] | str]:
    """The object of each line, or the reason why it is none; all in one call where all are objects (4 times faster).

    Between two lines stands a string that no file can hold, so that no line can lean on its neighbour.
    """
    fence = uuid.uuid4().hex
    try:
        whole = json.loads(b"[" + f',"{fence}",'.encode().join(lines) + b"]")
    except (ValueError, RecursionError):
        whole = []
    fences = [fence] * (len(lines) - 1)
    if len(whole) == 2 * len(lines) - 1 and whole[1::2] == fences and all(type(o) is dict for o in whole[::2]):
        return list(whole[::2])
    return [_object(line) for line in lines]


def _object(line: bytes) -> dict[str, Any] | str:
    """The object of a line, or the reason why there is none."""
    try:
        parsed = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "invalid_utf8"
    except (json.JSONDecodeError, RecursionError):
        return "invalid_json"
    return parsed if isinstance(parsed, dict) else "not_an_object"


def _picker(objects: Sequence[Mapping[str, Any]]) -> Callable[[str], list[Any]]:
    return lambda name: [o.get(name) for o in objects]


def _getter(columns: Mapping[str, pa.Array], rows: int) -> Callable[[str], pa.Array]:
    return lambda name: columns.get(name, pa.nulls(rows))


def _parquet(path: Path, files: Sequence[Path]) -> Opened:
    partitioning = "hive" if path.is_dir() else None
    dataset = ds.dataset([str(f) for f in files], format="parquet", partitioning=partitioning)
    fragments = sorted(dataset.get_fragments(), key=lambda f: str(f.path))
    names = _union([*f.physical_schema.names, *ds.get_partition_keys(f.partition_expression)] for f in fragments)
    return names, lambda wanted: _fragments(fragments, names, wanted, lambda f: _label(path, Path(f.path)))


def _delta(path: Path) -> Input:
    table = DeltaTable(str(path))
    dataset = table.to_pyarrow_dataset()
    fragments = sorted(dataset.get_fragments(), key=lambda f: str(f.path))
    names = tuple(dataset.schema.names)
    version = table.version()
    digest = hashlib.blake2b(f"{table.metadata().id}/{version}".encode(), digest_size=16).hexdigest()

    def batches(wanted: Sequence[str]) -> Iterator[Raw]:
        return _fragments(fragments, names, wanted, lambda f: f"{path.name}/{f.path}", dataset.schema)

    return Input(path, "delta", names, digest, batches, lambda: True)  # a version of a Delta table never changes


def _fragments(
    fragments: Sequence[ds.Fragment],
    names: tuple[str, ...],
    wanted: Sequence[str],
    label: Callable[[ds.Fragment], str],
    schema: pa.Schema | None = None,
) -> Iterator[Raw]:
    """The wanted columns of Parquet files, one file after the other; folder columns have one value a file."""
    for fragment in fragments:
        folders = ds.get_partition_keys(fragment.partition_expression)
        inside = set((schema or fragment.physical_schema).names) - set(folders)
        columns = {n: ds.field(n) for n in dict.fromkeys(wanted) if n in inside}
        number = 0
        for batch in fragment.to_batches(
            schema=schema, columns=columns, batch_size=BATCH, batch_readahead=1, fragment_readahead=1, use_threads=False
        ):
            rows = np.arange(number + 1, number + 1 + batch.num_rows)
            number += batch.num_rows
            values = dict(zip(batch.schema.names, batch.columns, strict=True))
            values |= {n: pa.repeat(pa.scalar(v), batch.num_rows) for n, v in folders.items()}
            yield Raw(label(fragment), rows, names, _getter(values, batch.num_rows))


def _union(lists: Any) -> tuple[str, ...]:
    """All names in the order in which they are met. A name twice in one list stays twice."""
    whole: list[str] = []
    for names in lists:
        for name in dict.fromkeys(names):
            whole += [name] * (list(names).count(name) - whole.count(name))
    return tuple(whole)
