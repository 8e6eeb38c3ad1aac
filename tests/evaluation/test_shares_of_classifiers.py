"""Intervals hold the true share as often as they say, and changes are found no more often by chance than they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shopbatch.evaluation.changes import discovery_threshold, exact_p_values
from shopbatch.evaluation.misclassification import corrected_shares, skill
from shopbatch.evaluation.prediction_powered import Shares, powered_shares
from shopbatch.evaluation.proportions import score_interval, student_quantile

DRAWS = 500
# true share, sensitivity, false positives, labels, rows
REGIMES = {
    "common": (0.3, 0.85, 0.08, 100, 2_000),
    "rare": (0.05, 0.8, 0.05, 150, 5_000),
    "biased classifier": (0.3, 0.6, 0.25, 100, 5_000),
    "useless classifier": (0.4, 0.5, 0.5, 80, 5_000),
    "few labels": (0.4, 0.8, 0.1, 50, 1_000),
    "mostly": (0.9, 0.85, 0.2, 100, 2_000),
    "nearly all labelled": (0.3, 0.85, 0.08, 90, 120),
}


def draw(regime: tuple[float, float, float, int, int], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labelled rows, positive predictions and rows of DRAWS samples with a known truth."""
    true, sensitivity, false, labels, rows = regime
    random = np.random.default_rng(seed)
    cells = [true * sensitivity, true * (1 - sensitivity), (1 - true) * false, (1 - true) * (1 - false)]
    labelled = random.multinomial(labels, cells, DRAWS)
    hits = labelled[:, 0] + labelled[:, 2] + random.binomial(rows - labels, cells[0] + cells[2], DRAWS)
    return labelled, hits, np.full(DRAWS, rows)


def coverage(shares: Shares, true: float) -> float:
    assert np.all((shares.low >= 0) & (shares.low <= shares.share) & (shares.share <= shares.high) & (shares.high <= 1))
    return float(((shares.low <= true) & (true <= shares.high)).mean())


@pytest.mark.parametrize("name", REGIMES)
def test_prediction_powered_intervals_hold_the_truth_in_93_to_97_of_100_draws(name: str) -> None:
    true, *_, labels, _ = regime = REGIMES[name]
    labelled, hits, rows = draw(regime, seed=11)
    powered = powered_shares(labelled, hits, rows, 0.95)
    assert 0.93 <= coverage(powered, true) <= 0.97
    assert abs(powered.share.mean() - true) < 0.01
    # never much wider than the labels alone, and narrower where the classifier is good
    alone = np.subtract(*score_interval(labelled[:, 0] + labelled[:, 1], np.full(DRAWS, labels), 0.95)[::-1])
    ratio = (powered.high - powered.low).mean() / alone.mean()
    assert ratio < (0.85 if name in ("common", "few labels") else 1.06)


@pytest.mark.parametrize("name", ["rare", "biased classifier", "useless classifier", "mostly"])
def test_binomial_intervals_of_raw_counts_hold_the_truth_hardly_ever(name: str) -> None:
    """What the two methods are for."""
    _, hits, rows = draw(REGIMES[name], seed=12)
    low, high = score_interval(hits, rows, 0.95)
    true = REGIMES[name][0]
    assert ((low <= true) & (true <= high)).mean() < 0.05


@pytest.mark.parametrize(("true", "rows"), [(0.05, 400), (0.3, 30), (0.3, 3_000), (0.6, 200)])
def test_corrected_intervals_hold_the_truth_where_the_labels_are_of_other_rows(true: float, rows: int) -> None:
    """The labels have 30 % positives, these rows have another share: only the error rates are carried over."""
    random = np.random.default_rng(13)
    sensitivity, false = 0.75, 0.12
    cells = [0.3 * sensitivity, 0.3 * (1 - sensitivity), 0.7 * false, 0.7 * (1 - false)]
    labelled = random.multinomial(250, cells, DRAWS)
    hits = random.binomial(rows, true * sensitivity + (1 - true) * false, DRAWS)
    corrected = corrected_shares(labelled, hits, np.full(DRAWS, rows), 0.95)
    assert 0.93 <= coverage(corrected, true) <= 0.985  # conservative where the share is near 0
    assert abs(corrected.share.mean() - true) < 0.02


def test_a_classifier_without_skill_is_recognised() -> None:
    assert skill(np.array([[40, 10, 10, 40], [25, 25, 25, 25], [10, 0, 0, 0]])) == pytest.approx([0.6, 0, 0])


def test_labels_without_an_error_do_not_stand_for_a_classifier_without_errors() -> None:
    powered = powered_shares(np.array([[15, 0, 0, 35]]), np.array([3_000]), np.array([10_000]), 0.95)
    binomial = np.subtract(*score_interval(np.array([3_000]), np.array([10_000]), 0.95)[::-1])
    assert powered.share[0] == pytest.approx(0.3, abs=0.01)
    assert powered.high[0] - powered.low[0] > 2 * binomial[0]


@given(st.floats(0.6, 0.999), st.integers(5, 10_000))
def test_the_quantile_of_student(probability: float, freedom: int) -> None:
    assert student_quantile(probability, np.array([freedom]))[0] == pytest.approx(
        stats.t.ppf(probability, freedom), rel=0.02
    )


@settings(max_examples=60)
@given(st.lists(st.integers(0, 60), min_size=4, max_size=4), st.sampled_from([1, 40]))
def test_fishers_p_values_are_those_of_scipy(counts: list[int], scale: int) -> None:
    x, miss, y, miss_before = (scale * c for c in counts)
    n, m = x + miss, y + miss_before
    if n and m:
        expected = stats.fisher_exact([[x, miss], [y, miss_before]])[1]
        assert exact_p_values(*(np.array([v]) for v in (x, n, y, m)))[0] == pytest.approx(expected, rel=1e-4, abs=1e-12)


def test_p_values_of_many_rows_do_not_take_long_nor_overflow() -> None:
    p = exact_p_values(
        np.array([300_000, 300_000]), np.array([10**6] * 2), np.array([301_500, 400_000]), np.array([10**6] * 2)
    )
    assert p[0] == pytest.approx(0.0209, abs=0.001) and p[1] < 1e-300


def test_benjamini_hochberg() -> None:
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216])
    assert discovery_threshold(p, 0.05) == 0.008
    assert discovery_threshold(p, 0.25) == 0.216  # step-up: the greatest that passes takes all below it along
    assert discovery_threshold(np.array([0.9]), 0.05) == 0.0 and discovery_threshold(np.empty(0), 0.05) == 0.0


@pytest.mark.slow
def test_of_pages_without_any_change_at_most_5_of_100_have_an_alarm() -> None:
    """A page: 40 products x 6 aspects, with their sums over the shop, which are tests on the same reviews."""
    random, pages = np.random.default_rng(14), 400
    alarms = 0
    for _ in range(pages):
        share = random.beta(2, 6, (40, 6))
        rows, before = random.poisson(18, (2, 40, 6)) + 1
        x, y = random.binomial(rows, share), random.binomial(before, share)
        counts = [np.concatenate([c.ravel(), c.sum(axis=0)]) for c in (x, rows, y, before)]
        alarms += discovery_threshold(exact_p_values(*counts), 0.05) > 0
    assert alarms / pages <= 0.05
