"""Forecasts of users: nothing of the future, the same in any batch, the table unless something is certainly better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shopbatch.capabilities.marketing.propensity.choose import Choice, HeldOut, by_user, choose
from shopbatch.capabilities.marketing.propensity.config import TrainPropensityConfig
from shopbatch.capabilities.marketing.propensity.fit import fit, forecasts, prepare, read_base
from shopbatch.capabilities.marketing.propensity.inputs import Inputs, Outcome, outcome, read_inputs
from shopbatch.capabilities.marketing.propensity.learners import KINDS, Kind, Target
from shopbatch.capabilities.marketing.propensity.model import LapseRule, PropensityModel
from shopbatch.capabilities.marketing.propensity.report import fill_report
from shopbatch.evaluation.purchases import Purchases
from shopbatch.models.folder import ModelError
from shopbatch.runs.report import Report
from tests.capabilities.marketing.users import drawn

pytestmark = pytest.mark.slow

SMALL: dict[str, Any] = {"days": {"train": 2, "held_out": 1}, "boosting": {"rounds": 40, "rows_in_leaf": 20}}


def small(**settings: Any) -> TrainPropensityConfig:
    return TrainPropensityConfig.model_validate(SMALL | settings)


@pytest.fixture(scope="module")
def days() -> Purchases:
    """Users of many rates, some of whom leave."""
    return drawn(7, 400, 300, (0.01, 0.03, 0.1, 0.3), stop=0.03)


def test_no_input_of_a_day_depends_on_what_came_after_it(days: Purchases) -> None:
    first = int(days.day.min())
    as_of = float(first + 200)
    base = read_base(days.before(as_of), as_of)
    doubled = Purchases(days.user, days.day, np.where(days.day >= as_of, days.money * 7, days.money), days.users)
    for later in (days.before(as_of), doubled):
        known, other = read_inputs(days, as_of, base), read_inputs(later, as_of, base)
        assert np.array_equal(known.x, other.x) and np.array_equal(known.users, other.users)
    config = small(kinds=["linear"])
    fitted = [fit(prepare(each, as_of, config), "linear", config) for each in (days, doubled)]
    assert fitted[0] == fitted[1]
    came = outcome(days, as_of, known.users)
    assert came.bought.sum() == len(set(days.user[(days.day >= as_of) & (days.day < as_of + 30)]) & set(known.users))


def test_a_model_scores_each_user_alone_survives_its_folder_and_is_the_same_twice(
    days: Purchases, tmp_path: Path
) -> None:
    as_of = float(days.day.max()) - 29
    config = small()
    prepared = prepare(days, as_of, config)
    made = fit(prepared, "boosting", config)
    assert made == fit(prepare(days, as_of, config), "boosting", config)
    model = PropensityModel(prepared.base, made["bought"], made["spent"], LapseRule(30, 3.0))
    model.save(tmp_path)
    loaded = PropensityModel.load(tmp_path)
    whole = model.score(days, as_of)
    assert ((whole.purchase >= 0) & (whole.purchase <= 1)).all() and (whole.spend >= 0).all()
    order = np.random.default_rng(1).permutation(days.users)
    for users in (order[:200], order[200:]):
        kept = np.isin(np.arange(days.users), users)
        part = loaded.score(days.of(kept), as_of)
        ids = np.flatnonzero(kept)[part.users]
        place = np.searchsorted(whole.users, ids)
        assert np.array_equal(whole.users[place], ids)
        for one, other in ((part.purchase, whole.purchase), (part.spend, whole.spend), (part.churn, whole.churn)):
            np.testing.assert_allclose(one, other[place], rtol=1e-12)
    (tmp_path / "bought.txt").unlink()
    with pytest.raises(ModelError, match="train_propensity"):
        PropensityModel.load(tmp_path)


def test_whoever_lapses_is_whom_the_rule_says_and_the_lapsed_have_no_chance(days: Purchases) -> None:
    as_of = float(days.day.max()) - 29
    rule, inputs = LapseRule(30, 3.0), read_inputs(days, as_of, read_base(days.before(as_of), as_of))
    chance = rule.chances(inputs, np.full(len(inputs.users), 0.4))
    limits = np.maximum(30, 3 * inputs.gap)
    later = as_of + 30 - days.before(as_of + 30).last(as_of + 30)[inputs.users]
    lapsed_then = later > limits
    assert np.isnan(chance[inputs.silent > limits]).all()
    there = inputs.silent <= limits
    assert not lapsed_then[there & (chance == 0)].any()  # a chance of 0 is certain
    assert set(chance[there].tolist()) == {0.0, 0.6} and lapsed_then[there].any()
    came = days.count(as_of, as_of + 30)[inputs.users] > 0
    assert np.array_equal(lapsed_then[there], (~came & (inputs.silent + 30 > limits))[there])


def test_learning_beats_the_table_where_there_is_more_to_know_and_the_best_is_chosen() -> None:
    days = drawn(11, 2000, 330, (0.004, 0.01, 0.02, 0.05), stop=0.25)  # rare and leaving: what BG/NBD is about
    config = small(days={"train": 3, "held_out": 1, "correct": 3})
    as_of = float(days.day.max()) - 29
    prepared = prepare(days, as_of, config)
    made = [fit(prepared, kind, config) for kind in KINDS]
    read, came, said = forecasts(days, prepared, made)
    held = HeldOut(read, came, dict(zip(KINDS, said, strict=True)))
    choice = choose([held], "bought", 0.05, 0)
    sure = {kind: figures.loss for kind, figures in choice.figures.items() if figures.gain.low > 0}
    assert choice.kind != "table" and sure[choice.kind] == min(sure.values())
    assert choice.figures["repeat"].numbers["auc"] > choice.figures["table"].numbers["auc"]


def _held(truth: np.ndarray, said: dict[Kind, np.ndarray]) -> HeldOut:
    n = len(truth)
    inputs = Inputs(np.arange(n), np.zeros((n, 1)), (truth, truth), (truth, truth), np.ones(n), np.ones(n))
    return HeldOut(inputs, Outcome(truth, truth), {k: {"bought": p, "spent": p} for k, p in said.items()})


def test_the_table_stays_unless_a_forecast_is_certainly_better_and_calibrated() -> None:
    generator = np.random.default_rng(0)
    chance = generator.uniform(0.1, 0.9, 4000)
    truth = (generator.random(4000) < chance).astype(float)
    noisy = np.clip(chance + generator.normal(0, 0.3, 4000), 0.02, 0.98)
    said: dict[Kind, np.ndarray] = {"table": noisy, "linear": chance, "repeat": noisy}
    assert choose([_held(truth, said)], "bought", 0.02, 0).kind == "linear"
    bent = np.clip(chance * 0.85, 0.01, 0.99)  # sharp, but too low
    choice = choose([_held(truth, {"table": noisy, "linear": bent})], "bought", 0.02, 0)
    assert choice.kind == "table" and "calibration" in choice.left["linear"]
    published = 0
    for seed in range(40):  # equally good forecasts: the table goes only by chance
        draw = np.random.default_rng(seed)
        p = draw.uniform(0.1, 0.9, 400)
        y = (draw.random(400) < p).astype(float)
        two = [np.clip(p + draw.normal(0, 0.1, 400), 0.02, 0.98) for _ in range(2)]
        published += choose([_held(y, {"table": two[0], "linear": two[1]})], "bought", 0.2, seed).kind != "table"
    assert published <= 4


def test_an_order_no_better_than_chance_is_said_and_a_good_one_is_not() -> None:
    generator = np.random.default_rng(0)
    chance = generator.uniform(0.1, 0.9, 800)
    truth = (generator.random(800) < chance).astype(float)
    for said, is_said in ((generator.permutation(chance), True), (np.full(800, 0.5), True), (chance, False)):
        day = _held(truth, {"table": said})
        chosen: dict[Target, Choice] = {target: choose([day], target, 0.5, 0) for target in ("bought", "spent")}
        report = Report(job="train_propensity")
        fill_report(report, [day], chosen, LapseRule(30.0, 3.0), ["2026-01-01"])
        assert ("its order of users is no better than chance: AUC 0." in report.message) == is_said


def test_the_bootstrap_draws_users_and_not_rows() -> None:
    generator = np.random.default_rng(2)
    own = generator.normal(0, 1, 60)
    users = np.repeat(np.arange(60), 25)
    gap = own[users]
    wide = by_user(users, gap, np.zeros(1500), 0)
    narrow = by_user(np.arange(1500), gap, np.zeros(1500), 0)
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
