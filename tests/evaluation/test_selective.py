"""A bound that is chosen so that its precision certainly holds: against SciPy, and against drawn rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shopbatch.evaluation.selective import (
    NEVER,
    Bound,
    agreeing_bound,
    auroc,
    auroc_interval,
    certain_bound,
    clopper_pearson,
    curve,
    most_errors,
    places_to_test,
)


@given(rows=st.integers(1, 400), precision=st.floats(0.5, 0.99), level=st.floats(0.001, 0.4))
@settings(max_examples=80, deadline=None)
def test_the_most_errors_are_those_of_the_lower_bound(rows: int, precision: float, level: float) -> None:
    most = most_errors(rows, precision, level)
    for wrong, passes in ((most, True), (most + 1, False)):
        if 0 <= wrong <= rows:
            low = stats.beta.ppf(level, rows - wrong, wrong + 1) if wrong < rows else 0.0
            assert (low >= precision - 1e-9) if passes else (low < precision + 1e-9)


@given(hits=st.integers(0, 300), more=st.integers(0, 300), confidence=st.floats(0.5, 0.99))
@settings(max_examples=60, deadline=None)
def test_intervals_are_those_of_scipy(hits: int, more: int, confidence: float) -> None:
    rows = hits + more or 1
    low, high = clopper_pearson(np.array([hits]), np.array([rows]), confidence)
    expected = stats.binomtest(hits, rows).proportion_ci(confidence, "exact")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_all_places_together_keep_the_error() -> None:
    """Drawn rows of which just less than the target is right: the worst that can be."""
    draw, places = np.random.default_rng(0), np.array(places_to_test(300, 0.9, 0.1))
    assert (np.diff(places)[:-1] > 8).all() and 60 <= places[0] < 80 and places[-1] == 300 and len(places) > 15
    limits = np.array([most_errors(rows, 0.9, 0.1) for rows in places.tolist()])
    assert limits[:-1].tolist() == list(range(limits[0], limits[-2] + 1))  # one more may be wrong at each
    wrong = (draw.random((20_000, 300)) > 0.899).cumsum(axis=1)[:, places - 1]
    assert 0.05 < (wrong <= limits)[:, 0].mean() < 0.1 and (wrong <= limits).any(axis=1).mean() > 0.2
    assert places_to_test(0, 0.9, 0.1) == places_to_test(21, 0.9, 0.1) == () and places_to_test(22, 0.9, 0.1) == (22,)
    assert len(places_to_test(20_000, 0.95, 0.1)) <= 51


def right_at(score: np.ndarray, kind: str) -> np.ndarray:
    """The probability that a row is right."""
    if kind == "steep":
        return 1 / (1 + np.exp(-(6 * score - 1.5)))
    if kind == "flat":
        return np.full(len(score), 0.899)
    return np.where(score > 0.6, 0.89, 0.4)  # good, but never good enough


@pytest.mark.parametrize("kind", ["steep", "flat", "step"])
@pytest.mark.parametrize("rows", [150, 600])
def test_a_target_is_missed_no_more_often_than_designed(kind: str, rows: int) -> None:
    """The precision that counts is the true one, of all tickets that will come."""
    draw = np.random.default_rng(rows)
    grid = np.sort(draw.random(200_000))[::-1]
    truly = right_at(grid, kind).cumsum() / np.arange(1, len(grid) + 1)
    missed, covered = 0, []
    for _ in range(400):
        score = draw.random(rows)
        bound = certain_bound(score, draw.random(rows) < right_at(score, kind), 0.9, 0.9)
        taken = int(np.searchsorted(-grid, -bound.score, side="right"))
        missed += bool(taken and truly[taken - 1] < 0.9)
        covered.append(taken / len(grid))
    assert missed <= 0.1 * 400 + 3 * np.sqrt(0.1 * 0.9 * 400)
    if kind == "steep":  # and where it can be reached, it is
        possible = (np.flatnonzero(truly >= 0.9)[-1] + 1) / len(grid)
        assert np.mean(covered) > (0.5 if rows == 150 else 0.83) * possible


def test_what_is_never_certain_is_never_taken() -> None:
    assert certain_bound(np.array([]), np.array([], bool), 0.9, 0.9).score == NEVER
    assert certain_bound(np.linspace(0, 1, 20), np.full(20, True), 0.95, 0.9).score == NEVER  # too few to prove it
    assert certain_bound(np.linspace(0, 1, 99), np.full(99, True), 0.95, 0.9).score == pytest.approx(0)
    same = certain_bound(np.full(100, 0.5), np.arange(100) < 99, 0.9, 0.9)  # equal scores stay together
    assert (same.score, same.rows, same.right) == (0.5, 100, 99)


def test_many_rows_are_tested_at_few_places() -> None:
    draw = np.random.default_rng(2)
    score = draw.random(20_000)
    bound = certain_bound(score, draw.random(20_000) < score**0.1, 0.95, 0.9)
    assert 0.25 < bound.score < 0.45 and bound.right / bound.rows > 0.95


def test_the_curve_and_the_area() -> None:
    score, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True])
    got = curve(score, right, 0.9)
    assert got[:, 0].tolist() == score.tolist() and got[:, 2] == pytest.approx([1, 1, 2 / 3, 3 / 4])
    assert (got[:, 3] <= got[:, 2]).all() and (got[:, 2] <= got[:, 4]).all()
    assert auroc(score, right) == pytest.approx(2 / 3) and np.isnan(auroc(score, np.full(4, True)))
    drawn, positive = np.random.default_rng(0).integers(0, 9, 200), np.random.default_rng(1).random(200) < 0.3
    expected = stats.mannwhitneyu(drawn[positive], drawn[~positive]).statistic / (positive.sum() * (~positive).sum())
    assert auroc(drawn, positive) == pytest.approx(expected)


def test_the_interval_of_an_area_holds_it_as_often_as_it_says_though_rows_of_a_group_are_alike() -> None:
    held = alone = 0
    for seed in range(300):  # 60 groups of 5 rows of one score and one outcome each: chance ranks them
        draw = np.random.default_rng(seed)
        score, positive = np.repeat(draw.random(60), 5), np.repeat(draw.random(60) < 0.3, 5)
        groups = np.repeat(np.arange(60), 5)
        whole = auroc_interval(score, positive, groups)
        assert whole.value == auroc(score, positive)
        held += whole.low <= 0.5 <= whole.high
        rows = auroc_interval(score, positive, np.arange(300))
        alone += rows.low <= 0.5 <= rows.high
    assert held > 0.9 * 300 and alone < 0.75 * 300
    good = auroc_interval(score + positive, positive, groups)
    assert good.low == good.value == 1 and np.isnan(auroc_interval(score, positive | True, groups).low)


def test_a_bound_for_all_rows_keeps_its_promise_and_takes_what_it_may() -> None:
    """Rows with another answer at every score: too many sets of rows may not be taken more than once in twenty."""
    draw, broken, taken = np.random.default_rng(0), 0, []
    for _ in range(400):
        score = draw.random(1500)
        same = draw.random(1500) > 0.05 * (1 - score)  # the share of all rows from s on that differ: 0.05 (1 - s)^2 / 2
        bound = agreeing_bound(score, same, 0.99, 0.95)
        broken += 0.025 * (1 - min(bound.score, 1.0)) ** 2 > 0.01
        taken.append(bound.rows / 1500)
        assert bound.rows - bound.right <= most_errors(1500, 0.99, 0.05)
    assert broken <= 30  # 20 are expected at most; 30 and more happen once in fifty
    assert np.mean(taken) > 0.45  # of the 63 % that could be taken if all were known


def test_a_bound_for_all_rows_at_the_ends() -> None:
    score = np.array([0.9, 0.8, 0.8, 0.7])
    assert agreeing_bound(score, np.full(4, True), 0.4, 0.9).rows == 4
    assert agreeing_bound(score, np.full(4, True), 0.99, 0.95) == Bound()  # four rows prove nothing
    assert agreeing_bound(score[:0], np.full(0, True), 0.5, 0.9).score == NEVER
    same = np.array([True, True, False, True] * 50)
    tied = agreeing_bound(np.repeat([0.9, 0.8], 100), same, 0.8, 0.9)
    assert (tied.score, tied.rows, tied.right) == (0.9, 100, 75)  # 25 of 200 may differ, 50 may not
