"""Reads and writes Parquet data files: each is written whole or not at all, and its checksums are checked when read.

The store (in the driver) and the tasks of `inference/` use it. It writes each file once, to its final place, and knows
nothing of Delta; `store.py` and `delta.py` make files part of a table.
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
    """A written data file that is not visible yet, as `Store.commit` takes it.

    `path` is relative to the table's folder, `size` is in bytes, `stats` holds Delta statistics as JSON, and
    `partition` the value of each partition column. `committed_ms` is that of an older file whose place in the order of
    commits the new file takes (see `FileRef.committed_ms`); None: the file is the newest.
    """

    path: str
    size: int
    rows: int
    stats: str
    partition: Mapping[str, str] = field(default_factory=dict)
    committed_ms: int | None = None


@dataclass(frozen=True)
class FileRef:
    """A visible data file of a snapshot.

    `path` is relative to the table's folder, `uri` the full path or URI, `size` in bytes, and `partition` holds the
    value of each partition column. `committed_ms` orders the files of a table by the commits that added them: it is
    about the Unix time of the commit in milliseconds.
    """

    path: str
    uri: str
    size: int
    rows: int
    committed_ms: int
    partition: Mapping[str, str | None] = field(default_factory=dict)


def filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a folder or object-store URI, and the path within that file system."""
    scheme = urlsplit(uri).scheme
    if scheme == "s3" and "?" not in uri:
        return s3_filesystem(), uri.removeprefix("s3://").rstrip("/")
    if len(scheme) > 1:
        fs, path = pafs.FileSystem.from_uri(uri)
        return fs, path
    return pafs.LocalFileSystem(), os.path.abspath(uri)


def entries(fs: pafs.FileSystem, path: str, recursive: bool = False) -> list[pafs.FileInfo]:
    """List the files and folders in a folder; [] if the folder does not exist.

    It is tried up to five times, because pyarrow raises an error if the folder appears or vanishes during the call.
    """
    selector = pafs.FileSelector(path, recursive=recursive, allow_not_found=True)
    for _ in range(4):
        with suppress(FileNotFoundError):
            return list(fs.get_file_info(selector))
    return list(fs.get_file_info(selector))


def unusable_path(root: str) -> str | None:
    """Return why a path cannot be used for a warehouse, as part of a sentence; None if it can be used.

    delta-rs, unlike Arrow and Spark, decodes percent codes (also behind a symbolic link) and reads a backslash as a
    slash. Control characters are refused, too.
    """
    path = root.partition("?")[0] if "://" in root else f"{root} {os.path.realpath(root)}"
    if code := re.search(r"%[0-9A-Fa-f]{2}", path):
        return f"Delta would decode the percent code {code.group()!r} in its path"
    if "\\" in path:
        return "Delta would take the backslash in its path for a slash"
    return "its path holds a control character" if re.search(r"[\x00-\x1f\x7f]", path) else None


@cache
def s3_filesystem() -> pafs.S3FileSystem:
    """Return the S3 file system that the environment names: AWS_ENDPOINT_URL, AWS_REGION and the credentials.

    delta-rs and Polars read the same variables, so that all three libraries use one store in the same way.
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
    """Return True if the error means that the object store could not be reached: the same call may succeed later."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError | DeltaError) and _LOST.search(str(error)) is not None


def is_full(error: BaseException) -> bool:
    """Return True if an error says that the disk is full, by its number or (in Rust and Java libraries) by its text."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(str(error)) is not None


def check(uri: str) -> None:
    """Raise DamagedFile if a Parquet file does not match its own checksum. Files in an object store are not checked."""
    fs, path = filesystem(uri)
    if isinstance(fs, pafs.LocalFileSystem):
        checksums.check_parquet(path)


def is_good(uri: str) -> bool:
    """Return True if a Parquet file exists and matches its own checksum. Files in an object store count as good."""
    with suppress(DamagedFile, FileNotFoundError):
        check(uri)
        return True
    return False


def check_anywhere(uri: str) -> bool:
    """Check a Parquet file against its own checksum, also in an object store; return False if it has no checksum.

    DamagedFile is raised if the file does not match its checksum.
    """
    fs, path = filesystem(uri)
    with fs.open_input_file(path) as file:
        if why := checksums.trouble(file):
            raise DamagedFile(uri, why)
        return checksums.is_stamped(file)


@contextmanager
def open_parquet(uri: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file and check its checksums: that of the file now, those of the pages when they are read.

    DamagedFile is raised if a checksum does not match, or if reading fails inside the `with` block because of the file.
    """
    check(uri)
    fs, path = filesystem(uri)
    try:
        with pq.ParquetFile(path, filesystem=fs, page_checksum_verification=True) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        cannot = isinstance(error, OSError) and (error.errno is not None or is_lost_connection(error))
        if cannot or isinstance(error, MemoryError):
            raise  # the error says nothing about the file
        raise DamagedFile(uri, one_line(error, 200)) from error


def scan(uris: Sequence[str], schema: pa.Schema | None = None) -> pl.LazyFrame:
    """Return a lazy Polars frame over Parquet files, after checking each file's own checksum (not those of pages).

    It has the columns of `schema` (None: those of the first file); a column that a file lacks is null there.
    """
    import polars as pl  # imported here because it is heavy and only scans need it

    if any(urlsplit(uri).scheme == "s3" for uri in uris):
        s3_filesystem()
    for uri in uris:
        check(uri)
    columns = None if schema is None else pl.DataFrame(schema.empty_table()).schema
    return pl.scan_parquet(list(uris), glob=False, schema=columns, missing_columns="insert", extra_columns="ignore")


def write_bytes(uri: str, data: bytes | bytearray, durable: bool = True) -> None:
    """Write a small file so that readers see all of it or nothing: on a local disk, a temporary file is renamed.

    With `durable`, the call waits some milliseconds until the file is on the disk, to survive a crash of the machine.
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
        if os.path.isdir(path):  # a folder in the file's place must not stop every later run
            os.rename(path, f"{path}.damaged-{uuid.uuid4().hex[:6]}")
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):  # only if it could not be finished
            os.unlink(aside)
    if durable:
        _sync(folder)


def sync(root: str, written: Sequence[DataFile]) -> None:
    """Wait until files of the table at `root` are on the local disk, because a commit must not outlive its files.

    The names of their folders are synced, too. In an object store there is nothing to wait for.
    """
    fs, base = filesystem(root)
    if not written or not isinstance(fs, pafs.LocalFileSystem):
        return
    paths = [f"{base}/{file.path}" for file in written]
    _sync_all([*paths, *{folder for path in paths for folder in _folders(path, base)}])


def sync_folder(folder: str) -> None:
    """Wait until all files in a local folder, and the folder's own name, are on the disk."""
    inside = [os.path.join(path, name) for path, _, names in os.walk(folder) for name in ("", *names)]
    _sync_all([*inside, os.path.dirname(os.path.abspath(folder))])


def _sync_all(paths: Sequence[str]) -> None:
    with ThreadPoolExecutor(_SYNCS) as pool:  # the disk takes several at once
        list(pool.map(_sync, paths))


def _folders(path: str, base: str) -> Iterator[str]:
    """Yield the folders from a file up to the parent of `base`."""
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
    """Write the checksums of a file into a `.crc` file beside it, and wait until both files are on the disk."""
    with open(path, "rb") as file:
        data = file.read()
        os.fsync(file.fileno())
    write_bytes(checksums.beside(path), checksums.sums(data))


def remove(uri: str) -> None:
    """Delete a file if it exists."""
    fs, path = filesystem(uri)
    with suppress(FileNotFoundError):
        if fs.get_file_info(path).type == pafs.FileType.File:
            fs.delete_file(path)


def write(uri: str, data: pa.Table, row_group: int = ROW_GROUP) -> None:
    """Write a Parquet file with checksums and at most `row_group` rows per row group; readers see all of it or nothing.

    The file is not synced to the disk here; `Store.commit` does that.
    """
    write_bytes(uri, checksums.to_parquet(data, row_group), durable=False)


def describe(root: str, path: str, schema: pa.Schema, partition: Mapping[str, str] | None = None) -> DataFile:
    """Describe a written Parquet file (`path` below the table's folder `root`) for a commit, from its footer.

    The file must have the columns of `schema`. Partition columns are not among them: their values, given in
    `partition`, are in folder names. Raises TypeError for other columns or a null where none is allowed,
    FileNotFoundError, and pa.ArrowInvalid for an incomplete file.
    """
    fs, full = filesystem(f"{root}/{path}")
    size = fs.get_file_info(full).size
    if size is None:
        raise FileNotFoundError(full)
    with pq.ParquetFile(full, filesystem=fs) as parquet:  # damage is checked where the file is read
        meta, actual = parquet.metadata, parquet.schema_arrow
        # names and types only: Spark's files allow nulls everywhere, so the null counts are checked below
        if [(f.name, f.type) for f in actual] != [(f.name, f.type) for f in schema]:
            raise TypeError(f"{path} does not have the table's columns: {actual}, expected {schema}")
        stats = statistics(meta, actual, hidden_columns(schema))
        nulls = stats["nullCount"]  # of a list its null elements are counted, and an empty list as one
        required = [f.name for f in schema if not f.nullable and not f.type.num_fields]
        # a column without statistics has to be read, unless the file's own schema allows no null in it
        unknown = [n for n in required if n not in nulls and actual.field(n).nullable]
        nulls |= {n: parquet.read([n], use_threads=False)[n].null_count for n in unknown}
    if bad := [name for name in required if nulls.get(name)]:
        raise TypeError(f"{path}: null in column(s) {', '.join(bad)}")
    # ensure_ascii=False: delta-rs misreads the escape of a character beyond U+FFFF, and would then skip its rows
    return DataFile(path, size, meta.num_rows, json.dumps(stats, ensure_ascii=False), dict(partition or {}))


def check_whole(root: str, written: Sequence[DataFile | FileRef]) -> None:
    """Raise FileNotFoundError if a file in the folder `root` is missing or its size differs from that in `written`."""
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
    """Read the columns of `schema` from one Parquet file, cast to its types; DamagedFile if a checksum does not match.

    A column that the file lacks gets its value from `partition` ({partition column: value}) in every row, or null. Only
    the row groups with the numbers `row_groups` are read; None: all.
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
    """Return the columns of a Parquet file."""
    with open_parquet(uri) as parquet:
        return parquet.schema_arrow


def row_group_rows(uri: str) -> list[int]:
    """Return the number of rows of each row group of a Parquet file."""
    with open_parquet(uri) as parquet:
        meta = parquet.metadata
        return [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]


def duplicate_keys(uris: Sequence[str], key: Sequence[str]) -> int:
    """Count the rows that repeat the key (columns `key`) of another row; three rows with one key count as two.

    Keys are counted by hash in slices of 16 million rows, with 16 bytes of memory per row. If hashes repeat, keys are
    counted exactly.
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
