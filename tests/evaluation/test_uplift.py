"""Qini by its written definition: a slow oracle, known orders, and comparisons that count the errors of the best."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbatch.evaluation.uplift import BUCKETS, RANDOM, Trial, buckets, compare, curve, qini, resampled


def oracle(score: list[float], outcome: list[float], treated: list[bool], probability: list[float]) -> float:
    """The definition, user by user."""

    def gain(rows: list[int]) -> float | None:
        of = {arm: [i for i in rows if treated[i] == arm] for arm in (True, False)}
        users = {arm: sum(1 / probability[i] for i in of[arm]) for arm in of}
        paid = {arm: sum(outcome[i] / probability[i] for i in of[arm]) for arm in of}
        everybody = sum(1 / probability[i] for i in range(len(score)) if treated[i])
        if not everybody or not users[False]:
            return None
        return (paid[True] - paid[False] * users[True] / users[False]) / everybody

    weight = [1 / p for p in probability]
    whole = gain(list(range(len(score)))) or 0.0
    points = [(0.0, 0.0)]
    for limit in sorted(set(score), reverse=True):
        first = [i for i in range(len(score)) if score[i] >= limit]
        x = sum(weight[i] for i in first) / sum(weight)
        g = gain(first)
        points.append((x, x * whole if g is None else g))
    area = 0.0
    for (x0, g0), (x1, g1) in pairwise(points):
        area += (x1 - x0) * ((g0 - x0 * whole) + (g1 - x1 * whole)) / 2
    return area * 1e4


USER = st.tuples(
    st.sampled_from([-1.0, 0.0, 0.5, 2.0, 3.0]), st.integers(0, 3), st.booleans(), st.sampled_from([0.2, 0.5, 0.8])
)


@given(st.lists(USER, min_size=1, max_size=25))
def test_qini_is_what_its_definition_says(users: list[tuple[float, int, bool, float]]) -> None:
    score, outcome, treated, probability = (list(column) for column in zip(*users, strict=True))
    trial = Trial(np.array(outcome, float), np.array(treated), np.array(probability))
    assert qini(np.array(score), trial) == pytest.approx(oracle(score, outcome, treated, probability), abs=1e-6)


def trial(rows: int, seed: int = 0) -> tuple[np.ndarray, Trial]:
    """A feature in which the effect grows, and what happened."""
    draw = np.random.default_rng(seed)
    feature, treated = draw.random(rows), draw.random(rows) < 0.3
    outcome = (draw.random(rows) < 0.2 + 0.2 * treated * feature).astype(float)
    return feature, Trial(outcome, treated, np.where(treated, 0.3, 0.7))


def test_a_known_order_is_worth_what_the_truth_says() -> None:
    feature, happened = trial(400_000)
    # g(x) = 0.2 (x - x^2 / 2), the line 0.1 x: the area between is 0.1 / 6
    assert qini(feature, happened) == pytest.approx(1e4 * 0.1 / 6, rel=0.06)
    assert qini(-feature, happened) == pytest.approx(-1e4 * 0.1 / 6, rel=0.06)
    assert qini(np.zeros(len(happened)), happened) == 0
    assert curve(feature, happened)[1][-1] == pytest.approx(0.1, abs=0.005)


def test_resampled_areas_spread_as_those_of_new_users_do() -> None:
    feature, happened = trial(4_000)
    drawn = resampled({"f": feature}, happened, 200, 1)["f"]
    anew = [qini(*trial(4_000, seed)) for seed in range(100, 250)]
    assert drawn.std() == pytest.approx(np.std(anew), rel=0.25)
    assert drawn.mean() == pytest.approx(qini(feature, happened), abs=0.3 * drawn.std())
    assert max(buckets(feature, BUCKETS)) < BUCKETS and max(buckets(np.round(feature, 1), BUCKETS)) == 10
    assert np.array_equal(drawn, resampled({"f": feature, "g": -feature}, happened, 200, 1)["f"])


def test_a_comparison_says_who_is_better_and_is_wider_for_the_best_of_many() -> None:
    feature, happened = trial(8_000)
    noise = {f"n{n}": np.random.default_rng(50 + n).random(8_000) for n in range(12)}
    found = compare({"good": feature, "bad": -feature}, happened, ("bad", RANDOM), 0.975, 200, 0)
    assert found.above["good", "bad"].low > 0 and found.better["good", "bad"] == 1
    assert ("bad", RANDOM) not in found.above and found.qini["bad"].high < 0
    crowd = compare({"good": feature, **noise}, happened, (RANDOM,), 0.975, 200, 0)
    alone, among = found.above["good", RANDOM], crowd.above["good", RANDOM]
    assert among.low < alone.low and among.value == alone.value
    assert not any(crowd.above[name, RANDOM].low > 0 for name in noise)
