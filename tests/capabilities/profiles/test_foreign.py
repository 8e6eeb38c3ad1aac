"""What others do to the profiles and their tiles, or a bad disk, is noticed, named and undone by the next run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from shopbatch.capabilities.profiles import publish, tile_files
from shopbatch.core.errors import UserError
from shopbatch.runs.job import Ended, _classify
from shopbatch.runs.outcomes import STOPPED
from shopbatch.runs.report import Report
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse.damage import FOLDER
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.conftest import AS_OF, FIRST_DAY
from tests.capabilities.profiles.shop import content, expected_profiles, line, profiles, put, run
from tests.warehouse.damage import DAMAGES
from tests.warehouse.other_clients import compact_and_vacuum, restore, vacuum
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
    # rows of profiles name the run that made them
    assert table == "user_profiles" or content(first_day, table) == before
    assert differences(profiles(first_day, FIRST_DAY), expected_profiles(first_day, FIRST_DAY)) == {}
    assert run(spark, first_day, as_of=FIRST_DAY).outcome == "nothing to do"


TILES = ("user_daily", "user_product_daily", "transactions_rejects")


@pytest.mark.parametrize(
    ("place", "change", "tables"),
    [
        ("profiles_written", vacuum, ("user_profiles", *TILES)),
        ("profiles_written", restore, ("user_profiles",)),
        ("tiles_commit_user_daily", restore, ("user_daily",)),
        ("tiles_commit_user_product_daily", compact_and_vacuum, ("transactions", *TILES)),
    ],
    ids=lambda value: getattr(value, "__name__", value if isinstance(value, str) else ""),
)
def test_what_happens_in_the_middle_of_a_run_hides_no_day(
    spark: SparkSession, first_day: Store, place: str, change: Callable[[str], None], tables: tuple[str, ...]
) -> None:
    put(first_day, TRANSACTIONS, [line("late", user="u2", day="2024-03-18")])
    happened: list[str] = []

    def at(name: str) -> None:
        if name == place and not happened:
            happened.append(name)
            for table in tables:
                change(first_day.uri(table))

    with pytest.MonkeyPatch.context() as patch:
        for module in (publish, tile_files):
            patch.setattr(module, "crash_point", at)
        try:
            run(spark, first_day, as_of=AS_OF)
        except Exception as error:  # noqa: BLE001  what `runs.job` makes of it is what matters
            mistake = Ended(Report("build_user_profiles"))
            _classify(mistake, error, [])
            assert mistake.code == STOPPED and "\n" not in mistake.report.message, mistake.report.message
    assert happened == [place], "or nothing was tested"
    run(spark, first_day, as_of=AS_OF)
    for day in (FIRST_DAY, AS_OF):
        assert profiles(first_day, day).num_rows == 4
    assert differences(profiles(first_day, AS_OF), expected_profiles(first_day, AS_OF)) == {}
    assert run(spark, first_day, as_of=AS_OF).outcome == "nothing to do"


@pytest.mark.parametrize("damage", ["empty", "cut", "nul"])
def test_a_damaged_newest_log_entry_of_the_tiles_is_set_aside_and_that_of_the_profiles_refused(
    spark: SparkSession, first_day: Store, damage: str
) -> None:
    before = {name: content(first_day, name) for name in (*TILES, "user_profiles")}
    for name in ("user_product_daily", "user_daily") if damage == "nul" else ("user_daily",):
        DAMAGES[damage](_newest(first_day, name))
    report = run(spark, first_day, as_of=FIRST_DAY)
    assert "newest log entry of user_daily was damaged and is set aside" in report.message
    assert {name: content(first_day, name) for name in before} == before
    DAMAGES[damage](_newest(first_day, "user_profiles"))
    with pytest.raises(UserError, match=r"table 'user_profiles': .*is damaged .*restore it from a backup") as error:
        run(spark, first_day, as_of=FIRST_DAY)
    assert "\n" not in str(error.value)


def _newest(store: Store, table: str) -> Path:
    return max(Path(store.uri(table), "_delta_log").glob("*.json"))
