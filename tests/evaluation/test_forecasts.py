"""The forecasts without learning, and the measures of forecasts, against plain computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.evaluation import buy_till_you_die
from shopbatch.evaluation.cohort_table import BACK, HABIT_EDGES, PRIOR, RECENCY_EDGES, fill_table
from shopbatch.evaluation.forecasts import calibration_error, calibration_noise, deviances, log_losses
from shopbatch.evaluation.purchases import Purchases

Visits = list[tuple[int, int, int]]  # user, day, cents


def purchases(visits: Visits, users: int) -> Purchases:
    rows = sorted({(u, d): c for u, d, c in visits}.items())
    user, day = (np.array([key[i] for key, _ in rows], np.int64) for i in (0, 1))
    return Purchases(user, day, np.array([c / 100 for _, c in rows], float), users)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 260), st.integers(0, 9000)), min_size=1, max_size=80))
def test_the_cohort_table_is_what_a_loop_over_users_says(visits: Visits) -> None:
    days, as_of = purchases(visits, 8), 200
    mine = {u: {int(d): m for v, d, m in zip(days.user, days.day, days.money, strict=True) if v == u} for u in range(8)}

    def cell(user: int, cut: int) -> tuple[int, int]:
        last = cut - max(d for d in mine[user] if d < cut)
        habit = sum(cut - BACK <= d < cut for d in mine[user])
        return sum(last >= e for e in RECENCY_EDGES), sum(habit >= e for e in HABIT_EDGES)

    seen: dict[tuple[int, int], list[tuple[bool, int, int]]] = {}
    for cut in (170, 140, 110):
        for user in range(8):
            if any(d < cut for d in mine[user]):
                ahead = sum(cut <= d < cut + 30 for d in mine[user])
                habit = sum(cut - BACK <= d < cut for d in mine[user])
                seen.setdefault(cell(user, cut), []).append((ahead > 0, ahead, habit))
    table = fill_table(days.before(as_of), as_of)
    rows = [row for cell_rows in seen.values() for row in cell_rows]
    if not rows:
        assert table is None
        return
    assert table is not None
    chance, money = table.forecast(days, as_of)
    past = [m for own in mine.values() for d, m in own.items() if d < as_of]
    means = [sum(row[i] for row in rows) / len(rows) for i in range(3)]
    for user in range(8):
        own = {d: m for d, m in mine[user].items() if d < as_of}
        if own:
            there = seen.get(cell(user, as_of), [])
            smooth = [(sum(r[i] for r in there) + PRIOR * means[i]) / (len(there) + PRIOR) for i in range(3)]
            habit = sum(as_of - BACK <= d for d in own)
            each = (sum(own.values()) + 2 * sum(past) / len(past)) / (len(own) + 2)
            assert chance[user] == pytest.approx(smooth[0])
            assert money[user] == pytest.approx(smooth[1] * (habit + 1) / (smooth[2] + 1) * each)


@pytest.mark.slow
def test_repeat_buying_is_recovered_and_its_chances_come_true() -> None:
    generator, users = np.random.default_rng(4), 6000
    rate, leave = generator.gamma(0.8, 1 / 12.0, users), generator.beta(0.9, 3.0, users)
    visits: Visits = []
    for user in range(users):
        birth = now = float(generator.integers(0, 60))
        while now < 330:
            visits.append((user, int(now), int(generator.gamma(6, 400))))
            if now > birth and generator.random() < leave[user]:  # nobody leaves at the birth
                break
            now += generator.exponential(1 / rate[user])
    days = purchases(visits, users)
    fitted = buy_till_you_die.fit(days, 300)
    r, alpha, a, b = fitted.visits
    assert r / alpha == pytest.approx(0.8 / 12, rel=0.2) and a / (a + b) == pytest.approx(0.9 / 3.9, rel=0.25)
    chance, number, money = fitted.forecast(days.before(300), 300, 30)
    ahead = days.count(300, 330)
    assert chance.mean() == pytest.approx((ahead > 0).mean(), abs=0.015)
    assert number.mean() == pytest.approx(ahead.mean(), rel=0.12)
    assert money.mean() == pytest.approx(24, rel=0.1)
    assert calibration_error((ahead > 0).astype(float), chance) < 0.02
    assert buy_till_you_die.fit(days, 300) == fitted


def test_measures_of_forecasts() -> None:
    truth, said = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.2, 0.9, 0.2])
    assert log_losses(truth, said) == pytest.approx([-np.log(0.9), -np.log(0.8)] * 2)
    assert calibration_error(truth, said) == pytest.approx((0.2 + 0.4) / 4)
    assert np.isfinite(log_losses(truth, np.array([0.0, 1.0, 1.0, 0.0]))).all()
    generator = np.random.default_rng(1)
    money = generator.gamma(1.0, 5.0, 20_000) * (generator.random(20_000) < 0.4)
    means = [deviances(money, np.full(20_000, c)).mean() for c in (1.6, 2.0, 2.4)]
    assert means[1] < means[0] and means[1] < means[2]  # the mean is 2
    chance = generator.random(3000)
    right = (generator.random(3000) < chance).astype(float)
    assert calibration_error(right, chance) < calibration_noise(chance, 0) * 1.5 < 0.06
    assert calibration_error(right, chance**3) > 2 * calibration_noise(chance**3, 0)
