"""What others do to the profiles and their tiles, or a bad disk, is noticed, named and undone by the next run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from shopbatch.core.errors import UserError
from shopbatch.warehouse.damage import FOLDER
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.conftest import FIRST_DAY
from tests.capabilities.profiles.shop import content, expected_profiles, profiles, run
from tests.warehouse.rot import flip


def update(uri: str) -> None:
    DeltaTable(uri).update(updates={"user_id": "'forged'"}, predicate="user_id IS NOT NULL")


def delete(uri: str) -> None:
    DeltaTable(uri).delete("user_id IS NOT NULL")


@pytest.mark.parametrize(("table", "change"), [("user_profiles", update), ("user_daily", delete)])
def test_it_is_noticed_named_and_undone(
    spark: SparkSession, first_day: Store, table: str, change: Callable[[str], None]
) -> None:
    before, version = content(first_day, table), first_day.snapshot(table).version
    change(first_day.uri(table))
    assert content(first_day, table) != before, "or nothing was tested"
    report = run(spark, first_day, as_of=FIRST_DAY)
    assert report.outcome == "published"
    assert f"others changed {table} after our version {version} (version {version + 1}: " in report.message
    assert content(first_day, table) == before
    assert differences(profiles(first_day, FIRST_DAY), expected_profiles(first_day, FIRST_DAY)) == {}
    again = run(spark, first_day, as_of=FIRST_DAY)
    assert again.outcome == "nothing to do" and "others" not in again.message


@pytest.mark.parametrize("table", ["user_profiles", "user_daily", "transactions_rejects", "transactions"])
def test_a_flipped_bit_is_named_and_mended(spark: SparkSession, first_day: Store, table: str) -> None:
    before, path = content(first_day, table), Path(first_day.snapshot(table).files[0].uri)
    whole = path.read_bytes()
    flip(path, random.Random(5))
    if table == "transactions":  # a source: nothing can make it again
        with pytest.raises(UserError, match=rf"table 'transactions': .*{path.name}"):
            run(spark, first_day, as_of=FIRST_DAY, restate=FIRST_DAY)
        path.write_bytes(whole)
    else:
        report = run(spark, first_day, as_of=FIRST_DAY)
        assert report.outcome == "published" and f"1 damaged file of {table} " in report.message
        assert (Path(first_day.root) / FOLDER / table / path.relative_to(first_day.uri(table))).is_file()
    assert content(first_day, table) == before
    assert differences(profiles(first_day, FIRST_DAY), expected_profiles(first_day, FIRST_DAY)) == {}
    assert run(spark, first_day, as_of=FIRST_DAY).outcome == "nothing to do"
