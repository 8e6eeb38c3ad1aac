"""A difference of paired rows and its interval."""

import numpy as np
import pytest

from shopbatch.evaluation.paired import difference


def test_equal_models_differ_by_nothing_and_pairs_make_the_interval_narrow() -> None:
    draw = np.random.default_rng(0)
    hard = draw.normal(0, 5, 500)
    assert difference(hard, hard, 0).tree() == {"value": 0.0, "low": 0.0, "high": 0.0}
    found = difference(hard + draw.normal(0.2, 0.5, 500), hard, 0)
    assert 0.1 < found.low < 0.2 < found.high < 0.3


def test_the_interval_covers_what_it_should() -> None:
    draw = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        rows = draw.normal(0.1, 1, 200)
        found = difference(rows, np.zeros(200), seed, draws=400)
        covered += found.low <= 0.1 <= found.high
    assert 180 <= covered <= 199  # about 95 %


def test_weights() -> None:
    found = difference(np.array([1.0, 0.0]), np.zeros(2), 0, weights=np.array([3.0, 1.0]))
    assert found.value == pytest.approx(0.75)
    assert np.isnan(difference(np.zeros(0), np.zeros(0), 0).value)
