"""Reads every byte of a table and reports what is wrong, for `shopbatch verify`. Writes nothing.

Files are read one row group at a time, so no table has to fit into memory. Keys are compared by hash.
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
    """The result of verifying one table, model or checkpoint, or the warehouse's secret key.

    Models name their training rows by hashes with that key; `shopbatch erase` needs it to find them.

    Attributes:
        name: The table, model, training run or key file.
        kind: `table`, `model`, `checkpoint` or `key`.
        files: Number of files that were read.
        size: Bytes of these files.
        rows: Number of rows of a table; None for others.
        unprotected: Number of files without a checksum of their own: from older versions of shopbatch or other clients.
        findings: The faults, one line each: the file and what is wrong with it.
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

    Args:
        store: The warehouse.
        name: The table.

    Returns:
        Counts and findings. Damage is a finding, not an error.

    Raises:
        UserError: The name of the table is not allowed.
    """
    uri, checked = store.uri(name), Checked(name, "table")
    checked.findings += _log(uri)
    try:
        snapshot = store.snapshot(name)
    except UserError as error:  # damage of the log is among the findings already
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
    """Yield what is wrong with a Delta log: missing, unreadable or changed entries and checkpoints."""
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
    """Read a whole file, add its faults to the findings, and return True if its contents can be used."""
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
    """Read every page of a file as the table's columns, and return its number of rows; DamagedFile if it fails."""
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
    """Yield a finding for each partition in which rows repeat a key; nothing if the table has no key.

    Partitions are searched separately, because the partition columns are part of the key.
    """
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
    """Yield a finding if the job's memo lacks the results of published rows (by recipe and content hash).

    Args:
        store: The warehouse.
        snapshot: The published table. Nothing is checked if no inference job publishes it.
        whole: Its undamaged files.
    """
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
        return  # verifying the memo itself reports that
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
    """Yield the contents for which the memo has entries, as column `content` (recipe + content hash), file by file.

    Damaged files are skipped.

    Args:
        memo: The memo.
        slices: Number of slices into which the contents are divided by hash, so that one slice fits into memory.
        part: Number of the slice to yield, from 0.
    """
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
    """Return the name of the memo behind a published table, from the table's metadata; None if there is none."""
    said = [metadata, *metadata.get("scopes", {}).values()]
    made = (each for each in said if "recipe" in each and "job" in each)
    return next((memo_name(str(each["job"]), str(each.get("step", ""))) for each in made), None)
