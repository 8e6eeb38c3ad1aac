"""The purchases of all users as sorted number arrays: the input of every part of the recommender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shopbatch.evaluation.ranking import ItemSets, gathered


@dataclass(frozen=True)
class History:
    """Which user bought which item on which day; user u has the rows starts[u] to starts[u + 1].

    Users and items are numbered from 0; item n is the n-th product id of the catalogue or of the recommender
    (`Recommender.product_ids`). The rows of a user are sorted by day, oldest first, and then by item, because rows of
    one day have no order in time.

    A row is usually a purchase; if the recommender was trained on other actions too (views, additions to the cart),
    these are rows as well. Several purchases of an item on one day are one row.

    Attributes:
        starts: First row of each user and, last, the number of rows, int64 [users + 1].
        item: Number of the bought item in each row, int64 [rows].
        day: Day of each row: days since 1970, or any number that grows with time, int64 [rows].
        items: Number of items in the catalogue, bought or not.
    """

    starts: np.ndarray
    item: np.ndarray
    day: np.ndarray
    items: int

    @classmethod
    def of(cls, user: np.ndarray, item: np.ndarray, day: np.ndarray, users: int, items: int) -> History:
        """Build a history from purchases in any order; repeated (user, item, day) become one row.

        Args:
            user: User of each purchase, 0 to users - 1, int [n].
            item: Item of each purchase, 0 to items - 1, int [n].
            day: Day of each purchase, int [n].
            users: Number of users, with and without purchases.
            items: Number of items, bought or not.
        """
        order = np.lexsort((item, day, user))
        user, item, day = (np.asarray(column, np.int64)[order] for column in (user, item, day))
        first = np.ones(len(user), bool)
        first[1:] = (np.diff(user) != 0) | (np.diff(day) != 0) | (np.diff(item) != 0)
        return cls(np.searchsorted(user[first], np.arange(users + 1)), item[first], day[first], items)

    @property
    def users(self) -> int:
        """The number of users, with and without purchases."""
        return len(self.starts) - 1

    @property
    def user(self) -> np.ndarray:
        """The user number of each row, int64 [rows]."""
        return np.repeat(np.arange(self.users), np.diff(self.starts))

    def between(self, start: int, end: int) -> History:
        """Return the rows of the days `start` to `end` - 1. All users and items keep their numbers."""
        return self.where((self.day >= start) & (self.day < end))

    def where(self, keep: np.ndarray) -> History:
        """Return only the rows where `keep`, bool [rows], is True. All users and items keep their numbers."""
        starts = np.concatenate([[0], np.cumsum(keep)])[self.starts]
        return History(starts, self.item[keep], self.day[keep], self.items)

    def of_users(self, users: np.ndarray) -> History:
        """Return the rows of some users only, renumbered: users[0] becomes user 0, users[1] becomes user 1, ..."""
        starts, at = gathered(self.starts, users)
        return History(starts, self.item[at], self.day[at], self.items)

    def of_items(self, items: np.ndarray) -> History:
        """Return the rows of some items only, renumbered: items[0] becomes item 0, and so on.

        All users keep their numbers.

        Args:
            items: Numbers of the items to keep (as in `item`), ascending, int [n].
        """
        kept = self.where(np.isin(self.item, items))
        return History(kept.starts, np.searchsorted(items, kept.item), kept.day, len(items))

    def newest(self, rows: int) -> History:
        """Return at most `rows` rows of each user: the newest ones."""
        place = np.arange(len(self.item)) - np.repeat(self.starts[1:], np.diff(self.starts))
        return self.where(place >= -rows)

    def drawn(self, users: int, seed: int) -> History:
        """Return the rows of at most `users` users; of more users with rows, a random sample is drawn.

        The users are renumbered in their old order. Users without rows are dropped.
        """
        some = np.flatnonzero(np.diff(self.starts))
        if len(some) > users:
            some = np.sort(np.random.default_rng(seed).choice(some, users, replace=False))
        return self.of_users(some)

    def tiles(self, rows: int) -> Iterator[np.ndarray]:
        """Yield groups of consecutive user numbers that have about `rows` rows each, int64.

        They serve to process a history in pieces. A group has at least one user, so a single user with more rows makes
        a larger group.
        """
        cut = np.searchsorted(self.starts, np.arange(0, self.starts[-1], rows))
        cut = np.unique(np.concatenate([cut.clip(0, self.users), [0, self.users]]))
        for a, b in pairwise(cut):
            yield np.arange(a, b)

    def owned(self) -> ItemSets:
        """Return the set of distinct items of each user, from all days."""
        return ItemSets.of(self.user, self.item, self.users)

    def positions(self) -> np.ndarray:
        """Return the position of each row's day among the days of its user, int64 [rows]; 0 is the oldest day."""
        return self._days()[0]

    def steps_back(self) -> np.ndarray:
        """Return for each row the number of later days with rows of the same user, int64 [rows]; 0: newest day."""
        position, last = self._days()
        return np.asarray(last - position)

    def days_back(self) -> np.ndarray:
        """Return for each row its age in days, counted back from the newest row of the same user, int64 [rows]."""
        sizes = np.diff(self.starts)
        newest = np.zeros(self.users, np.int64)
        newest[sizes > 0] = self.day[self.starts[1:][sizes > 0] - 1]
        return np.asarray(np.repeat(newest, sizes) - self.day)

    def _days(self) -> tuple[np.ndarray, np.ndarray]:
        """Return for each row the position of its day, and of the newest day, among its user's days, int64 [rows]."""
        user = self.user
        new = np.ones(len(user), bool)
        new[1:] = (np.diff(user) != 0) | (np.diff(self.day) != 0)
        number = np.cumsum(new) - 1
        sizes = np.diff(self.starts)
        some = sizes > 0
        first, last = np.zeros(self.users, np.int64), np.zeros(self.users, np.int64)
        first[some], last[some] = number[self.starts[:-1][some]], number[self.starts[1:][some] - 1]
        return number - np.repeat(first, sizes), np.repeat(last - first, sizes)
