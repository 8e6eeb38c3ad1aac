"""Shifts of counterfactual terms: the mean and the corrected p-values are what they should be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shopbatch.evaluation.counterfactual import holm, shifts


def test_a_term_that_moves_the_score_is_certain_and_others_are_not() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(0.5, 0.2, (40, 1)) + random.normal(0, 0.02, (40, 30))
    scores[:, 7] += 0.1
    found = shifts(scores, seed=1)
    assert found.p[7] < 0.05 and (np.delete(found.p, 7) > 0.05).sum() >= 27
    assert found.low[7] < found.mean[7] < found.high[7] and abs(found.mean[7] - 0.1 * 29 / 30) < 0.02
    assert np.allclose(found.mean.sum(), 0) and np.allclose(found.gaps, np.ptp(scores, axis=1))
    assert found.greatest[7] == max(found.greatest, key=abs)


def test_a_score_that_depends_on_no_term_has_no_shift() -> None:
    found = shifts(np.repeat(np.linspace(0, 1, 30)[:, None], 5, axis=1), seed=0)
    assert (found.gaps == 0).all() and np.allclose(found.mean, 0) and (found.p == 1).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_the_step_down_of_its_definition(values: list[float]) -> None:
    p = np.array(values)
    ranked = sorted(range(len(p)), key=lambda i: (p[i], i))
    expected, above = {}, 0.0
    for rank, i in enumerate(ranked):
        above = max(above, min(1.0, p[i] * (len(p) - rank)))
        expected[i] = above
    assert np.allclose(holm(p), [expected[i] for i in range(len(p))])
