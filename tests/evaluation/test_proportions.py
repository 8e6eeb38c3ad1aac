"""Estimates of shares: the same numbers as SciPy, few rows do not lead, and noise is not taken for a change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from shopbatch.evaluation.proportions import Prior, beta_quantile, difference_interval, fit_prior, shrunken_shares


def test_quantiles_are_those_of_scipy() -> None:
    draw = np.random.default_rng(1)
    alpha, beta = (np.exp(draw.uniform(np.log(0.05), np.log(100_000), 500)) for _ in range(2))
    for probability in (0.025, 0.05, 0.5, 0.95, 0.999):
        want = stats.beta.ppf(probability, alpha, beta)
        np.testing.assert_allclose(beta_quantile(probability, alpha, beta), want, rtol=1e-6, atol=1e-9)


def test_intervals_of_random_counts_are_those_of_the_posterior() -> None:
    draw = np.random.default_rng(2)
    rows = draw.integers(1, 5000, 2000)
    hits = draw.binomial(rows, draw.beta(1, 9, 2000))
    prior = Prior(0.1, 12.0)
    estimate, low, high = shrunken_shares(hits, rows, prior, 0.9)
    posterior = stats.beta(hits + 1.2, rows - hits + 10.8)
    np.testing.assert_allclose(estimate, posterior.mean(), rtol=1e-12)
    np.testing.assert_allclose(low, posterior.ppf(0.05), rtol=1e-7)
    np.testing.assert_allclose(high, posterior.ppf(0.95), rtol=1e-7)


@pytest.mark.parametrize(("mean", "strength"), [(0.1, 20.0), (0.3, 5.0), (0.05, 100.0)])
def test_the_prior_is_recovered_from_counts(mean: float, strength: float) -> None:
    draw = np.random.default_rng(3)
    rows = np.minimum(draw.zipf(1.5, 20_000), 2000)  # most products have few reviews, and some very many
    hits = draw.binomial(rows, draw.beta(mean * strength, (1 - mean) * strength, len(rows)))
    prior = fit_prior(hits, rows)
    assert prior.mean == pytest.approx(mean, rel=0.05)
    assert prior.strength == pytest.approx(strength, rel=0.25)


def test_three_of_three_do_not_outrank_sixty_of_a_hundred() -> None:
    draw = np.random.default_rng(4)
    rows = np.concatenate([draw.integers(5, 60, 200), [3, 100]])
    hits = np.concatenate([draw.binomial(rows[:200], 0.1), [3, 60]])
    estimate, low, _ = shrunken_shares(hits, rows, fit_prior(hits, rows), 0.9)
    assert estimate[-2] < estimate[-1] and low[-2] < low[-1]
    assert 0.35 < low[-1] < estimate[-1] < 0.6
    assert np.argmax(low) == np.argmax(estimate) == len(rows) - 1


@pytest.mark.parametrize(
    ("hits", "rows"),
    [([], []), ([0], [1]), ([3], [3]), ([0, 0, 0], [5, 9, 1]), ([4, 7], [4, 7]), ([1, 0, 1], [1, 1, 1])],
)
def test_little_or_uniform_data_still_gives_a_proper_interval(hits: list[int], rows: list[int]) -> None:
    x, n = np.array(hits, np.int64), np.array(rows, np.int64)
    prior = fit_prior(x, n)
    assert 0 < prior.mean < 1 and 1 <= prior.strength < 1000
    estimate, low, high = shrunken_shares(x, n, prior, 0.9)
    assert len(low) == len(n) and ((low >= 0) & (low < estimate) & (estimate < high) & (high <= 1)).all()


def test_the_interval_of_a_difference_has_the_published_ends() -> None:
    # Newcombe 1998, table II: method 10 for 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/20
    low, high = difference_interval(
        np.array([56, 9, 10]), np.array([70, 10, 10]), np.array([48, 3, 0]), np.array([80, 10, 20]), 0.95
    )
    np.testing.assert_allclose(low, [0.0524, 0.1705, 0.6791], atol=5e-5)
    np.testing.assert_allclose(high, [0.3339, 0.8090, 1.0], atol=5e-5)
