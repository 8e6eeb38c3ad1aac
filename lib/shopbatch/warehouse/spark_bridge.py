"""Snapshots as Spark DataFrames, and files that Spark wrote as files of a table.

Called by the jobs that run on Spark. Spark reads and writes Parquet at its own speed; what it wrote becomes visible
by `Store.commit`, or not at all. Settings that files depend on are in `sessions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow.fs as pafs

from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FEW = 200_000  # rows that the driver may hold, and tell Spark again


def read(
    spark: SparkSession, snapshot: Snapshot, columns: Sequence[str], only: Sequence[FileRef] | None = None
) -> DataFrame:
    """Columns of a snapshot, or of some of its files, as a DataFrame; a column that a file lacks is null there."""
    from pyspark.sql.pandas.types import from_arrow_schema

    schema = from_arrow_schema(snapshot.schema)
    chosen = snapshot.files if only is None else only
    if not chosen:
        return spark.createDataFrame(snapshot.schema.empty_table(), schema).select(*columns)
    source = spark.read.schema(schema).option("basePath", snapshot.uri)
    return source.parquet(*(file.uri for file in chosen)).select(*columns)


def settled(frame: DataFrame, few: bool) -> DataFrame:
    """`frame`, worked out once: in the driver's memory if its rows are few, else kept by the executors."""
    return frame.sparkSession.createDataFrame(frame.toArrow(), frame.schema) if few else frame.cache()


@contextmanager
def for_few_rows(spark: SparkSession) -> Iterator[None]:
    """Settings for the length of the block: what spreads work over tasks, and plans anew by sizes, is off."""
    ours = {"spark.sql.shuffle.partitions": "1", "spark.sql.adaptive.enabled": "false"}
    before = {name: str(spark.conf.get(name)) for name in ours}
    try:
        for name, value in ours.items():
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
    """Write the rows of `frame` where they will stay, one file a partition of it; `Store.commit` makes them visible.

    rows_per_file: the most rows of a file (0: no limit); a partition with more is several files.
    partition: value of each folder column, which all rows have. run_id: a folder of that name, new for every call.
    Raises TypeError if the columns are not the table's, or hold a null where there may be none.
    """
    partition = dict(partition or {})
    folder = "/".join([*(f"{column}={value}" for column, value in partition.items()), run_id])
    uri = f"{store.uri(table.name)}/{folder}"
    frame.select(*table.file_schema().names).write.mode("error").option("maxRecordsPerFile", rows_per_file).parquet(uri)
    fs, path = files.filesystem(uri)
    found = sorted(f.base_name for f in fs.get_file_info(pafs.FileSelector(path, allow_not_found=True)))
    names = [name for name in found if name.endswith(".parquet")]
    schema = table.file_schema()
    described = [files.describe(store.uri(table.name), f"{folder}/{name}", schema, partition) for name in names]
    empty = [f for f in described if not f.rows]  # Spark writes one where there is nothing to write
    store.discard(table, empty)
    return [f for f in described if f.rows]
