"""How tiles are laid out in files: a file holds neighbouring days, so a change to a few days rewrites few files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from shopbatch.warehouse.files import FileRef

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS_PER_FILE = 131_072
_SMALL_FILE_ROWS, _MAX_SMALL_FILES = ROWS_PER_FILE // 4, 24


def partition_by_day(spark: SparkSession, frame: DataFrame, rows: Mapping[date, int]) -> DataFrame:
    """Add a column `bucket` to `frame` (user_id, day, ...) and make each bucket one partition.

    A bucket is a run of days with about ROWS_PER_FILE rows. A day with more rows is spread over several buckets by
    user. `rows` is the number of rows of each day in `frame`.
    """
    from pyspark.sql import functions as F

    places, bucket, filled = [], 0, 0
    for day in sorted(rows):
        parts = -(-rows[day] // ROWS_PER_FILE)
        if filled and filled + rows[day] > ROWS_PER_FILE:
            bucket, filled = bucket + 1, 0
        places.append((day, bucket, parts))
        bucket, filled = (bucket + parts, 0) if parts > 1 else (bucket, filled + rows[day])
    count = places[-1][1] + places[-1][2] if places else 1
    if count == 1:
        return frame.withColumn("bucket", F.lit(0)).coalesce(1)
    first_buckets = spark.createDataFrame(places, "day date, first int, parts int")
    part = (F.col("first") + F.pmod(F.xxhash64("user_id"), F.col("parts"))).cast("int")
    placed = frame.join(F.broadcast(first_buckets), "day").withColumn("bucket", part).drop("first", "parts")
    return placed.repartitionById(count, "bucket")


def files_to_merge(files: Sequence[FileRef]) -> list[FileRef]:
    """Return the small files if there are too many of them, so that they are rewritten as one; otherwise none."""
    small = [f for f in files if f.rows < _SMALL_FILE_ROWS]
    return small if len(small) > _MAX_SMALL_FILES else []
