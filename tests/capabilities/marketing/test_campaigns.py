"""What is read, believed and refused: sums beside a slow oracle, broken draws, campaigns without a draw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from shopbatch.capabilities.marketing.campaigns.config import MeasureConfig
from shopbatch.capabilities.marketing.campaigns.outcomes import deeds, pin, subjects
from shopbatch.capabilities.marketing.campaigns.run import assess, measure_campaigns
from shopbatch.capabilities.marketing.uplift.features import FEATURES, features
from shopbatch.core.errors import GateRefused, UserError
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
from tests.capabilities.marketing import shop
from tests.capabilities.marketing.shop import DAY

pytestmark = pytest.mark.slow


def days(number: int) -> timedelta:
    return timedelta(days=number)


def test_sums_are_those_of_a_slow_oracle(store: Store) -> None:
    draw = np.random.default_rng(3)
    users = shop.people(30)
    tiles = [
        shop.tile(user, DAY + days(int(on)), int(draw.integers(100, 900)))
        for user in users[:25]
        for on in sorted(set(draw.integers(-40, 40, 12).tolist()))
    ]
    shop.put(store, "user_daily", tiles)
    starts = {user: DAY + days(int(draw.integers(-5, 5))) for user in users}
    frame = pl.DataFrame({"user_id": users, "day": [starts[user] for user in users]})
    found = deeds(pin(store).daily, frame, 28, 21, weekly=True)
    assert found["user_id"].to_list() == users

    def oracle(user: str, begin: int, end: int) -> tuple[float, float, float]:
        near = [t for t in tiles if t["user_id"] == user and begin <= (t["day"] - starts[user]).days < end]
        return float(bool(near)), sum(t["sales_cents"] for t in near) / 100, float(len(near))

    periods = {"before_{}": (-28, 0), "{}": (0, 21), "{}_1": (0, 7), "{}_3": (14, 21), "{}_-1": (-7, 0)}
    for label, (begin, end) in periods.items():
        columns = [label.format(name) for name in ("bought", "sales", "baskets")]
        expected = np.array([oracle(user, begin, end) for user in users])
        assert np.allclose(found.select(columns).to_numpy(), expected), label


def test_features_know_only_what_was_before(store: Store) -> None:
    tiles = [
        shop.tile("a", DAY - days(3), 1_000), shop.tile("a", DAY - days(60), 3_000), shop.tile("a", DAY, 99_000),
        shop.tile("a", DAY + days(1), 99_000), shop.tile("z", DAY + days(40)),
    ]  # fmt: skip
    shop.put(store, "user_daily", tiles)
    people = pl.DataFrame({"user_id": ["z", "a"], "day": [DAY, DAY]})
    never, known = (dict(zip(FEATURES, row, strict=True)) for row in features(pin(store).daily, people))
    assert known["never_bought"] == 0 and never["never_bought"] == 1
    assert (
        known["days_since_last"] == pytest.approx(np.log1p(3)) and never["days_since_last"] > known["days_since_last"]
    )
    assert known["days_since_first"] == pytest.approx(np.log1p(60))
    assert known["baskets_28"] == pytest.approx(np.log1p(1)) and known["baskets_90"] == pytest.approx(np.log1p(2))
    assert known["sales_28"] == pytest.approx(np.log1p(10)) and known["basket_mean"] == pytest.approx(np.log1p(20))
    assert never["baskets_365"] == 0


def judged(store: Store, **settings: object) -> dict[str, tuple[str, ...]]:
    assessed = assess(MeasureConfig.model_validate(settings), pin(store))
    return {one.name: one.reasons for one in assessed.judged}


def test_broken_experiments_are_left_out_and_named(store: Store) -> None:
    tiles, arms = shop.drawn(3_000, "lapsed", seed=2)
    draw = np.random.default_rng(8)
    active = {t["user_id"] for t in tiles if DAY - days(28) <= t["day"] < DAY}
    lost = [a for a in arms if a["arm"] == "control" or int(a["user_id"][1:]) % 4]
    picked = [
        shop.assigned(u, "email" if u in active else "control", 0.5, "picked") for n, u in enumerate(shop.people(3_000))
    ]
    kinds = {
        "spring": arms,
        "lost": [a | {"experiment_id": "lost"} for a in lost],
        "picked": picked,
        "few": [a | {"experiment_id": "few"} for a in arms[:90]],
        "late": [
            shop.assigned(
                a["user_id"], "email" if draw.random() < 0.5 else "control", 0.5, "late", shop.LAST - days(20)
            )
            for a in arms
        ],
        "no control": [shop.assigned(u, "email", 0.5, "no control") for u in shop.people(300)],
    }
    shop.put(store, "user_daily", tiles)
    shop.put(store, "experiments", [row for rows in kinds.values() for row in rows])
    reasons = judged(store)
    assert reasons["spring"] == ()
    assert "gates.sample_ratio" in reasons["lost"][0]
    assert any("before the assignment, the arm email was +" in reason for reason in reasons["picked"])
    assert "gates.users=100" in reasons["few"][0]
    assert reasons["late"] == ("its window of 28 days is not over",)
    assert "no arm 'control'" in reasons["no control"][0]
    assert judged(store, window_days=14)["late"] == ()
    assert set(judged(store, experiments=["spring"])) == {"spring"}
    with pytest.raises(UserError, match="there is no experiment 'summer'"):
        judged(store, experiments=["summer"])


def test_an_effect_that_wears_off_is_seen(store: Store) -> None:
    tiles, arms = shop.drawn(3_000, "nobody")
    tiles += [shop.tile(a["user_id"], DAY + days(1), 3_000) for a in arms if a["arm"] == "email"]
    merged = {(t["user_id"], t["day"]): t for t in tiles}
    shop.put(store, "user_daily", list(merged.values()))
    shop.put(store, "experiments", arms)
    [one] = assess(MeasureConfig(), pin(store)).judged
    assert one.novelty["email"].high < -20
    effects = {(r["metric"], r["period"]): r["effect"] for r in one.rows if r["method"] == "difference"}
    assert effects["sales", "week 1"] == pytest.approx(30, abs=2) and abs(effects["sales", "week 4"]) < 2


def test_a_plan_that_was_sent_is_an_experiment_and_one_that_was_not_is_none(store: Store) -> None:
    tiles, arms = shop.drawn(800, "lapsed")
    shop.put(store, "user_daily", tiles)
    at = datetime(DAY.year, DAY.month, DAY.day, 9, tzinfo=UTC)
    shop.put_plan(store, [
        {"campaign_id": name, "user_id": a["user_id"], "channel": "email", "send": a["arm"] == "email", "arm": a["arm"],
         "probability": a["probability"], "send_from": at, "send_until": at}
        for a in arms for name in ("spring-1", "never-1")
    ])  # fmt: skip
    with pytest.raises(UserError, match="there is no experiment"):
        assess(MeasureConfig(), pin(store))
    got = [a["user_id"] for a in arms if a["arm"] == "email"][::2]  # half of the mails came back
    shop.put(store, "campaigns", [{"campaign_id": "spring-1", "user_id": user, "starts_at": at} for user in got])
    sources = pin(store)
    people = subjects(sources, "UTC")
    assert set(people["experiment_id"]) == {"spring-1"} and len(people) == 800
    assessed = assess(MeasureConfig(), sources)
    assert [one.reasons for one in assessed.judged] == [()] and not assessed.without


def test_campaigns_that_nobody_was_drawn_for_are_refused_with_figures(store: Store) -> None:
    draw = np.random.default_rng(5)
    tiles, sent = [], []
    at = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    for user in shop.people(600):
        rate = float(draw.gamma(1.0, 1.0))
        for on in range(-84, 41, 4):
            if draw.random() < min(rate * 0.2, 0.95):
                tiles.append(shop.tile(user, DAY + days(on), 1_000))
        if draw.random() < rate / (1 + rate):
            sent.append({"campaign_id": "c1", "user_id": user, "starts_at": at, "ends_at": at + days(28)})
    shop.put(store, "user_daily", [*tiles, shop.tile("z-last", DAY + days(40))])
    shop.put(store, "campaigns", sent)
    report = Report("measure_campaigns")
    with pytest.raises(GateRefused, match="nobody was drawn by chance for any of 1 campaigns"):
        measure_campaigns(MeasureConfig(), store, report)
    found = report.metrics["campaigns without an experiment"]["c1"]
    assert found["gap before"]["low"] > 0
    assert found["placebo"]["low"] < 0 < found["placebo"]["high"]
    assert not store.exists("campaign_effects")
    assert {"Campaigns without an experiment", "Campaigns without an experiment: the gap before"} <= {
        figure.title for figure in report.figures
    }
