"""Where tiles lie: a file holds the tiles of neighbouring days, so that a change of some days touches few files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from shopbatch.warehouse.files import FileRef

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS_PER_FILE = 131_072
_SMALL, _TOO_MANY = ROWS_PER_FILE // 4, 24


def by_day(spark: SparkSession, frame: DataFrame, rows: Mapping[date, int]) -> DataFrame:
    """`frame` (user_id, day, ...) with `bucket`, which is its partition: a run of days of about ROWS_PER_FILE rows.

    A day of more rows is several buckets, by user. rows: of each day that `frame` has.
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
    where = spark.createDataFrame(places, "day date, first int, parts int")
    part = (F.col("first") + F.pmod(F.xxhash64("user_id"), F.col("parts"))).cast("int")
    placed = frame.join(F.broadcast(where), "day").withColumn("bucket", part).drop("first", "parts")
    return placed.repartitionById(count, "bucket")


def small_files(files: Sequence[FileRef]) -> list[FileRef]:
    """The small files, if they are too many: worth being written anew as one."""
    small = [f for f in files if f.rows < _SMALL]
    return small if len(small) > _TOO_MANY else []
