"""Decide which tiles share a file: neighbouring days lie together, so a change to a few days rewrites few files.

`tiles` (full rebuild) and `tile_changes` (incremental update) call these functions before they write tiles.
"""

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
    """Add a column `bucket` to `frame` and repartition it so that each bucket is one partition, and later one file.

    A bucket holds consecutive days with together about ROWS_PER_FILE rows. A day with more rows is spread over several
    buckets by a hash of the user.

    Args:
        spark: The session.
        frame: Rows with the columns `user_id` and `day`, among others.
        rows: Number of rows of each day in `frame`.

    Returns:
        `frame` with the integer column `bucket`.
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
    """Return the small files of a tile table that should be rewritten together, or [] if there are few of them.

    A file is small below a quarter of ROWS_PER_FILE rows. Up to 24 small files are left as they are.
    """
    small = [f for f in files if f.rows < _SMALL_FILE_ROWS]
    return small if len(small) > _MAX_SMALL_FILES else []
