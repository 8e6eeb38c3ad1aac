"""Reads every byte of a table and says what is wrong: for `shopbatch verify`. Nothing is written.

Files are read one row group at a time, so no table has to fit into memory; keys and contents are counted by hash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.hashing import hex128
from shopbatch.tables import declared
from shopbatch.tables.published import memo_name
from shopbatch.warehouse import checksums, files, log_sums
from shopbatch.warehouse.checksums import DamagedFile
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_CONTENTS = 8_000_000  # distinct contents that are compared in one go


@dataclass
class Checked:
    """One thing that was verified, and what is wrong with it.

    Attributes:
        name: The table, model or run of a training.
        kind: `table`, `model`, `checkpoint` or `key`.
        files: How many files were read.
        size: Their bytes.
        rows: Rows of a table.
        unprotected: Files without a checksum of their own: those of older versions and of other clients.
        findings: What is wrong, a line each: the file and what it is.
    """

    name: str
    kind: str
    files: int = 0
    size: int = 0
    rows: int | None = None
    unprotected: int = 0
    findings: list[str] = field(default_factory=list)


def verify_table(store: Store, name: str) -> Checked:
    """Verify a table: its log, every page of every file, row counts, columns, keys, and the memo behind it.

    Raises:
        UserError: There is no such table.
    """
    uri, checked = store.uri(name), Checked(name, "table")
    checked.findings += _log(uri)
    try:
        snapshot = store.snapshot(name)
    except UserError as error:  # a damaged file is among the findings of the log already
        if not checked.findings:
            checked.findings.append(_line(error) if isinstance(error, DamagedFile) else f"_delta_log/: {_line(error)}")
        return checked
    checked.rows = snapshot.rows
    whole = [file for file in snapshot.files if _file(snapshot, file, checked)]
    if (table := declared(name)) is not None and table.job:
        checked.findings += _keys(whole, table.key, table.partition_by)
    checked.findings += _memo(store, snapshot, whole)
    return checked


def _line(error: Exception) -> str:
    return f"{os.path.basename(error.uri)}: {error.why}" if isinstance(error, DamagedFile) else one_line(error, 300)


def _log(uri: str) -> Iterator[str]:
    """What is wrong with the entries of a log: each is readable JSON and what was written, and none is missing."""
    fs, folder = files.filesystem(f"{uri}/_delta_log")
    names = [f.base_name for f in files.entries(fs, folder)]
    numbers = sorted(int(name[:20]) for name in names if log_sums.ENTRY.fullmatch(name))
    for before, number in pairwise(numbers):
        yield from (f"_delta_log/{lost:020}.json: it is missing" for lost in range(before + 1, number))
    for name in sorted(n for n in names if any(kind.fullmatch(n) for kind in log_sums.KINDS)):
        try:
            with fs.open_input_file(f"{folder}/{name}") as stream:
                data = stream.read()
        except OSError as error:
            if files.is_lost_connection(error):
                raise
            yield f"_delta_log/{name}: it cannot be read ({one_line(error, 100)})"
            continue
        if isinstance(fs, pafs.LocalFileSystem) and (why := checksums.trouble_beside(f"{folder}/{name}")):
            yield f"_delta_log/{name}: {why}"
        elif log_sums.ENTRY.fullmatch(name) and (why := _entry(data)):
            yield f"_delta_log/{name}: {why}"


def _entry(data: bytes) -> str:
    try:
        actions = [json.loads(line) for line in data.splitlines() if line.strip()]
    except ValueError as error:
        return f"it is not JSON ({one_line(error, 100)})"
    return "" if actions and all(isinstance(action, dict) for action in actions) else "it holds no commit"


def _file(snapshot: Snapshot, file: FileRef, checked: Checked) -> bool:
    """Read a file whole; what is wrong with it goes to the findings. Whether nothing is."""
    checked.files += 1
    checked.size += file.size
    try:
        protected = files.check_anywhere(file.uri)
        checked.unprotected += not protected
        rows = _read(snapshot, file)
    except (DamagedFile, OSError) as error:
        if files.is_lost_connection(error):
            raise
        gone = isinstance(error, FileNotFoundError)
        checked.findings.append(f"{file.path}: {'it is gone' if gone else _why(error)}")
        return False
    if rows != file.rows:
        checked.findings.append(f"{file.path}: it has {rows:,} rows, and the log says {file.rows:,}")
    return True


def _why(error: Exception) -> str:
    return error.why if isinstance(error, DamagedFile) else one_line(error, 200)


def _read(snapshot: Snapshot, file: FileRef) -> int:
    """Read every page of a file as the table's columns, and return its rows. DamagedFile if that is not possible."""
    rows = 0
    actual = files.read_schema(file.uri)
    for column in actual:
        if column.name not in snapshot.schema.names:
            raise DamagedFile(file.uri, f"it has a column {column.name!r} that the table has not")
    for group in range(len(files.row_group_rows(file.uri))):
        try:
            rows += files.read(file.uri, snapshot.schema, file.partition, [group]).num_rows
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DamagedFile(file.uri, f"its values are not of the table's types: {one_line(error, 150)}") from error
    return rows


def _keys(whole: Sequence[FileRef], key: Sequence[str], partition_by: Sequence[str]) -> Iterator[str]:
    """Keys that come twice, in each partition by itself: its columns are part of the key. A table may have no key."""
    if not key:
        return
    parts: dict[tuple[str | None, ...], list[str]] = {}
    for file in whole:
        parts.setdefault(tuple(file.partition.get(column) for column in partition_by), []).append(file.uri)
    columns = [column for column in key if column not in partition_by]
    for values, uris in parts.items():
        if twice := files.duplicate_keys(uris, columns):
            where = "".join(f" of {c}={v}" for c, v in zip(partition_by, values, strict=True))
            yield f"{twice:,} rows{where} repeat the key ({', '.join(columns)}) of another row"


def _memo(store: Store, snapshot: Snapshot, whole: Sequence[FileRef]) -> Iterator[str]:
    """Published rows whose content the job's memo does not hold under their recipe."""
    name = _memo_of(snapshot.metadata)
    if (
        name is None
        or not {"content_hash", "recipe"} <= set(snapshot.schema.names)
        or snapshot.name.endswith("_rejects")
    ):
        return
    try:
        memo = store.find(name)
    except UserError:
        return  # that is a finding of the memo's own
    if memo is None:
        yield f"there is no {name}, from which its rows come"
        return
    slices, missing = sum(f.rows for f in memo.files) // _CONTENTS + 1, 0
    for part in range(slices):
        known = pl.concat([pl.DataFrame({"content": []}, {"content": pl.String}), *_contents(memo, slices, part)])
        for file in whole:
            rows = pl.DataFrame(files.read(file.uri, snapshot.select(["recipe", "content_hash"]), file.partition))
            asked = rows.select((pl.col("recipe") + pl.col("content_hash")).alias("content"))
            missing += asked.filter(_in_slice(slices, part)).join(known, on="content", how="anti").height
    if missing:
        yield f"{missing:,} rows are of contents that {memo.name} does not hold"


def _contents(memo: Snapshot, slices: int, part: int) -> Iterator[pl.DataFrame]:
    """Recipe and content hash of the memo's rows, file by file; damaged files hold nothing."""
    columns = memo.select(["hash_hi", "hash_lo"])
    for file in memo.files:
        try:
            rows = files.read(file.uri, columns)
        except (DamagedFile, FileNotFoundError):
            continue
        high, low = (rows[c].combine_chunks().to_numpy().view("uint64") for c in columns.names)
        names = pl.Series(hex128(high, low), dtype=pl.String)
        frame = pl.DataFrame({"content": str(file.partition["recipe"]) + names})
        yield frame.filter(_in_slice(slices, part)).unique()


def _in_slice(slices: int, part: int) -> pl.Expr:
    return pl.col("content").hash(seed=0) % slices == part


def _memo_of(metadata: Mapping[str, Any]) -> str | None:
    """The memo of the inference job that published a table."""
    said = [metadata, *metadata.get("scopes", {}).values()]
    made = (each for each in said if "recipe" in each and "job" in each)
    return next((memo_name(str(each["job"]), str(each.get("step", ""))) for each in made), None)
