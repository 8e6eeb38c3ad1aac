"""K-means, the adjusted Rand index and the matching against small oracles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.evaluation.clustering import adjusted_rand, k_means, match, nearest, stability


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=25))
def test_the_adjusted_rand_index_counts_pairs(labels: list[tuple[int, int]]) -> None:
    first, second = (np.array([label[i] for label in labels]) for i in (0, 1))
    pairs = list(itertools.combinations(range(len(labels)), 2))
    a, b = ({p for p in pairs if x[p[0]] == x[p[1]]} for x in (first, second))
    expected, most = len(a) * len(b) / len(pairs), (len(a) + len(b)) / 2
    wanted = 1.0 if most == expected else (len(a & b) - expected) / (most - expected)
    assert adjusted_rand(first, second) == pytest.approx(wanted)
    assert adjusted_rand(first, (second + 1) % 4) == pytest.approx(wanted)


def test_planted_clusters_are_found_and_only_they_are_stable() -> None:
    generator = np.random.default_rng(2)
    planted = np.repeat(np.arange(3), 200)
    x = np.array([[0, 0], [6, 0], [0, 6]])[planted] + generator.normal(size=(600, 2))
    assert adjusted_rand(nearest(x, k_means(x, 3, 0)), planted) > 0.98
    assert stability(x, 3, 0) > 0.95 > stability(x, 5, 0)
    assert stability(generator.normal(size=(600, 3)), 4, 0) < 0.8
    assert np.array_equal(k_means(x, 3, 0), k_means(x, 3, 0))


def test_matching_has_the_least_sum_of_distances_and_far_centres_are_new() -> None:
    generator = np.random.default_rng(3)
    for _ in range(20):
        before, now = generator.normal(size=(4, 2)), generator.normal(size=(4, 2))
        distance = np.linalg.norm(now[:, None] - before[None], axis=2)
        least = min(sum(distance[i, p[i]] for i in range(4)) for p in itertools.permutations(range(4)))
        assert distance[np.arange(4), match(before, now, 99.0)].sum() == pytest.approx(least)
    far = match(np.array([[0.0, 0.0]]), np.array([[5.0, 0.0], [0.1, 0.0]]), 1.0)
    assert far.tolist() == [-1, 0]
