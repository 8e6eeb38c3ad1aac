"""The bridge to Spark: reads snapshots as DataFrames, and describes files that Spark wrote for a commit.

The jobs that run on Spark use it. Spark reads and writes the Parquet files itself. Files that it wrote become visible
by `Store.commit` or not at all. Settings on which the files depend are in `core/sessions.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs

from shopbatch.tables import TABLES
from shopbatch.tables.schema import Table, hidden_columns
from shopbatch.warehouse import checksums, files
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

FEW = 200_000  # rows that the driver may collect and hand back to Spark
_ROWS_OF_TASK = 150_000  # about how many rows one task of a shuffle gets


def read(
    spark: SparkSession, snapshot: Snapshot, columns: Sequence[str], only: Sequence[FileRef] | None = None
) -> DataFrame:
    """Read columns of a snapshot as a Spark DataFrame; a column that a file or the table lacks is null there.

    Args:
        spark: The session.
        snapshot: The pinned table.
        columns: Names of the columns, which the table has or `shopbatch.tables` declares for it.
        only: Files of the snapshot to read; None: all.

    Raises:
        DamagedFile: A file does not match its own checksum.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    declared = TABLES[snapshot.name].schema() if snapshot.name in TABLES else snapshot.schema
    lacking = [declared.field(name) for name in columns if name not in snapshot.schema.names]
    fields = pa.schema([*snapshot.schema, *lacking])
    schema = from_arrow_schema(fields)
    chosen = snapshot.files if only is None else only
    if not chosen:
        return spark.createDataFrame(fields.empty_table(), schema).select(*columns)
    return read_files(spark, schema, [file.uri for file in chosen], snapshot.uri).select(*columns)


def read_files(spark: SparkSession, schema: StructType, uris: Sequence[str], base: str) -> DataFrame:
    """Read Parquet files of a table as a Spark DataFrame, after checking each file's own checksum.

    Spark itself checks the checksums of pages (see `core/sessions.py`).

    Args:
        spark: The session.
        schema: The columns of the DataFrame.
        uris: Paths or URIs of the files.
        base: Path or URI of the table's folder, from which Spark derives the partition columns.

    Raises:
        DamagedFile: A file does not match its own checksum.
    """
    with ThreadPoolExecutor() as pool:
        list(pool.map(files.check, uris))
    return spark.read.schema(schema).option("basePath", base).parquet(*map(literal_path, uris))


def literal_path(path: str) -> str:
    """Escape characters that Spark would take for a pattern in a path to read, such as `[` and `*`.

    Values of `basePath` and paths to write to are not patterns, and must not be escaped.
    """
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def settled(frame: DataFrame, few: bool) -> DataFrame:
    """Keep the rows of a frame in memory, so that Spark does not compute them again at each use.

    Args:
        frame: The frame to keep.
        few: Whether the rows are few. If so, the driver computes and keeps them now; if not, the executors cache them
            at the first use.
    """
    return frame.sparkSession.createDataFrame(frame.toArrow(), frame.schema) if few else frame.cache()


def for_few_rows(spark: SparkSession) -> AbstractContextManager[None]:
    """Return a context manager with Spark settings for few rows: one shuffle partition, no adaptive planning."""
    return _settings(spark, {"spark.sql.shuffle.partitions": "1", "spark.sql.adaptive.enabled": "false"})


def for_many_groups(spark: SparkSession) -> AbstractContextManager[None]:
    """Return a context manager in which Spark's aggregates that collect lists hold up to 50,000 groups in memory.

    By default Spark changes to sorting from 128 groups on.
    """
    return _settings(spark, {"spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "50000"})


def for_many_shuffles(spark: SparkSession, rows: int) -> AbstractContextManager[None]:
    """Return a context manager in which Spark shuffles with one task per 150,000 rows, but at least one per core.

    Spark's default is 200 tasks; for few rows, most of the time would be spent on starting them.

    Args:
        spark: The session.
        rows: Number of rows of the largest table that is shuffled.
    """
    tasks = max(spark.sparkContext.defaultParallelism, -(-rows // _ROWS_OF_TASK))
    return _settings(spark, {"spark.sql.shuffle.partitions": str(tasks)})


@contextmanager
def _settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Change settings of a Spark session inside the block, and restore them after it."""
    before = {name: str(spark.conf.get(name)) for name in settings}
    try:
        for name, value in settings.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


def write(
    frame: DataFrame,
    store: Store,
    table: Table,
    run_id: str,
    partition: Mapping[str, str] | None = None,
    rows_per_file: int = 0,
) -> list[DataFile]:
    """Write the rows of a Spark frame as data files of a table, one file per partition of the frame.

    The files stay invisible to readers until `Store.commit` adds them to the table.

    Args:
        frame: The rows, with the table's columns.
        store: The warehouse.
        table: The declaration of the table.
        run_id: Name of the folder of the files; it must be a new one for every call.
        partition: Value of each partition column, the same for all rows.
        rows_per_file: Greatest number of rows of a file (0: no limit); a larger partition becomes several files.

    Returns:
        The written files, without empty ones.

    Raises:
        TypeError: The columns are not the table's, or hold a null where the table allows none.
    """
    partition = dict(partition or {})
    folder = "/".join([*(f"{column}={value}" for column, value in partition.items()), run_id])
    uri = f"{store.uri(table.name)}/{folder}"
    schema = table.file_schema()
    # Spark writes the metadata of a column into the footer, where it reserves the place for the file's checksum
    rows = frame.select(*schema.names).withMetadata(schema.names[0], {checksums.KEY: checksums.NONE})
    without = {f"parquet.column.statistics.enabled#{name}": "false" for name in hidden_columns(schema)}
    rows.write.mode("error").option("maxRecordsPerFile", rows_per_file).options(**without).parquet(uri)
    fs, path = files.filesystem(uri)
    entries = sorted(f.base_name for f in files.entries(fs, path))
    names = [name for name in entries if name.endswith(".parquet")]
    if isinstance(fs, pafs.LocalFileSystem):
        for name in names:
            checksums.stamp_file(f"{path}/{name}")
            files.remove(f"{uri}/.{name}.crc")  # Hadoop's sums, if Spark wrote them, are of the unstamped bytes
    described = [files.describe(store.uri(table.name), f"{folder}/{name}", schema, partition) for name in names]
    empty = [f for f in described if not f.rows]  # Spark writes an empty file for a frame without rows
    store.discard(table, empty)
    return [f for f in described if f.rows]
