"""The best scores beside a full sort, with many ties."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.vectors.ranking import best


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([-2.5, -0.0, 0.0, 0.1, 3.0]), max_size=40), st.integers(0, 6), st.integers(0, 5))
def test_the_best_are_those_of_a_full_sort(scores, k, seed):
    numbers = np.random.default_rng(seed).permutation(len(scores))
    wanted = sorted(range(len(scores)), key=lambda i: (-scores[i], numbers[i]))[:k]
    assert best(np.array(scores, np.float32), numbers, k).tolist() == wanted
