"""Hold-outs: exact shares, the same whatever the order, different from plan to plan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbatch.evaluation.holdout import held_out


@given(st.lists(st.text(), unique=True, max_size=80), st.floats(0, 1), st.randoms(use_true_random=False))
def test_the_share_is_exact_and_the_order_does_not_matter(users, share, random):
    chosen = held_out(users, "spring", share)
    assert abs(chosen.sum() - share * len(users)) <= 0.5 + 1e-9
    shuffled = random.sample(users, len(users))
    again = held_out(shuffled, "spring", share)
    assert {u for u, out in zip(users, chosen, strict=True) if out} == {
        u for u, out in zip(shuffled, again, strict=True) if out
    }


def test_plans_leave_out_different_users_and_new_users_hardly_move_the_edge():
    users = [f"u{i}" for i in range(2000)]
    spring, autumn = held_out(users, "spring", 0.1), held_out(users, "autumn", 0.1)
    assert np.sum(spring & autumn) < 60  # 20 by chance
    grown = held_out([*users, *(f"v{i}" for i in range(200))], "spring", 0.1)
    assert np.sum(spring & grown[:2000]) >= 190


def test_a_user_who_stands_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        held_out(["a", "a"], "p", 0.5)
