"""Two sets of files count as the same rows only if they are, also for somebody who wants them to look so."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.publish import same_content
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.conftest import FIRST_DAY
from tests.capabilities.profiles.shop import profiles

pytestmark = pytest.mark.spark
_MASK = 2**64 - 1
_P1, _P2, _P5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x27D4EB2F165667C5


def write(store: Store, rows: pa.Table, name: str) -> list[DataFile]:
    path = f"as_of={FIRST_DAY}/{name}/part-0.parquet"
    files.write(f"{store.uri(USER_PROFILES.name)}/{path}", rows)
    return [files.describe(store.uri(USER_PROFILES.name), path, rows.schema, {"as_of": FIRST_DAY.isoformat()})]


def day(store: Store) -> pa.Table:
    return profiles(store, FIRST_DAY).select(USER_PROFILES.file_schema().names).cast(USER_PROFILES.file_schema())


def changed(rows: pa.Table, **values: object) -> pa.Table:
    """The same rows, with other values in the first one."""
    for name, value in values.items():
        column = rows[name].to_pylist()
        column[0] = value
        number = rows.schema.get_field_index(name)
        rows = rows.set_column(number, rows.schema.field(number), pa.array(column, rows.schema.field(number).type))
    return rows


def xxhash64(spark: SparkSession, rows: pa.Table) -> list[int]:
    """XXH64 of whole rows, as Spark chains it over columns."""
    return [row[0] for row in spark.createDataFrame(rows).select(F.xxhash64("*")).collect()]


def collide(spark: SparkSession, rows: pa.Table, first: str, value: int, second: str) -> pa.Table:
    """Change `first` of the first row, and `second`, the column after it, such that XXH64 of the row is as before.

    XXH64 of a number is `mix((seed + P5 + 8) ^ round(number))`, the seed of a column is the hash of those before, and
    both functions have an inverse.
    """
    before = rows.schema.names[: rows.schema.names.index(second)]
    forged = changed(rows, **{first: value})
    old, new = (xxhash64(spark, part.select(before).slice(0, 1))[0] & _MASK for part in (rows, forged))
    number = rows[second][0].as_py() & _MASK
    wanted = (old + _P5 + 8 & _MASK) ^ (new + _P5 + 8 & _MASK) ^ (_rotated(number * _P2 & _MASK, 31) * _P1 & _MASK)
    solved = _rotated(wanted * pow(_P1, -1, 2**64) & _MASK, 33) * pow(_P2, -1, 2**64) & _MASK
    return changed(forged, **{second: solved - 2**64 if solved >= 2**63 else solved})


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _MASK


def test_rows_in_another_order_and_other_files_are_the_same_rows(spark: SparkSession, first_day: Store) -> None:
    rows = day(first_day)
    written = write(first_day, rows.take(pa.array([2, 0])), "a") + write(first_day, rows.take(pa.array([3, 1])), "b")
    other_run = rows.set_column(rows.schema.get_field_index("run_id"), "run_id", pa.array(["another"] * len(rows)))
    assert same_content(spark, first_day, written, first_day.snapshot(USER_PROFILES.name).files)
    assert same_content(spark, first_day, write(first_day, other_run.cast(rows.schema), "c"), written)


def test_a_forged_row_with_the_same_xxhash64_is_another_row(spark: SparkSession, first_day: Store) -> None:
    rows = day(first_day)
    forged = collide(spark, rows, "baskets_7d", 77, "baskets_30d")
    assert forged["baskets_7d"][0].as_py() == 77
    assert xxhash64(spark, forged) == xxhash64(spark, rows), "or nothing was tested"
    assert not same_content(spark, first_day, write(first_day, forged, "forged"), write(first_day, rows, "good"))


def test_every_type_counts_and_so_does_where_a_null_stands(spark: SparkSession, first_day: Store) -> None:
    rows = day(first_day)
    good = write(first_day, rows, "good")
    moved = changed(rows, units_7d=None, units_30d=1)
    other = changed(rows, units_7d=1, units_30d=None)
    assert not same_content(spark, first_day, write(first_day, moved, "x"), write(first_day, other, "y"))
    filled = [field for field in rows.schema if field.name != "run_id" and rows[field.name][0].is_valid]
    columns = {str(field.type): field.name for field in filled}  # one of each type
    assert len(columns) >= 5
    for number, name in enumerate(columns.values()):
        values = [*rows[name].to_pylist(), None]
        part = changed(rows, **{name: next(v for v in values if v != values[0])})
        assert not same_content(spark, first_day, write(first_day, part, f"n{number}"), good), name
