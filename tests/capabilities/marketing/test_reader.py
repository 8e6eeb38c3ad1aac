"""The active days are read whole, or of users drawn by hash with all of their days."""

from __future__ import annotations

import numpy as np

from shopbatch.capabilities.marketing.propensity.reader import read_purchases
from shopbatch.warehouse.store import Store
from tests.capabilities.marketing.users import drawn, put_daily, user_ids


def test_users_are_drawn_with_all_their_days(store: Store) -> None:
    days = drawn(2, 300, 60, (0.05, 0.3))
    put_daily(store, days)
    snapshot = store.snapshot("user_daily")
    whole, ids = read_purchases(snapshot, 10**6, 10**6, 0)
    assert ids == user_ids(days.users) and np.array_equal(whole.day, days.day)
    np.testing.assert_allclose(whole.money, days.money)
    for most_rows, most_users, seed in ((1000, 10**6, 0), (10**6, 50, 0), (10**6, 50, 1), (1000, 20, 3)):
        part, kept = read_purchases(snapshot, most_rows, most_users, seed)
        assert len(kept) == part.users <= most_users and sorted(kept) == kept
        mine = np.isin(np.array(ids), kept)
        assert np.array_equal(part.day, days.of(mine).day) and np.array_equal(part.user, days.of(mine).user)
        assert most_users < 100 or 0.5 < len(part.day) / most_rows < 1.6
    assert read_purchases(snapshot, 10**6, 50, 0)[1] != read_purchases(snapshot, 10**6, 50, 1)[1]
