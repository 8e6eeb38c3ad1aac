"""Parquet data files: written whole or not at all, described by their footers, read by row group. Knows no Delta.

Called by the store (driver) and by the tasks of `inference/`. A file is written once, where it will stay.
"""

from __future__ import annotations

import errno
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from shopbatch.core.errors import one_line
from shopbatch.tables.schema import hidden_columns
from shopbatch.warehouse import checksums
from shopbatch.warehouse.checksums import DamagedFile
from shopbatch.warehouse.statistics import statistics

if TYPE_CHECKING:
    import polars as pl

ROW_GROUP = 65_536
_SYNCS = 8
_FULL = re.compile(r"(?i)no space left on device|disk quota exceeded|\(os error (28|122)\)")
_LOST = re.compile(
    r"(?i)network_connection|curlcode|connection (refused|reset|closed|error)|error sending request|timed? ?out"
    r"|slow_?down|service_?unavailable|internal_failure|status: 50[0234]"
)
S3_ATTEMPTS = 8  # with growing pauses these take a minute or two; then the run ends, and can be resumed


@dataclass(frozen=True)
class DataFile:
    """A written file, not yet visible: path relative to the table, bytes, rows, Delta statistics (JSON).

    committed_ms is its place in the order of commits if it takes that of another file; None: it is the newest.
    """

    path: str
    size: int
    rows: int
    stats: str
    partition: Mapping[str, str] = field(default_factory=dict)
    committed_ms: int | None = None


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
    """Resolve a folder or an object-store URI to its file system and the path in it."""
    scheme = urlsplit(uri).scheme
    if scheme == "s3" and "?" not in uri:
        return s3_filesystem(), uri.removeprefix("s3://").rstrip("/")
    if len(scheme) > 1:
        fs, path = pafs.FileSystem.from_uri(uri)
        return fs, path
    return pafs.LocalFileSystem(), os.path.abspath(uri)


def entries(fs: pafs.FileSystem, path: str, recursive: bool = False) -> list[pafs.FileInfo]:
    """List what a folder holds: nothing if it is not there.

    pyarrow looks twice, and takes a folder that is made or removed in between for an error. So a few looks are taken.
    """
    selector = pafs.FileSelector(path, recursive=recursive, allow_not_found=True)
    for _ in range(4):
        with suppress(FileNotFoundError):
            return list(fs.get_file_info(selector))
    return list(fs.get_file_info(selector))


def unusable_path(root: str) -> str | None:
    """Say what in a path delta-rs would take for something else; None if it takes the path as Arrow and Spark do.

    delta-rs decodes percent codes, also those behind a symbolic link, and takes a backslash for a slash.
    """
    path = root.partition("?")[0] if "://" in root else f"{root} {os.path.realpath(root)}"
    if code := re.search(r"%[0-9A-Fa-f]{2}", path):
        return f"Delta would decode the percent code {code.group()!r} in its path"
    if "\\" in path:
        return "Delta would take the backslash in its path for a slash"
    return "its path holds a control character" if re.search(r"[\x00-\x1f\x7f]", path) else None


@cache
def s3_filesystem() -> pafs.S3FileSystem:
    """The object store that the environment names: AWS_ENDPOINT_URL, AWS_REGION, and the variables of credentials.

    delta-rs and Polars read the same variables, so that all three use one store in the same way.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint is not None and endpoint.startswith("http://"):
        os.environ.setdefault("AWS_ALLOW_HTTP", "true")  # delta-rs and Polars refuse plain HTTP without it
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    retries = pafs.AwsStandardS3RetryStrategy(max_attempts=int(os.environ.get("AWS_MAX_ATTEMPTS") or S3_ATTEMPTS))
    # no background writes: when the stream is closed, the object is there or an error has been raised
    return pafs.S3FileSystem(
        endpoint_override=endpoint,  # Arrow does not read the variable itself
        region=region,
        retry_strategy=retries,
        background_writes=False,
        request_timeout=60,
    )


def is_lost_connection(error: BaseException) -> bool:
    """Whether the object store could not be reached, also after retries. The same call may work later."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError | DeltaError) and _LOST.search(str(error)) is not None


def is_full(error: BaseException) -> bool:
    """Whether no space is left. Libraries in Rust and on the JVM say it only in the error's text."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(str(error)) is not None


def check(uri: str) -> None:
    """Raise DamagedFile if a Parquet file on this machine's file system does not match its own checksum."""
    fs, path = filesystem(uri)
    if isinstance(fs, pafs.LocalFileSystem):
        checksums.check_parquet(path)


def is_good(uri: str) -> bool:
    """Whether a Parquet file is there and matches its own checksum. Files in an object store are taken to do so."""
    with suppress(DamagedFile, FileNotFoundError):
        check(uri)
        return True
    return False


def check_anywhere(uri: str) -> bool:
    """Check a Parquet file against its own checksum, also in an object store. Whether it has one.

    Raises:
        DamagedFile: It does not match.
    """
    fs, path = filesystem(uri)
    with fs.open_input_file(path) as file:
        if why := checksums.trouble(file):
            raise DamagedFile(uri, why)
        return checksums.is_stamped(file)


@contextmanager
def open_parquet(uri: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file whose own checksum is checked now, and those of its pages when they are read.

    Raises:
        DamagedFile: It does not match its checksums, or it is no Parquet file; also raised inside the block.
    """
    check(uri)
    fs, path = filesystem(uri)
    try:
        with pq.ParquetFile(path, filesystem=fs, page_checksum_verification=True) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        cannot = isinstance(error, OSError) and (error.errno is not None or is_lost_connection(error))
        if cannot or isinstance(error, MemoryError):
            raise  # nothing is known about the file
        raise DamagedFile(uri, one_line(error, 200)) from error


def scan(uris: Sequence[str], schema: pa.Schema | None = None) -> pl.LazyFrame:
    """Scan Parquet files as a lazy Polars frame.

    Polars checks no page; the files' own checksums are checked here.

    Args:
        uris: The files. A column that only some of them have may be missing in the others, where it is null.
        schema: The columns of the frame; None takes those of the first file.
    """
    import polars as pl  # imported here because it is heavy and only scans need it

    if any(urlsplit(uri).scheme == "s3" for uri in uris):
        s3_filesystem()
    for uri in uris:
        check(uri)
    columns = None if schema is None else pl.DataFrame(schema.empty_table()).schema
    return pl.scan_parquet(list(uris), glob=False, schema=columns, missing_columns="insert", extra_columns="ignore")


def write_bytes(uri: str, data: bytes | bytearray, durable: bool = True) -> None:
    """Write a small file so that readers see all of it or nothing (an object store's put is atomic already).

    Args:
        durable: Whether it must survive a crash of the machine. Waiting for the disk costs milliseconds.
    """
    fs, path = filesystem(uri)
    if not isinstance(fs, pafs.LocalFileSystem):
        with fs.open_output_stream(path) as out:
            out.write(data)
        return
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    aside = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    try:
        with open(aside, "wb") as out:
            out.write(data)
            if durable:
                out.flush()
                os.fsync(out.fileno())
        if os.path.isdir(path):  # whatever it is, it must not stop every later run
            os.rename(path, f"{path}.damaged-{uuid.uuid4().hex[:6]}")
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):  # only if it could not be finished
            os.unlink(aside)
    if durable:
        _sync(folder)


def sync(root: str, written: Sequence[DataFile]) -> None:
    """Wait until files are on the disk, and so are their names: a commit must not outlive what it shows."""
    fs, base = filesystem(root)
    if not written or not isinstance(fs, pafs.LocalFileSystem):
        return
    paths = [f"{base}/{file.path}" for file in written]
    _sync_all([*paths, *{folder for path in paths for folder in _folders(path, base)}])


def sync_folder(folder: str) -> None:
    """Wait until all that lies in a folder of this machine's file system is on the disk, and the folder's own name."""
    inside = [os.path.join(path, name) for path, _, names in os.walk(folder) for name in ("", *names)]
    _sync_all([*inside, os.path.dirname(os.path.abspath(folder))])


def _sync_all(paths: Sequence[str]) -> None:
    with ThreadPoolExecutor(_SYNCS) as pool:  # the disk takes several at once
        list(pool.map(_sync, paths))


def _folders(path: str, base: str) -> Iterator[str]:
    """The folders from a file up to the one that holds `base`."""
    while len(path) >= len(base):
        path = os.path.dirname(path)
        yield path


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(path: str) -> None:
    """Write the checksums of a file beside it, and wait until both are on the disk."""
    with open(path, "rb") as file:
        data = file.read()
        os.fsync(file.fileno())
    write_bytes(checksums.beside(path), checksums.sums(data))


def remove(uri: str) -> None:
    """Delete a file, if it is there."""
    fs, path = filesystem(uri)
    with suppress(FileNotFoundError):
        if fs.get_file_info(path).type == pafs.FileType.File:
            fs.delete_file(path)


def write(uri: str, data: pa.Table, row_group: int = ROW_GROUP) -> None:
    """Write a Parquet file, with checksums, so that readers see all of it or nothing. `Store.commit` syncs it."""
    write_bytes(uri, checksums.to_parquet(data, row_group), durable=False)


def describe(root: str, path: str, schema: pa.Schema, partition: Mapping[str, str] | None = None) -> DataFile:
    """Describe a written file by its footer.

    Args:
        root: The table's folder.
        path: The file, relative to it.
        schema: The columns that the file must have; partition columns, which are folders, are not in it.
        partition: Value of each partition column.

    Raises:
        TypeError: The file has other columns, or a null where the schema allows none.
        FileNotFoundError: There is no such file.
        pa.ArrowInvalid: The file is not whole.
    """
    fs, full = filesystem(f"{root}/{path}")
    size = fs.get_file_info(full).size
    if size is None:
        raise FileNotFoundError(full)
    with pq.ParquetFile(full, filesystem=fs) as parquet:  # whether it is damaged is asked where it is read
        meta, actual = parquet.metadata, parquet.schema_arrow
        # names and types only: Spark's files allow nulls everywhere, so the null counts are checked below
        if [(f.name, f.type) for f in actual] != [(f.name, f.type) for f in schema]:
            raise TypeError(f"{path} does not have the table's columns: {actual}, expected {schema}")
        stats = statistics(meta, actual, hidden_columns(schema))
        nulls = stats["nullCount"]  # those of a list count its elements, and an empty list as one
        required = [f.name for f in schema if not f.nullable and not f.type.num_fields]
        # a column that must not have statistics has to be read, unless the file itself allows no null in it
        unknown = [n for n in required if n not in nulls and actual.field(n).nullable]
        nulls |= {n: parquet.read([n], use_threads=False)[n].null_count for n in unknown}
    if bad := [name for name in required if nulls.get(name)]:
        raise TypeError(f"{path}: null in column(s) {', '.join(bad)}")
    # ensure_ascii=False: delta-rs misreads the escape of a character beyond U+FFFF, and would then skip its rows
    return DataFile(path, size, meta.num_rows, json.dumps(stats, ensure_ascii=False), dict(partition or {}))


def check_whole(root: str, written: Sequence[DataFile | FileRef]) -> None:
    """Check that all files are there, with the sizes they were written with. FileNotFoundError if not."""
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
    """Read the columns of `schema` from one file.

    Args:
        uri: The file.
        schema: The columns wanted. A column that the file lacks is null, unless it is a partition column.
        partition: Value of each partition column, which is added to the rows.
        row_groups: The row groups to read; None reads all.
    """
    with open_parquet(uri) as parquet:
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
            constant = pa.repeat(pa.scalar(value, pa.string()), rows)
            columns.append(pa.nulls(rows, column.type) if value is None else constant.cast(column.type))
    return pa.table(columns, schema=schema)


def read_schema(uri: str) -> pa.Schema:
    """Read the columns of a file."""
    with open_parquet(uri) as parquet:
        return parquet.schema_arrow


def row_group_rows(uri: str) -> list[int]:
    """Count the rows of each row group of a file."""
    with open_parquet(uri) as parquet:
        meta = parquet.metadata
        return [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]


def duplicate_keys(uris: Sequence[str], key: Sequence[str]) -> int:
    """Count the rows of these files that repeat the key of another row.

    Keys are counted by hash in slices of 16 million rows, 16 bytes of memory per row.
    """
    import polars as pl

    if not uris:
        return 0
    hashes = scan(uris).select(pl.struct(list(key)).hash(seed=0).alias("h"))
    rows = int(hashes.select(pl.len()).collect().item())
    slices, distinct = rows // 16_000_000 + 1, 0
    for part in range(slices):
        in_slice = hashes.filter(pl.col("h") % slices == part)
        distinct += int(in_slice.select(pl.col("h").n_unique()).collect(engine="streaming").item())
    if distinct == rows:
        return 0
    # two different keys may have one 64-bit hash, so repeats are counted exactly
    exact = scan(uris).select(pl.struct(list(key)).n_unique()).collect(engine="streaming").item()
    return rows - int(exact)
