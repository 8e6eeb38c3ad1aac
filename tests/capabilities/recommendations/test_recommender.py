"""The recommender: its candidates are the best of all items, its files keep it, and its reasons are the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import EaseSettings, NextSettings
from shopbatch.capabilities.recommendations.reasons import bought
from shopbatch.capabilities.recommendations.recommender import (
    HABIT,
    NEIGHBOURS,
    POPULAR,
    Recommender,
)
from shopbatch.core.errors import UserError
from shopbatch.evaluation.ranking import restricted, top
from tests.capabilities.recommendations.fitting import fit_recommender

USERS, ITEMS, SIZE = 40, 18, 10
WAYS = (NextSettings(), EaseSettings(2.0, least_users=2))


def drawn(seed: int) -> History:
    """Purchases of the products 0 to 15 by the users 0 to 38: the others have none."""
    draw = np.random.default_rng(seed)
    sizes = (USERS - 1, ITEMS - 2, 120)
    return History.of(*(draw.integers(0, size, 400) for size in sizes), users=USERS, items=ITEMS)


@pytest.fixture(scope="module")
def fitted() -> tuple[Recommender, History]:
    history = drawn(0)
    recommender, choice = fit_recommender(history, [f"p{i}" for i in range(ITEMS)], ways=WAYS)
    assert set(choice.validation) >= {"half life None", "half life 90.0"} and choice.way in WAYS
    return recommender, history


def test_candidates_are_the_best_of_all_items(fitted: tuple[Recommender, History]) -> None:
    recommender, history = fitted
    owned = history.owned()
    new = restricted(recommender.discover.dense(history), owned, "new")
    again = restricted(recommender.habit.dense(history), owned, "repeat")
    for scores, got in ((new, recommender.to_discover(history, SIZE)), (again, recommender.buy_again(history, SIZE))):
        for user, best in enumerate(top(scores, SIZE)):
            entries = slice(got.starts[user], got.starts[user + 1])
            wanted = [i for i in best if i >= 0 and scores[user, i] > 0]
            assert got.item[entries].tolist() == wanted
            np.testing.assert_allclose(got.score[entries], scores[user, wanted])


def test_no_list_repeats_an_item_and_reasons_are_the_users_own(fitted: tuple[Recommender, History]) -> None:
    recommender, history = fitted
    owned = [set(history.item[history.user == user].tolist()) for user in range(USERS)]
    again, new = recommender.buy_again(history, SIZE), recommender.to_discover(history, SIZE)
    for lists in (again, new):
        users = np.repeat(np.arange(USERS), np.diff(lists.starts))
        assert len(set(zip(users.tolist(), lists.item.tolist(), strict=True))) == len(users)
    users = np.repeat(np.arange(USERS), np.diff(again.starts))
    assert all(reason is not None for reason in bought(history, users, again.item)) and (again.source == HABIT).all()
    assert recommender.because(history, again) == [[item] for item in again.item.tolist()]
    for user, item, source, own in zip(new.user, new.item, new.source, recommender.because(history, new), strict=True):
        assert int(item) not in owned[user] and set(own) <= owned[user] and bool(own) == (source == NEIGHBOURS)
        assert source in (NEIGHBOURS, POPULAR)
    alone = slice(new.starts[USERS - 1], new.starts[USERS])
    assert (new.source[alone] == POPULAR).all()  # the user without purchases


def test_a_tile_of_users_gets_what_the_whole_gets(fitted: tuple[Recommender, History]) -> None:
    recommender, history = fitted
    whole, part = recommender.to_discover(history, 5), recommender.to_discover(history.of_users(np.array([7, 3])), 5)
    for place, user in enumerate((7, 3)):
        wanted = whole.item[whole.starts[user] : whole.starts[user + 1]]
        assert part.item[part.starts[place] : part.starts[place + 1]].tolist() == wanted.tolist()


def test_files(fitted: tuple[Recommender, History], tmp_path: Path) -> None:
    recommender, history = fitted
    recommender.save(tmp_path)
    loaded = Recommender.load(tmp_path)
    assert loaded.product_ids == recommender.product_ids
    for name in ("buy_again", "to_discover"):
        first, second = (getattr(r, name)(history, SIZE) for r in (recommender, loaded))
        assert np.array_equal(first.item, second.item) and np.array_equal(first.score, second.score)
    with pytest.raises(UserError, match="no recommender"):
        Recommender.load(tmp_path / "elsewhere")


def test_nobody_bought_anything() -> None:
    empty = History.of(*(np.zeros(0, np.int64) for _ in range(3)), users=2, items=3)
    recommender, _ = fit_recommender(empty, ["a", "b", "c"])
    assert len(recommender.buy_again(empty, 5).item) == len(recommender.to_discover(empty, 5).item) == 0
