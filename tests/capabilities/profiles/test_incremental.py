"""Whatever rows arrive, in any order and split into any runs: the tiles are those of one full rebuild."""

from __future__ import annotations

import random
import shutil
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from shopbatch.capabilities.profiles.tiling import EVENT_TILES, TRANSACTION_TILES
from shopbatch.tables.events import EVENTS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.compare import NAMES, differences
from tests.capabilities.profiles.conftest import AS_OF, copy_of
from tests.capabilities.profiles.shop import (
    at,
    content,
    expected_profiles,
    line,
    many,
    open_shop,
    profiles,
    put,
    run,
    tile,
)

TILES = ("user_daily", "user_product_daily", "transactions_rejects")


@pytest.fixture(autouse=True)
def small_sources_are_updated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopbatch.capabilities.profiles.tiles.MAX_CHANGED", 100)


def rebuilt(spark: SparkSession, store: Store) -> Store:
    """A copy of the warehouse whose tiles are built from all rows."""
    copy = Store(tempfile.mkdtemp(dir=Path(store.root).parent))
    shutil.copytree(store.uri("transactions"), copy.uri("transactions"))
    assert tile(spark, copy).how == "rebuilt"
    return copy


def assert_as_rebuilt(spark: SparkSession, store: Store) -> None:
    other = rebuilt(spark, store)
    for name in TILES:
        assert content(store, name) == content(other, name), name


cell = {
    "basket": st.sampled_from(["b000", "b001", "b007", "n1", "n2", "n3"]),
    "product": st.sampled_from(["p1", "p2", "p9"]),
    "user": st.sampled_from(["u0", "u1", " u1", "u2", None]),
    "day": st.sampled_from(["2024-02-02", "2024-03-02", "2024-03-08", "2024-03-21"]),
    "value": st.sampled_from([100, 250, -75, None]),
    "quantity": st.sampled_from([1, 2, 0, -1]),
    "ingested_at": st.sampled_from([None, at("2024-03-09"), at("2024-03-10"), at("2024-04-01")]),
    "line_number": st.sampled_from([None, None, 1, 2]),
    "order_status": st.sampled_from([None, None, "paid", "cancelled", "cancelled", "refunded"]),
}
lines = st.builds(line, **cell)  # type: ignore[arg-type]
changes = st.one_of(
    st.tuples(st.just("append"), st.lists(lines, min_size=2, max_size=8)),
    st.tuples(st.just("delete"), st.sampled_from(["b000", "b001", "n1", "n2", "c11"])),
    st.tuples(st.just("repeat"), st.integers(0, 39)),
)


@pytest.mark.timeout(900)
@settings(
    max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.lists(st.lists(changes, min_size=3, max_size=5), min_size=2, max_size=3))
def test_any_history_in_any_runs_gives_the_tiles_of_a_rebuild(
    spark: SparkSession,
    grown_once: Store,
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[list[tuple[str, Any]]],
) -> None:
    store = copy_of(grown_once, tmp_path_factory.mktemp("history") / "warehouse")
    for changes_of_run in runs:
        for what, value in changes_of_run:
            if what == "append":
                put(store, TRANSACTIONS, value)
            elif what == "delete":
                DeltaTable(store.uri("transactions")).delete(f"basket_id = '{value}'")
            else:  # the very same row once more
                put(store, TRANSACTIONS, [many()[value]])
        assert tile(spark, store).how != "rebuilt"
    assert_as_rebuilt(spark, store)


def test_more_than_the_driver_may_hold_gives_the_tiles_of_a_rebuild(
    spark: SparkSession, grown: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # more keys than are looked up; few keys of many rows
    stores = {0: grown, 6: copy_of(grown, tmp_path / "few-keys")}
    versions = [line("b001", "p1", "u3", "2024-03-05", value=v, ingested_at=at("2024-03-06")) for v in range(9)]
    cancelled = line("b003", "p3", "u3", order_status="cancelled", ingested_at=at("2024-03-30"))
    more = [*versions, versions[3], line("late", "p2", "u2", "2024-02-03"), line("b002", " ", "u2"), cancelled]

    def assert_all_as_rebuilt() -> None:
        for few, store in stores.items():
            monkeypatch.setattr("shopbatch.warehouse.spark_bridge.FEW", few)
            assert tile(spark, store).how == "updated"
        other = rebuilt(spark, grown)
        for name in TILES:
            for store in stores.values():
                assert content(store, name) == content(other, name), name

    for store in stores.values():
        put(store, TRANSACTIONS, more)
    assert_all_as_rebuilt()
    reasons = grown.snapshot("transactions_rejects").read(["reason"])["reason"].to_pylist()
    assert reasons.count("cancelled") == 1
    for store in stores.values():
        gone = "basket_id = 'b001' and user_id = 'u3' and sales_value > 0.03 or order_status = 'cancelled'"
        DeltaTable(store.uri("transactions")).delete(gone)
        put(store, TRANSACTIONS, [many()[7]])
    assert_all_as_rebuilt()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
def test_moments_at_the_ends_of_time_are_no_moments(spark: SparkSession, grown: Store, zone: str) -> None:
    store, day = grown, date(2024, 3, 19)
    ends = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)]
    put(store, TRANSACTIONS, [line(f"end{t.year}", transaction_at=t) for t in ends])
    put(store, EVENTS, [{"event_id": str(t), "user_id": "u1", "event_type": "view", "event_time": t} for t in ends])
    for tiling in (TRANSACTION_TILES, EVENT_TILES):
        assert tile(spark, store, tiling, zone).how == "rebuilt"
        assert store.snapshot(tiling.rejects.name).read(["reason"])["reason"].to_pylist() == ["no_time"] * 2
    put(store, TRANSACTIONS, [line("new", day="2024-03-05"), line("end", transaction_at=ends[1])])
    report = run(spark, store, as_of=day, timezone=zone)
    assert report.metrics["tiles of transactions"]["how"] == "updated" and report.rejects == {"no_time": 3}
    names = [n for n in NAMES if not n.startswith("daypart")]  # the oracle's days are UTC's: at noon the same
    assert differences(profiles(store, day), expected_profiles(store, day), names) == {}


def test_profiles_of_a_changed_source_are_those_of_the_oracle(spark: SparkSession, grown: Store) -> None:
    store = grown
    put(
        store, TRANSACTIONS, [line("b001", "p1", "u3", "2024-03-05", value=999, ingested_at=at("2024-03-22"))]
    )  # corrected
    put(store, TRANSACTIONS, [line("late", "p2", "u2", "2024-02-03"), line("b002", " ", "u2"), many()[7]])
    DeltaTable(store.uri("transactions")).delete("basket_id = 'b010'")
    report = run(spark, store, as_of=AS_OF, restate=AS_OF)
    assert report.metrics["tiles of transactions"]["how"] == "updated"
    assert report.rejects == {"no_key": 1, "repeated": 1, "superseded": 1}
    assert differences(profiles(store, AS_OF), expected_profiles(store, AS_OF)) == {}


def test_only_the_files_of_touched_days_are_written_again(
    spark: SparkSession, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shopbatch.capabilities.profiles.layout.ROWS_PER_FILE", 8)
    open_shop(store, many(60))
    tile(spark, store)
    before = {f.path: f for f in store.snapshot("user_daily").files}
    assert len(before) > 4
    put(store, TRANSACTIONS, [line("new", "p1", "u1", "2024-03-25")])
    done = tile(spark, store)
    after = {f.path for f in store.snapshot("user_daily").files}
    assert (done.how, done.pairs, done.tiles_written) == ("updated", 1, 2)  # one of each tile table
    assert set(before) < after and len(after) == len(before) + 1
    put(store, TRANSACTIONS, [line("late", "p1", "u1", "2024-03-01")])
    tile(spark, store)
    assert len(set(before) - {f.path for f in store.snapshot("user_daily").files}) == 1
    assert_as_rebuilt(spark, store)


def test_nothing_new_writes_nothing(spark: SparkSession, grown: Store) -> None:
    store = grown
    versions = {n: store.snapshot(n).version for n in (*TILES, "user_profiles")}
    report = run(spark, store, as_of=AS_OF)
    assert report.outcome == "nothing to do"
    assert report.metrics["tiles of transactions"]["how"] == "unchanged"
    assert {n: store.snapshot(n).version for n in versions} == versions


def test_a_compacted_source_changes_nothing(spark: SparkSession, grown: Store) -> None:
    store = grown
    DeltaTable(store.uri("transactions")).optimize.compact()
    before = {n: content(store, n) for n in TILES}
    tile(spark, store)
    assert {n: content(store, n) for n in TILES} == before


@pytest.mark.parametrize("loss", ["log", "recipe"])
def test_without_a_usable_former_version_everything_is_rebuilt(spark: SparkSession, grown: Store, loss: str) -> None:
    store = grown
    put(store, TRANSACTIONS, [line("x", day="2024-03-03")])
    if loss == "log":
        put(store, TRANSACTIONS, many(), mode="replace")
        DeltaTable(store.uri("transactions")).vacuum(0, dry_run=False, enforce_retention_duration=False)
    else:
        shutil.rmtree(store.uri("transactions_rejects"))
    assert tile(spark, store).how == "rebuilt"
    assert_as_rebuilt(spark, store)


def test_rows_at_or_after_as_of_never_change_its_profiles(spark: SparkSession, grown: Store) -> None:
    store = grown
    before = profiles(store, AS_OF).drop_columns(["run_id"])
    rng = random.Random(7)
    for day in ("2024-03-20", "2024-03-21", "2024-05-01"):
        put(store, TRANSACTIONS, [line(f"z{day}{i}", f"p{i % 4}", f"u{rng.randrange(9)}", day) for i in range(4)])
    version = store.snapshot("user_profiles").version
    assert (
        run(spark, store, as_of=AS_OF, restate=AS_OF).outcome == "nothing to do"
    )  # it is computed once more, and is the same
    assert profiles(store, AS_OF).drop_columns(["run_id"]).equals(before)
    assert store.snapshot("user_profiles").version == version
