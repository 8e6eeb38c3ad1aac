"""Effects of arms drawn by chance: intervals that hold the truth, and draws that were not what they say."""

from __future__ import annotations

import numpy as np
import pytest

from shopbatch.evaluation.experiments import Arms, adjusted, balance, effect, sample_ratio

TRUE = 0.5


def experiment(seed: int, rows: int = 600) -> tuple[np.ndarray, np.ndarray, Arms]:
    """Users of whom the active ones are addressed more often: only the weights make the arms alike."""
    draw = np.random.default_rng(seed)
    before = draw.gamma(1.0, 4.0, rows)
    share = np.where(before > 3, 0.8, 0.3)
    treated = draw.random(rows) < share
    outcome = before + draw.normal(0, 1, rows) + TRUE * treated
    return before, outcome, Arms(treated, np.where(treated, share, 1 - share))


def test_intervals_hold_the_truth_and_cuped_narrows_them() -> None:
    plain, cuped, naive = [], [], []
    for seed in range(300):
        before, outcome, arms = experiment(seed)
        plain.append(effect(outcome, arms).difference)
        cuped.append(effect(adjusted(outcome, before[:, None], arms), arms).difference)
        naive.append(outcome[arms.treated].mean() - outcome[~arms.treated].mean())
    for intervals in (plain, cuped):
        assert 0.91 <= np.mean([i.low <= TRUE <= i.high for i in intervals]) <= 0.98
        assert np.mean([i.value for i in intervals]) == pytest.approx(TRUE, abs=0.06)
    width = [np.mean([i.high - i.low for i in intervals]) for intervals in (plain, cuped)]
    assert width[1] < 0.5 * width[0]
    assert np.mean(naive) > 2 * TRUE  # without the weights it would be wrong


def test_a_draw_that_lost_rows_is_noticed_and_an_honest_one_is_not() -> None:
    alarms = 0
    for seed in range(200):
        _, _, arms = experiment(seed, 1_000)
        alarms += sample_ratio(arms.treated, arms.probability) < 0.001
    assert alarms <= 2
    draw = np.random.default_rng(0)
    arm = np.where(draw.random(10_000) < 0.5, "email", "control")
    assert sample_ratio(arm, np.full(10_000, 0.5)) > 0.01
    lost = ~((arm == "email") & (draw.random(10_000) < 0.08))
    assert sample_ratio(arm[lost], np.full(int(lost.sum()), 0.5)) < 0.001
    three = draw.choice(["a", "b", "control"], 9_000, p=[0.2, 0.3, 0.5])
    said = np.select([three == "a", three == "b"], [0.2, 0.3], 0.5)
    assert sample_ratio(three, said) > 0.01 and sample_ratio(three, np.full(9_000, 1 / 3)) < 1e-6


def test_balance_is_in_standard_deviations() -> None:
    draw = np.random.default_rng(1)
    treated = draw.random(4_000) < 0.5
    arms = Arms(treated, np.full(4_000, 0.5))
    near = balance(draw.normal(10, 3, 4_000), arms)
    far = balance(draw.normal(10, 3, 4_000) + 1.5 * treated, arms)
    assert abs(near.z) < 4 and abs(near.difference) < 0.13
    assert far.difference == pytest.approx(0.5, abs=0.1) and far.z > 10
    assert balance(np.ones(4_000), arms).difference == 0
