"""Histories: order, days, and users without purchases."""

from __future__ import annotations

import numpy as np

from shopbatch.capabilities.recommendations.history import History

HISTORY = History.of(  # user 1 has nothing; user 0 buys item 3 twice on day 5
    np.array([2, 0, 0, 0, 0, 2]),
    np.array([1, 3, 3, 2, 1, 0]),
    np.array([9, 5, 5, 8, 5, 4]),
    users=3,
    items=4,
)


def test_rows_are_in_order_and_a_day_counts_an_item_once() -> None:
    assert HISTORY.user.tolist() == [0, 0, 0, 2, 2]
    assert HISTORY.item.tolist() == [1, 3, 2, 0, 1]
    assert HISTORY.day.tolist() == [5, 5, 8, 4, 9]
    assert HISTORY.positions().tolist() == [0, 0, 1, 0, 1]
    assert HISTORY.steps_back().tolist() == [1, 1, 0, 1, 0]
    assert HISTORY.days_back().tolist() == [3, 3, 0, 5, 0]
    assert HISTORY.owned().sizes.tolist() == [3, 0, 2]


def test_a_part_keeps_its_users_and_items() -> None:
    part = HISTORY.between(5, 9)
    assert part.users == 3 and part.items == 4
    assert part.user.tolist() == [0, 0, 0] and part.item.tolist() == [1, 3, 2]
    picked = HISTORY.of_users(np.array([2, 1, 0]))
    assert picked.user.tolist() == [0, 0, 2, 2, 2] and picked.item.tolist() == [0, 1, 1, 3, 2]


def test_the_newest_rows_and_drawn_users() -> None:
    assert HISTORY.newest(1).item.tolist() == [2, 1] and HISTORY.newest(1).user.tolist() == [0, 2]
    assert HISTORY.newest(2).item.tolist() == [3, 2, 0, 1] and HISTORY.newest(9).item.tolist() == HISTORY.item.tolist()
    assert HISTORY.drawn(2, seed=0).user.tolist() == [0, 0, 0, 1, 1]  # the user without purchases is never drawn
    assert HISTORY.drawn(1, seed=0).users == 1


def test_tiles_hold_every_user_once() -> None:
    sizes = np.random.default_rng(0).integers(0, 9, 50)
    user = np.repeat(np.arange(50), sizes)
    history = History.of(user, np.arange(len(user)) % 7, np.arange(len(user)), 50, 7)
    for rows in (1, 10, 1000):
        assert np.concatenate(list(history.tiles(rows))).tolist() == list(range(50))
    assert max(sizes[tile].sum() for tile in history.tiles(10)) <= 10 + 9
    nobody = History.of(*(np.zeros(0, np.int64) for _ in range(3)), users=3, items=4)
    assert np.concatenate(list(nobody.tiles(5))).tolist() == [0, 1, 2]
    assert nobody.days_back().tolist() == [] and nobody.positions().tolist() == []
