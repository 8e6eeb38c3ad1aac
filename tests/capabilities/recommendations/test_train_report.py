"""Groups of users, and the live model in another shop's numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.recommendations.discover import Mixture
from shopbatch.capabilities.recommendations.fit import Choice, fitted
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import NextSettings
from shopbatch.capabilities.recommendations.train.groups import TERCILES, groups_of
from shopbatch.capabilities.recommendations.train.live import Live, renumbered
from shopbatch.capabilities.recommendations.train.shop import Shop
from shopbatch.models import registry
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store

EMPTY = History.of(*(np.zeros(0, np.int64) for _ in range(3)), users=0, items=0)


def test_users_are_grouped_by_their_days_and_by_what_is_known_of_them(store: Store) -> None:
    """User n has n days of purchase, user 0 none, and several purchases of a day are one day."""
    user = np.repeat(np.arange(7), np.arange(7) * 2)
    day = np.concatenate([np.arange(n * 2) // 2 for n in range(7)])
    before = History.of(user, np.arange(len(user)) % 2, day, 7, 2)
    table = USERS.fill(2, user_id=pa.array(["u6", "u1"]), age=pa.array(["19-24", None]), market=pa.array(["US", "CN"]))
    store.commit(USERS, [store.write_file(USERS, table, "r", 0)], "append", "r")
    groups = groups_of(store.find("users"), [f"u{n}" for n in range(7)], before)
    assert groups["activity"].tolist() == [None, *np.repeat(TERCILES, 2).tolist()]
    assert groups["age"].tolist() == [None] * 6 + ["19-24"]
    assert groups["market"].tolist() == [None, "CN", *[None] * 4, "US"]
    assert set(groups_of(None, [], before)) == {"activity"}


def test_another_model_is_judged_by_its_own_products() -> None:
    """It knows b, c, d and z of the shop's a, b, c, d: what it says of these is kept, and z has no place."""
    draw = np.random.default_rng(0)
    user, item, day = draw.integers(0, 9, 120), draw.integers(0, 4, 120), draw.integers(0, 50, 120)
    live = fitted(
        History.of(user, item, day, 9, 4), ["b", "c", "d", "z"], Choice(None, NextSettings(), Mixture(0, 0.5), {})
    )
    shop = History.of(np.array([0, 0, 1]), np.array([0, 1, 2]), np.array([1, 2, 3]), 3, 4)  # a and b; c; nothing
    scores, own = renumbered(live, ["a", "b", "c", "d"], shop), History.of(
        np.array([0, 1]), np.array([0, 1]), np.array([2, 3]), 3, 4
    )  # fmt: skip
    users = np.array([1, 0])
    for name, empty in (("buy_again", 0.0), ("discover", -np.inf)):
        got, wanted = scores(name, users), live.dense(name, own.of_users(users))
        assert (got[:, 0] == empty).all() and np.array_equal(got[:, 1:], wanted[:, :3])
        assert np.isfinite(got[:, 1:]).any()


def test_a_live_model_that_cannot_be_read_is_no_rival(store: Store) -> None:
    """Something else was published under the name of the recommender: training again is what helps."""
    models = f"{store.root}/_models"
    assert "no live model" in Live.find(models, Shop(EMPTY, [], [], []), 9, EMPTY, 1).note
    registry.publish(models, "recommender", lambda folder: (folder / "config.json").write_text("{}") and None)
    live = Live.find(models, Shop(EMPTY, [], [], []), 9, EMPTY, 1)
    assert not live.others and "it is no recommender" in live.note
