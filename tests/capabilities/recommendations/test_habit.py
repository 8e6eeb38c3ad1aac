"""Habit: the same scores as counting by hand, a tie-break by popularity, and a decay that validation chooses."""

from __future__ import annotations

import numpy as np
import pytest

from shopbatch.capabilities.recommendations import habit as module
from shopbatch.capabilities.recommendations.habit import TIE_BREAK, Habit, choose_half_life
from shopbatch.capabilities.recommendations.history import History

USERS, ITEMS = 12, 9


def drawn(seed: int, days: int = 100) -> list[tuple[int, int, int]]:
    draw = np.random.default_rng(seed)
    sizes = (USERS, ITEMS, days)
    return sorted({tuple(int(draw.integers(0, size)) for size in sizes) for _ in range(120)})  # type: ignore[misc]


def history_of(rows: list[tuple[int, int, int]], users: int = USERS, items: int = ITEMS) -> History:
    user, item, day = np.array(rows, int).reshape(-1, 3).T
    return History.of(user, item, day, users, items)


@pytest.mark.parametrize("half_life", [None, 10.0, 45.0])
def test_scores_are_those_of_counting_by_hand(half_life: float | None) -> None:
    rows = drawn(1)
    habit = Habit.fit(history_of(rows), half_life)
    got = habit.dense(history_of(rows))
    newest = max(day for _, _, day in rows)
    recent = [len({u for u, i, d in rows if i == item and d > newest - 30}) for item in range(ITEMS)]
    for item in range(ITEMS):
        times = [sum((u, i) == (user, item) for u, i, _ in rows) for user in range(USERS)]
        factor = ((sum(t > 1 for t in times) + 1) / (sum(t > 0 for t in times) + 4)) ** 0.5
        for user in range(USERS):
            last = max(d for u, _, d in rows if u == user)
            ages = [last - d for u, i, d in rows if (u, i) == (user, item)]
            weight = sum(1.0 if half_life is None else 2 ** (-age / half_life) for age in ages)
            assert got[user, item] == pytest.approx(weight * factor + TIE_BREAK * recent[item] / max(recent))


def test_a_day_without_news_changes_no_score() -> None:
    rows = drawn(2)
    habit = Habit.fit(history_of(rows), 30.0)
    before = habit.dense(history_of(rows).of_users(np.array([3])))
    longer = [row for row in rows if row[0] == 3] + [(4, 0, 500)]  # somebody else buys much later
    assert np.array_equal(before, habit.dense(history_of(longer).of_users(np.array([3]))))


def test_own_items_come_before_popular_ones_and_a_new_user_gets_these() -> None:
    rows = [(0, 1, 5)] + [(user, 0, 5) for user in range(1, 11)] + [(1, 2, 5), (2, 2, 5)]
    scores = Habit.fit(history_of(rows), 90.0).dense(history_of(rows))
    assert np.argsort(-scores[0], kind="stable")[:3].tolist() == [1, 0, 2]
    assert np.argsort(-scores[11], kind="stable")[:3].tolist() == [0, 2, 1]


def test_validation_chooses_the_decay() -> None:
    changed = [(u, u % 4, d) for u in range(USERS) for d in range(0, 60, 3)]
    changed += [(u, 4 + u % 4, d) for u in range(USERS) for d in range(60, 90, 5)]  # new habits, fewer purchases so far
    now = [(u, 4 + u % 4, 95) for u in range(USERS)]
    chosen, worth = choose_half_life(history_of(changed), history_of(now), [None, 5.0], cutoff=1)
    assert chosen == 5.0 and worth == {None: 0.0, 5.0: 1.0}
    seldom = [(u, u % 4, d) for u in range(USERS) for d in range(0, 60, 3)] + [(u, 8, 80) for u in range(USERS)]
    usual = [(u, u % 4, 95) for u in range(USERS)]
    assert choose_half_life(history_of(seldom), history_of(usual), [2.0, None], cutoff=1)[0] is None
    assert choose_half_life(history_of([]), history_of([]), [None, 9.0])[0] is None


def test_shares_are_added_up_in_the_same_way_whether_few_or_many(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    user, item, share = draw.integers(0, 7, 300), draw.integers(0, 40, 300), draw.random(300)
    share[::9] = 0.0  # an entry stays one
    many, few = [], []
    for out, limit in ((many, 1000), (few, 0)):
        monkeypatch.setattr(module, "_DENSE", limit)
        out.append(module.summed(user, item, share, 8, 40))
    for name in ("starts", "item", "score"):
        assert np.array_equal(getattr(many[0], name), getattr(few[0], name))
    assert len(many[0].item) == len(set(zip(user.tolist(), item.tolist(), strict=True)))
