"""Parquet data files: written whole or not at all, described by their footers, read by row group. Knows no Delta.

Called by the store (driver) and by the tasks of `inference/`. A file is written once, where it will stay.
"""

from __future__ import annotations

import errno
import json
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from shopbatch.tables.schema import FREE_TEXT

if TYPE_CHECKING:
    import polars as pl

ROW_GROUP = 65_536
_FULL = re.compile(r"(?i)no space left on device|disk quota exceeded|\(os error (28|122)\)")
_LOST = re.compile(
    r"(?i)network_connection|curlcode|connection (refused|reset|closed|error)|error sending request|timed? ?out"
    r"|slow_?down|service_?unavailable|internal_failure|status: 50[0234]"
)
S3_ATTEMPTS = 8  # with growing pauses, a minute or two: a store away for longer ends the run, which resumes
_LONGEST_STATISTIC = 64  # bytes of a string's min/max that are worth a place in the log
_LAST = "\U0010ffff"  # no character sorts after it; Delta's own writers end a cut maximum with it
_DIGITS = 15  # of a decimal that a JSON number, read as a double, holds exactly


@dataclass(frozen=True)
class DataFile:
    """A written file, not yet visible: path relative to the table, bytes, rows, Delta statistics (JSON)."""

    path: str
    size: int
    rows: int
    stats: str
    partition: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileRef:
    """A visible file of a snapshot. committed_ms orders the files of a table by the commit that added them."""

    path: str
    uri: str
    size: int
    rows: int
    committed_ms: int
    partition: Mapping[str, str | None] = field(default_factory=dict)


def filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a folder or object-store URI, and the path in it."""
    scheme = urlsplit(uri).scheme
    if scheme == "s3" and "?" not in uri:
        return _s3(), uri.removeprefix("s3://").rstrip("/")
    if len(scheme) > 1:
        fs, path = pafs.FileSystem.from_uri(uri)
        return fs, path
    return pafs.LocalFileSystem(), os.path.abspath(uri)


@cache
def _s3() -> pafs.S3FileSystem:
    """The object store that the environment names: AWS_ENDPOINT_URL, AWS_REGION, and the credentials' variables.

    The same variables are read by delta-rs and by Polars, so that all three speak to one store in one way.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint is not None and endpoint.startswith("http://"):
        os.environ.setdefault("AWS_ALLOW_HTTP", "true")  # delta-rs and Polars ask to be told so
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    retries = pafs.AwsStandardS3RetryStrategy(max_attempts=int(os.environ.get("AWS_MAX_ATTEMPTS") or S3_ATTEMPTS))
    # one request a write: what is written is then there when the stream is closed, or an error has been raised
    return pafs.S3FileSystem(
        endpoint_override=endpoint,  # Arrow does not look for it by itself
        region=region,
        retry_strategy=retries,
        background_writes=False,
        request_timeout=60,
    )


def is_lost_connection(error: BaseException) -> bool:
    """Whether an error says that the object store could not be reached, also after retries: the same may work later."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError | DeltaError) and _LOST.search(str(error)) is not None


def is_full(error: BaseException) -> bool:
    """Whether an error says that no space is left. Libraries in Rust and on the JVM say it in the text alone."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(str(error)) is not None


def scan(uris: Sequence[str]) -> pl.LazyFrame:
    """Parquet files as a lazy Polars frame."""
    import polars as pl  # heavy: only those who scan need it

    if any(urlsplit(uri).scheme == "s3" for uri in uris):
        _s3()
    return pl.scan_parquet(list(uris))


def write_bytes(uri: str, data: bytes) -> None:
    """Write a small file so that readers see all of it or nothing (an object store's put is atomic by itself)."""
    fs, path = filesystem(uri)
    if not isinstance(fs, pafs.LocalFileSystem):
        with fs.open_output_stream(path) as out:
            out.write(data)
        return
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    aside = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    with open(aside, "wb") as out:
        out.write(data)
    os.replace(aside, path)


def remove(uri: str) -> None:
    """Delete a file; that it is gone already is as well."""
    fs, path = filesystem(uri)
    with suppress(FileNotFoundError):
        if fs.get_file_info(path).type == pafs.FileType.File:
            fs.delete_file(path)


def write(uri: str, data: pa.Table, row_group: int = ROW_GROUP) -> None:
    """Write a Parquet file whole or not at all; an object store shows it when it is complete."""
    fs, path = filesystem(uri)
    local = isinstance(fs, pafs.LocalFileSystem)
    folder, name = os.path.split(path)
    aside = os.path.join(folder, f".{name}.{uuid.uuid4().hex}") if local else path
    if local:
        os.makedirs(folder, exist_ok=True)
    try:
        pq.write_table(data, aside, filesystem=fs, row_group_size=row_group, compression="zstd")
        if local:
            os.replace(aside, path)
    finally:
        if local and os.path.exists(aside):  # only where it could not be finished
            os.unlink(aside)


def describe(root: str, path: str, schema: pa.Schema, partition: Mapping[str, str] | None = None) -> DataFile:
    """A written file as its footer tells it.

    schema: what it must hold, folder columns apart. Raises TypeError if it holds other columns or a null where
    there may be none, FileNotFoundError or pa.ArrowInvalid if it is not whole.
    """
    fs, full = filesystem(f"{root}/{path}")
    size = fs.get_file_info(full).size
    if size is None:
        raise FileNotFoundError(full)
    with pq.ParquetFile(full, filesystem=fs) as parquet:
        meta, actual = parquet.metadata, parquet.schema_arrow
    # whether a column may be null is asked of its statistics: Spark's files allow it everywhere
    if [(f.name, f.type) for f in actual] != [(f.name, f.type) for f in schema]:
        raise TypeError(f"{path} does not have the table's columns: {actual}, expected {schema}")
    stats = _stats(meta, actual, {f.name for f in schema if f.metadata and FREE_TEXT.encode() in f.metadata})
    nulls = stats["nullCount"]
    if bad := [f.name for f in schema if not f.nullable and nulls.get(f.name)]:
        raise TypeError(f"{path}: null in column(s) {', '.join(bad)}")
    # not escaped: delta-rs reads the escape of a character beyond U+FFFF as another one, and then misses its rows
    return DataFile(path, size, meta.num_rows, json.dumps(stats, ensure_ascii=False), dict(partition or {}))


def check_whole(root: str, written: Sequence[DataFile | FileRef]) -> None:
    """FileNotFoundError if one of these files is gone, or not of the size that it was written with."""
    fs, base = filesystem(root)
    for file, info in zip(written, fs.get_file_info([f"{base}/{f.path}" for f in written]), strict=True):
        if info.size != file.size:
            raise FileNotFoundError(f"{root}/{file.path}: {info.size} bytes, wrote {file.size}")


def read(
    uri: str,
    schema: pa.Schema,
    partition: Mapping[str, str | None] | None = None,
    row_groups: Sequence[int] | None = None,
) -> pa.Table:
    """The columns of `schema` from one file: folder columns are added, columns that the file lacks are null."""
    fs, path = filesystem(uri)
    with pq.ParquetFile(path, filesystem=fs) as parquet:
        there = set(parquet.schema_arrow.names)
        wanted = [n for n in schema.names if n in there]
        groups = range(parquet.num_row_groups) if row_groups is None else row_groups
        data = parquet.read_row_groups(list(groups), columns=wanted, use_threads=False)
        rows = data.num_rows if wanted else sum(parquet.metadata.row_group(g).num_rows for g in groups)
    columns = []
    for column in schema:
        if column.name in there:
            columns.append(data[column.name].cast(column.type))
        else:
            value = (partition or {}).get(column.name)
            columns.append(pa.repeat(pa.scalar(value, pa.string()), rows).cast(column.type))
    return pa.table(columns, schema=schema)


def row_group_rows(uri: str) -> list[int]:
    """Rows of each row group of a file."""
    fs, path = filesystem(uri)
    with pq.ParquetFile(path, filesystem=fs) as parquet:
        meta = parquet.metadata
        return [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]


def duplicate_keys(uris: Sequence[str], key: Sequence[str]) -> int:
    """How many rows of these files repeat the key of another row. Memory: 16 bytes a row of 16M-row slices."""
    import polars as pl

    if not uris:
        return 0
    hashes = scan(uris).select(pl.struct(list(key)).hash(seed=0).alias("h"))
    rows = int(hashes.select(pl.len()).collect().item())
    slices, distinct = rows // 16_000_000 + 1, 0
    for part in range(slices):
        mine = hashes.filter(pl.col("h") % slices == part)
        distinct += int(mine.select(pl.col("h").n_unique()).collect(engine="streaming").item())
    if distinct == rows:
        return 0
    # Equal 64-bit hashes may be two keys: only an exact count may accuse.
    exact = scan(uris).select(pl.struct(list(key)).n_unique()).collect(engine="streaming").item()
    return rows - int(exact)


def _stats(meta: pq.FileMetaData, schema: pa.Schema, hidden: set[str]) -> dict[str, Any]:
    """Delta statistics (numRecords, minValues, maxValues, nullCount) out of a Parquet footer; no values of `hidden`."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for index, name in enumerate(schema.names):
        groups = [meta.row_group(g).column(index).statistics for g in range(meta.num_row_groups)]
        if not all(s is not None and s.has_null_count for s in groups):
            continue
        nulls[name] = sum(s.null_count for s in groups)
        if name not in hidden and (bounds := _bounds(groups)):
            _bound(name, *bounds, low, high)
    return {"numRecords": meta.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}


def _bounds(groups: Sequence[pq.Statistics]) -> tuple[Any, Any] | None:
    """Least and greatest value over a column's row groups; None where a group with values does not tell."""
    told = [s for s in groups if s.has_min_max]
    if not told or any(s.num_values for s in groups if not s.has_min_max):
        return None
    try:
        return min(s.min for s in told), max(s.max for s in told)
    except (ValueError, OverflowError):  # the least or the greatest is no text, or a moment beyond the year 9999
        return None


def _bound(name: str, least: Any, most: Any, low: dict[str, Any], high: dict[str, Any]) -> None:
    if isinstance(least, datetime):
        low[name], high[name] = (
            v.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") for v in (least, most)
        )
    elif isinstance(least, date):
        low[name], high[name] = least.isoformat(), most.isoformat()
    elif isinstance(least, (bool, int)):
        low[name], high[name] = least, most
    elif isinstance(least, float) and abs(least) < float("inf") and abs(most) < float("inf"):
        low[name], high[name] = least, most
    elif isinstance(least, Decimal) and max(len(v.as_tuple().digits) for v in (least, most)) <= _DIGITS:
        low[name], high[name] = float(least), float(most)
    elif isinstance(least, str) and (ceiling := _ceiling(most)) is not None:
        low[name], high[name] = _prefix(least), ceiling


def _prefix(text: str) -> str:
    """The text, or as much of it as is worth a place in the log."""
    return text.encode()[:_LONGEST_STATISTIC].decode("utf-8", "ignore")


def _ceiling(text: str) -> str | None:
    """A text of bounded length that is not less than `text`; None where there is none (it holds the last character)."""
    prefix = _prefix(text)
    if prefix == text:
        return text
    return None if text[len(prefix)] == _LAST else prefix + _LAST


def invalid_utf8(column: pa.ChunkedArray) -> pa.Array | None:
    """Which rows are not valid UTF-8 (boolean), or None where all are, which is nearly always."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.binary()).to_pylist()
        return pa.array([value is not None and not _decodes(value) for value in raw])
    return None


def _decodes(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """`column` with what is not valid UTF-8 made empty, so that Arrow's string kernels may run on it."""
    bad = invalid_utf8(column)
    if bad is None:
        return column
    return pc.if_else(bad, pa.scalar("", column.type), column)
