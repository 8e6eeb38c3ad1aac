"""Where tiles lie: a file holds the tiles of neighbouring days, so that a change of some days touches few files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from shopbatch.tables.files import FileRef

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS_PER_FILE = 131_072
_SMALL, _TOO_MANY = ROWS_PER_FILE // 4, 24


def by_day(spark: SparkSession, frame: DataFrame, rows: Mapping[date, int]) -> DataFrame:
    """`frame` partitioned into runs of days of about ROWS_PER_FILE rows each. rows: of each day that `frame` has."""
    from pyspark.sql import functions as F

    buckets, filled = [], 0
    for day in sorted(rows):
        buckets.append((day, filled // ROWS_PER_FILE))
        filled += rows[day]
    if filled <= ROWS_PER_FILE:
        return frame.coalesce(1)
    count = buckets[-1][1] + 1
    places = spark.createDataFrame(buckets, "day date, bucket int")
    return frame.join(F.broadcast(places), "day").repartitionById(count, "bucket").drop("bucket")


def small_files(files: Sequence[FileRef]) -> list[FileRef]:
    """The small files, if they are too many: worth being written anew as one."""
    small = [f for f in files if f.rows < _SMALL]
    return small if len(small) > _TOO_MANY else []
