"""The numbers against hand-made examples, naive loops, and what statistics knows of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.evaluation.classification import (
    accuracy,
    accuracy_interval,
    confusion,
    ece,
    ece_interval,
    recall,
    recall_interval,
    reliability,
)

TRUTH = np.array([0, 0, 0, 1, 2, 2])
PREDICTED = np.array([0, 2, 0, 0, 2, 2])


def sample(rows, seed, classes=3):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(classes) * 0.7, rows)
    return generator.integers(0, classes, rows), probabilities


def test_counts_by_hand():
    assert accuracy(TRUTH, PREDICTED) == pytest.approx(4 / 6)
    assert [recall(TRUTH, PREDICTED, c) for c in range(3)] == pytest.approx([2 / 3, 0, 1])
    assert confusion(TRUTH, PREDICTED, 3).tolist() == [[2, 0, 1], [1, 0, 0], [0, 0, 2]]
    assert confusion(TRUTH, PREDICTED, 4).shape == (4, 4)


def test_nothing_to_count_is_not_a_number():
    none = np.empty(0, int)
    assert np.isnan([accuracy(none, none), recall(TRUTH, PREDICTED, 7), ece(none, np.empty((0, 3)))]).all()
    assert np.isnan(accuracy_interval(none, none, 0).value)
    assert np.isnan(recall_interval(TRUTH, PREDICTED, 7, 0).value)
    assert np.isnan(ece_interval(none, np.empty((0, 3)), 0).value)


def test_calibration_error_by_hand():
    # two bins of 15: .65 in (9/15, 10/15] right 1 of 2, .95 in (14/15, 1] right 2 of 2
    probabilities = np.array([[0.65, 0.35], [0.65, 0.35], [0.05, 0.95], [0.05, 0.95]])
    truth = np.array([0, 1, 1, 1])
    assert ece(truth, probabilities) == pytest.approx(0.5 * 0.15 + 0.5 * 0.05)
    bins = reliability(truth, probabilities)
    assert bins["confidence"] == pytest.approx([0.65, 0.95])
    assert bins["accuracy"] == pytest.approx([0.5, 1.0])
    assert (bins["count"], bins["ece"]) == ([2, 2], pytest.approx(0.1))


@given(st.integers(1, 200), st.integers(0, 1000), st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_calibration_error_as_its_definition_says(rows, seed, bins):
    truth, probabilities = sample(rows, seed)
    total = 0.0
    for b in range(bins):
        inside = [i for i in range(rows) if b / bins < probabilities[i].max() <= (b + 1) / bins]
        if inside:
            sure = np.mean([probabilities[i].max() for i in inside])
            right = np.mean([probabilities[i].argmax() == truth[i] for i in inside])
            total += len(inside) / rows * abs(sure - right)
    assert ece(truth, probabilities, bins) == pytest.approx(total)
    assert sum(reliability(truth, probabilities, bins)["count"]) == rows


def test_perfect_calibration_has_almost_no_error_and_overconfidence_has_its_size():
    generator = np.random.default_rng(0)
    sure = generator.uniform(0.5, 1, 200_000)
    truth = (generator.uniform(size=len(sure)) > sure).astype(int)
    assert ece(truth, np.column_stack([sure, 1 - sure])) < 0.005
    over = np.minimum(sure + 0.1, 1.0)
    expected = np.mean(over - sure)
    assert ece(truth, np.column_stack([over, 1 - over])) == pytest.approx(expected, abs=0.005)


def test_intervals_are_those_of_the_normal_approximation():
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 2, 4000)
    predicted = np.where(generator.uniform(size=4000) < 0.85, truth, 1 - truth)
    found = accuracy_interval(truth, predicted, seed=1, resamples=4000)
    half = 1.96 * np.sqrt(found.value * (1 - found.value) / 4000)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.1 * half)
    one = recall_interval(truth, predicted, 1, seed=1, resamples=4000)
    half = 1.96 * np.sqrt(one.value * (1 - one.value) / (truth == 1).sum())
    assert (one.low, one.high) == pytest.approx((one.value - half, one.value + half), abs=0.1 * half)
    assert one.value == recall(truth, predicted, 1)


def test_intervals_cover_the_truth_about_19_times_in_20():
    generator = np.random.default_rng(4)
    covered = 0
    for i in range(200):
        right = (generator.uniform(size=300) < 0.8).astype(int)
        found = accuracy_interval(np.ones(300, int), right, seed=i)
        covered += found.low <= 0.8 <= found.high
    assert 180 <= covered <= 198


def test_intervals_depend_on_the_seed_alone_and_not_on_how_they_are_held_in_memory(monkeypatch):
    truth, probabilities = sample(500, 0)
    predicted = probabilities.argmax(1)
    for interval in (
        lambda seed: ece_interval(truth, probabilities, seed),
        lambda seed: accuracy_interval(truth, predicted, seed),
        lambda seed: recall_interval(truth, predicted, 1, seed),
    ):
        assert interval(1) == interval(1)
        assert interval(1) != interval(2)
        whole = interval(1)
        monkeypatch.setattr("shopbatch.evaluation.classification.CELLS", 1700)
        assert interval(1) == whole
        monkeypatch.undo()


def test_the_interval_of_the_calibration_error_is_what_a_loop_gives():
    truth, probabilities = sample(300, 5)
    generator = np.random.default_rng(9)
    drawn = [ece(truth[rows], probabilities[rows]) for rows in generator.integers(0, 300, (1000, 300))]
    found = ece_interval(truth, probabilities, seed=9)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))
    assert found.tree() == {"value": round(found.value, 5), "low": round(found.low, 5), "high": round(found.high, 5)}
