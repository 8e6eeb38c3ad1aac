"""Segments follow the rules, remember the band of the day before, and are published once; clusters only if stable."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from shopbatch.capabilities.marketing.segments.config import SegmentUsersConfig
from shopbatch.capabilities.marketing.segments.run import segment_users
from shopbatch.capabilities.marketing.segments.scheme import find
from shopbatch.core.errors import GateRefused, UserError
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
from tests.capabilities.marketing import users as shop
from tests.capabilities.marketing.users import day, profile, put_profiles

pytestmark = pytest.mark.slow

SCHEME = """
measures:
  visits: {value: active_days_365d, bands: [few, some, many], edges: [10, 20], margin: 0.25}
  money: {value: sales_365d, bands: [low, high], quantiles: [0.5], margin: 0.1}
segments:
  none: {below: {active_days_all: 1}}
  best: {bands: {visits: [many], money: [high]}}
  often: {bands: {visits: [some, many]}, at_least: {sales_365d: 5}}
  rest: {}
"""


def segment(spark: SparkSession, store: Store, as_of: Any = "latest", **settings: Any) -> Report:
    report = Report(job="segment_users")
    settings = {"clusters": {"most": 0}, "gates": {"moved": 1}, **settings}
    segment_users(spark, SegmentUsersConfig.model_validate({"as_of": as_of, **settings}), store, report)
    return report


def published(store: Store, number: int) -> dict[str, dict[str, Any]]:
    rows = store.snapshot("user_segments").read(where=pc.field("as_of") == day(number)).to_pylist()
    return {row["user_id"]: row | {"bands": dict(row["bands"])} for row in rows}


def oracle(value: float, edges: Sequence[float], margin: float, before: int | None) -> int:
    """The band by a walk: from the band before up while the next edge is passed by the margin, then down likewise."""
    if before is None:
        return sum(value >= e for e in edges)
    band = before
    while band < len(edges) and value >= edges[band] * (1 + margin):
        band += 1
    while band > 0 and value < edges[band - 1] / (1 + margin):
        band -= 1
    return band


def test_bands_have_a_memory_and_segments_follow_the_rules(spark: SparkSession, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(SCHEME)
    draw, users = random.Random(3), [f"u{i:03d}" for i in range(120)]
    names, was, former = ("few", "some", "many"), dict[str, int](), dict[str, str]()
    edge = 0.0
    for number in range(3):
        visits = {u: draw.choice([0, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 20, 24, 25, 26, 40]) for u in users}
        money = {u: draw.uniform(1, 100) for u in users}
        put_profiles(store, day(number), [profile(u, 3, 300, visits[u], money[u]) for u in users])
        segment(spark, store, day(number), scheme=str(path))
        rows = published(store, number)
        if number == 0:
            edge = float(pl.Series([round(money[u], 2) for u in users if visits[u]]).quantile(0.5, "linear") or 0)
        high = {u: row["bands"]["money"] == "high" for u, row in rows.items()}
        for user in users:
            was[user] = oracle(visits[user], (10, 20), 0.25, was.get(user))
            band = names[was[user]]
            assert rows[user]["bands"]["visits"] == band
            often = "often" if band != "few" and money[user] >= 5 else "rest"
            wanted = "none" if not visits[user] else "best" if band == "many" and high[user] else often
            assert rows[user]["segment"] == wanted
            assert rows[user]["previous"] == former.get(user)
            stayed = former.get(user) == wanted
            assert (rows[user]["since"] == day(number)) == (not stayed or number == 0)
            former[user] = wanted
            if not edge / 1.1 <= money[user] <= edge * 1.1:  # the quantile of the first day still counts
                assert high[user] == (money[user] > edge)


def test_a_day_is_published_once_and_again_when_its_profiles_or_the_day_before_change(
    spark: SparkSession, store: Store
) -> None:
    with pytest.raises(UserError, match="build_user_profiles"):
        segment(spark, store)
    rows = [profile(f"u{i}", 3 + i, 200, 10 + i, 50 + i) for i in range(30)]
    put_profiles(store, day(0), rows)
    put_profiles(store, day(30), rows)
    report = segment(spark, store, f"{day(0)}..{day(30)}")
    assert report.outcome == "published" and report.metrics["days"] == {"asked": 2, "published": 2}
    page = Path(store.root) / "_runs" / "segment_users" / report.run_id / "segments.html"
    assert "Who went where" in page.read_text("utf-8") and report.links == {"Segments and flows": "segments.html"}
    assert segment(spark, store, f"{day(0)}..{day(30)}").outcome == "nothing to do"
    put_profiles(store, day(0), [*rows, profile("new", 1, 10, 2, 20)])
    assert segment(spark, store, f"{day(0)}..{day(30)}").metrics["days"] == {"asked": 2, "published": 2}
    assert published(store, 30)["u1"]["since"] == day(0)
    with pytest.raises(UserError, match="holds no such day"):
        segment(spark, store, day(7))
    [file] = [f for f in store.snapshot("user_segments").files if f.partition["as_of"] == str(day(0))]
    Path(file.uri).write_bytes(b"\0" * file.size)
    report = segment(spark, store)
    assert report.outcome == "published" and "damaged" in report.message
    assert set(published(store, 0)) == {*(r["user_id"] for r in rows), "new"}


def test_too_many_moves_are_refused_and_nothing_is_shown(spark: SparkSession, store: Store) -> None:
    put_profiles(store, day(0), [profile(f"u{i}", 3, 200, 20, 50) for i in range(30)])
    put_profiles(store, day(30), [profile(f"u{i}", 190, 230, 2, 50) for i in range(30)])
    segment(spark, store, day(0))
    with pytest.raises(GateRefused, match=r"gates\.moved"):
        segment(spark, store, day(30), gates={"moved": 0.5})
    assert not published(store, 30)
    assert {f.partition["as_of"] for f in store.snapshot("user_segments").files} == {str(day(0))}


def test_stable_clusters_keep_their_names_while_users_and_order_change(spark: SparkSession, store: Store) -> None:
    draw = random.Random(5)
    kinds = {"rare": (40, 3, 30.0), "often": (2, 60, 400.0), "rich": (20, 8, 4000.0)}

    def rows(number: int) -> list[shop.Row]:
        made = []
        for i in range(150):
            kind = sorted(kinds)[i % 3]
            last, days, money = kinds[kind]
            spread = draw.uniform(0.9, 1.1) * (1 + number / 400)
            made.append(profile(f"{kind}{i:03d}", last, 300, max(2, int(days * spread)), money * spread))
        draw.shuffle(made)
        return made

    for number in (0, 30):
        put_profiles(store, day(number), rows(number))
        segment(spark, store, day(number), clusters={"most": 4, "least": 3, "users": 1000})
    first, second = published(store, 0), published(store, 30)
    names = {u.rstrip("0123456789"): row["cluster"] for u, row in first.items()}
    assert len(set(names.values())) == 3
    assert all(row["cluster"] == names[u.rstrip("0123456789")] for u, row in (first | second).items())
    noise = [profile(f"n{i}", 5, 300, draw.randrange(5, 40), draw.uniform(50, 90)) for i in range(150)]
    put_profiles(store, day(60), noise)
    report = segment(spark, store, day(60), clusters={"most": 4, "least": 4, "users": 1000, "stable": 0.97})
    assert {row["cluster"] for row in published(store, 60).values()} == {None}
    assert report.metrics["stability of clusters"]["4"] < 0.97


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("active_days_365d", "shoe_size", "no number of user_profiles"),
        ("[10, 20]", "[20, 10]", "must rise"),
        ("[10, 20]", "[10]", "need 2 edges"),
        ("[some, many]}, at", "[some, plenty]}, at", "no band 'plenty'"),
        ("rest: {}", "rest: {below: {sales_365d: 1}}", "takes whoever is left"),
        ("best: {bands: {visits: [many], money: [high]}}", "best: {}", "leaves nobody"),
        ("measures:", "measurez:", "measures"),
        ("few, some", "few, few", "differ"),
    ],
)
def test_a_scheme_with_a_mistake_is_refused_in_a_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(SCHEME.replace(old, new, 1))
    with pytest.raises(UserError, match=said) as caught:
        find(str(path))
    assert "\n" not in str(caught.value) and "own.yaml" in str(caught.value)
    with pytest.raises(UserError, match="rfm"):
        find("nothing")


def test_the_scheme_that_ships_names_each_stage_of_a_life(spark: SparkSession, store: Store) -> None:
    people = {
        "no_purchase": profile("a", 0, 0, 0, 0) | {"days_since_last": None, "days_since_first": None},
        "new_customers": profile("b", 5, 20, 2, 40),
        "bought_once": profile("g", 80, 80, 1, 900),
        "lost": profile("c", 200, 320, 13, 200),
        "at_risk": profile("d", 45, 320, 32, 900),
        "champions": profile("e", 2, 300, 90, 2000),
        "occasional": profile("f", 20, 300, 4, 60),
    }
    crowd = [profile(f"x{i}", 10, 300, 5 + i // 2, 100 + 10 * i) for i in range(60)]
    put_profiles(store, day(0), [*people.values(), *crowd])
    segment(spark, store)
    rows = published(store, 0)
    assert {name: rows[str(row["user_id"])]["segment"] for name, row in people.items()} == {n: n for n in people}
    assert rows["a"]["bands"] == {}
    assert rows["g"]["bands"]["money"] == "high"
