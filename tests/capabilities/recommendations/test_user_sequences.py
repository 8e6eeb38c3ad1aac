"""user_sequences: what a plain reading of the sources gives, whatever happened in which run."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from shopbatch.capabilities.profiles.tiling import EVENT_TILES
from shopbatch.capabilities.recommendations.user_sequences.config import Keep, SequenceConfig
from shopbatch.capabilities.recommendations.user_sequences.run import build_sequences
from shopbatch.core.errors import GateRefused, UserError
from shopbatch.runs.report import Report
from shopbatch.tables.events import EVENTS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.conftest import quick
from tests.capabilities.profiles.shop import at, line, open_shop, put, tile

Entry = tuple[date, str, int]
KEEP = Keep(purchases=5, visits=2)


@pytest.fixture(autouse=True)
def on_tiny_tables(spark: SparkSession) -> Iterator[None]:
    with quick(spark):
        yield


@pytest.fixture(autouse=True)
def small_sources_are_updated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopbatch.capabilities.profiles.tiles.MAX_CHANGED", 100)


def event(name: str, user: str, product: str | None, day: str, kind: str = "view") -> dict[str, Any]:
    return {"event_id": name, "user_id": user, "event_type": kind, "product_id": product, "event_time": at(day)}


def build(spark: SparkSession, store: Store, keep: Keep = KEEP) -> Report:
    tile(spark, store)
    if store.exists("events"):
        tile(spark, store, EVENT_TILES)
    report = Report(job="build_user_sequences")
    build_sequences(spark, SequenceConfig(keep=keep), store, report)
    return report


def published(store: Store) -> dict[str, tuple[list[Entry], int]]:
    rows = store.snapshot("user_sequences").read().to_pylist()
    assert len({row["user_id"] for row in rows}) == len(rows)
    return {
        row["user_id"]: (list(zip(row["days"], row["products"], row["actions"], strict=True)), row["dropped"])
        for row in rows
    }


def expected(store: Store, keep: Keep = KEEP) -> dict[str, tuple[list[Entry], int]]:
    """The sequences, read off the source rows; every key of these tests has one row."""
    sums: dict[tuple[str, date, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in store.snapshot("transactions").read().to_pylist():
        units, cents = row["quantity"], int(row["sales_value"] * 100)
        bought = units >= 0 and cents >= 0
        cell = sums[row["user_id"], row["transaction_at"].date(), row["product_id"]]
        cell[0] += units if bought else 0
        cell[1] += cents if bought else 0
        cell[2] |= not bought
    entries: dict[str, set[Entry]] = defaultdict(set)
    for (user, day, product), (units, cents, returned) in sums.items():
        entries[user] |= {(day, product, 1)} if units > 0 and cents > 0 else set()
        entries[user] |= {(day, product, 4)} if returned else set()
    if events := store.find("events"):
        for row in events.read().to_pylist():
            action = {"view": 3, "cart": 2}.get(row["event_type"])
            if action and row["product_id"]:
                entries[row["user_id"]].add((row["event_time"].date(), row["product_id"], action))
    result = {}
    for user, all_of_user in entries.items():
        bought_or_returned = sorted(e for e in all_of_user if e[2] in (1, 4))
        visited = sorted(e for e in all_of_user if e[2] in (2, 3))
        first = max(0, len(bought_or_returned) - keep.purchases), max(0, len(visited) - keep.visits)
        kept = sorted([*bought_or_returned[first[0] :], *visited[first[1] :]])
        if all_of_user:
            result[user] = (kept, len(all_of_user) - len(kept))
    return result


def shop(store: Store, seed: int = 0) -> random.Random:
    """30 users with up to 12 purchases, some returns, and events of some of them."""
    draw = random.Random(seed)
    lines = [
        line(f"b{i}", f"p{draw.randrange(6)}", f"u{draw.randrange(30)}", f"2024-03-{draw.randrange(1, 25):02}")
        for i in range(200)
    ]
    lines += [line(f"r{i}", "p1", f"u{i}", "2024-03-26", value=-100, quantity=-1) for i in range(4)]
    lines += [line("free", "p2", "u1", "2024-03-27", value=0), line("none", "p2", "u2", "2024-03-27", quantity=0)]
    open_shop(store, lines)
    kinds = ["view", "cart", "search"]
    put(
        store,
        EVENTS,
        [
            event(f"e{i}", f"u{draw.randrange(35)}", draw.choice(["p1", "p9", None]), "2024-03-05", draw.choice(kinds))
            for i in range(60)
        ],
    )
    return draw


def test_the_sequences_are_what_the_sources_say(spark: SparkSession, store: Store) -> None:
    shop(store)
    report = build(spark, store)
    assert report.outcome == "published" and report.rows.published == len(published(store))
    assert published(store) == expected(store)
    assert any(dropped for _, dropped in published(store).values())
    again = build(spark, store)
    assert again.outcome == "nothing to do" and again.rows.computed is None


def test_only_users_with_news_are_computed_and_the_rows_are_those_of_a_rebuild(
    spark: SparkSession, store: Store
) -> None:
    draw = shop(store)
    first = build(spark, store).run_id
    # The newest day of a user whose row is full goes away, so that an entry that was dropped comes back.
    full = next(u for u, (kept, dropped) in sorted(published(store).items()) if dropped and kept[-1][2] == 1)
    last = published(store)[full][0][-1][0]
    day = f"'{last.isoformat()}'"
    DeltaTable(store.uri("transactions")).delete(f"user_id = '{full}' and cast(transaction_at as date) = {day}")
    put(store, TRANSACTIONS, [line(f"n{i}", "p5", f"u{draw.randrange(3)}", "2024-03-28") for i in range(4)])
    other = next(u for u in sorted(published(store)) if u not in (full, "u0", "u1", "u2", "u9"))
    put(store, EVENTS, [event("new", "u9", "p3", "2024-03-29"), event("search", other, None, "2024-03-29", "search")])
    report = build(spark, store)
    assert published(store) == expected(store)
    rows = store.snapshot("user_sequences").read().to_pylist()
    renewed = {row["user_id"] for row in rows if row["run_id"] != first}
    assert {full, "u9"} <= renewed and other not in renewed and report.rows.computed == len(renewed) <= 5
    assert report.rows.published == len(rows)


def test_a_changed_limit_a_lost_tile_version_and_a_user_who_is_gone(spark: SparkSession, store: Store) -> None:
    shop(store)
    build(spark, store)
    more = Keep(purchases=1000, visits=0)
    assert build(spark, store, more).rows.computed == len(published(store))
    assert published(store) == expected(store, more)
    assert all(action in (1, 4) for kept, _ in published(store).values() for _, _, action in kept)
    DeltaTable(store.uri("transactions")).delete("user_id = 'u3'")
    DeltaTable(store.uri("events")).delete("user_id = 'u3'")
    build(spark, store, more)
    assert "u3" not in published(store) and published(store) == expected(store, more)


def test_a_user_with_a_very_long_history(spark: SparkSession, store: Store) -> None:
    lines = [line(f"b{i}", f"p{i % 997}", "u1", f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}") for i in range(20_000)]
    open_shop(store, lines)
    build(spark, store, Keep(purchases=50))
    kept, dropped = published(store)["u1"]
    assert (
        len(kept) == 50
        and kept[-1][0] == date(2024, 12, 28)
        and dropped == expected(store, Keep(purchases=50))["u1"][1]
    )


def test_no_tiles_no_rows_and_an_outside_change(spark: SparkSession, store: Store) -> None:
    with pytest.raises(UserError, match="shopbatch run build_user_profiles"):
        build_sequences(spark, SequenceConfig(), store, Report(job="build_user_sequences"))
    shop(store)
    build(spark, store)
    DeltaTable(store.uri("user_sequences")).delete("user_id = 'u1'")
    report = build(spark, store)
    assert report.outcome == "published" and "DELETE" in report.message
    assert published(store) == expected(store)
    DeltaTable(store.uri("transactions")).delete()
    with pytest.raises(GateRefused, match="no rows"):
        build(spark, store)
    assert published(store)


@pytest.mark.parametrize("news", [False, True])
def test_a_damaged_file_is_named_and_the_rows_are_made_anew(spark: SparkSession, store: Store, news: bool) -> None:
    shop(store)
    build(spark, store)
    path = next(Path(store.uri("user_sequences")).rglob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if news:
        put(store, TRANSACTIONS, [line("new", "p5", "u1", "2024-03-28")])
    report = build(spark, store)
    assert report.outcome == "published" and "1 damaged file of user_sequences" in report.message
    assert published(store) == expected(store)
    assert build(spark, store).outcome == "nothing to do"


class Killed(BaseException):
    """A kill, within this process."""


def test_a_run_killed_before_its_commit_shows_nothing_and_the_next_one_all(
    spark: SparkSession, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(store)

    def crash(name: str) -> None:
        if name == "sequences_written":
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("shopbatch.capabilities.recommendations.user_sequences.run.crash_point", crash)
        build(spark, store)
    assert not store.exists("user_sequences")
    assert build(spark, store).outcome == "published" and published(store) == expected(store)
