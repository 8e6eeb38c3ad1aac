"""What every user had on which days, as numbers in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shopbatch.evaluation.ranking import ItemSets, gathered


@dataclass(frozen=True)
class History:
    """Purchases of numbered items by numbered users: user u has the rows starts[u] to starts[u + 1], oldest first.

    Several purchases of an item on one day are one row. Rows of one day have no order: they are sorted by item.

    Attributes:
        starts: int64 [users + 1].
        item: int64 [rows].
        day: Days since 1970, or any number that grows with time, int64 [rows].
        items: How many items there are, bought or not.
    """

    starts: np.ndarray
    item: np.ndarray
    day: np.ndarray
    items: int

    @classmethod
    def of(cls, user: np.ndarray, item: np.ndarray, day: np.ndarray, users: int, items: int) -> History:
        """Sort rows, int [n] each, in any order."""
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
        """The user of each row, int64 [rows]."""
        return np.repeat(np.arange(self.users), np.diff(self.starts))

    def between(self, start: int, end: int) -> History:
        """Return the rows of [start, end), with all users and items."""
        return self.where((self.day >= start) & (self.day < end))

    def where(self, keep: np.ndarray) -> History:
        """Return the rows where `keep`, bool [rows], with all users and items."""
        starts = np.concatenate([[0], np.cumsum(keep)])[self.starts]
        return History(starts, self.item[keep], self.day[keep], self.items)

    def of_users(self, users: np.ndarray) -> History:
        """Return the rows of some users, who are numbered in the order given."""
        starts, at = gathered(self.starts, users)
        return History(starts, self.item[at], self.day[at], self.items)

    def of_items(self, items: np.ndarray) -> History:
        """Return the rows of some items, int [n] and ascending, which are numbered in this order."""
        kept = self.where(np.isin(self.item, items))
        return History(kept.starts, np.searchsorted(items, kept.item), kept.day, len(items))

    def newest(self, rows: int) -> History:
        """Return at most this many rows of each user, the newest ones."""
        place = np.arange(len(self.item)) - np.repeat(self.starts[1:], np.diff(self.starts))
        return self.where(place >= -rows)

    def drawn(self, users: int, seed: int) -> History:
        """Return the rows of users who have any, at most this many of them, drawn by the seed, in their order."""
        some = np.flatnonzero(np.diff(self.starts))
        if len(some) > users:
            some = np.sort(np.random.default_rng(seed).choice(some, users, replace=False))
        return self.of_users(some)

    def tiles(self, rows: int) -> Iterator[np.ndarray]:
        """Cut the users into runs of neighbours that have together about `rows` rows, at least one user each."""
        cut = np.searchsorted(self.starts, np.arange(0, self.starts[-1], rows))
        cut = np.unique(np.concatenate([cut.clip(0, self.users), [0, self.users]]))
        for a, b in pairwise(cut):
            yield np.arange(a, b)

    def owned(self) -> ItemSets:
        """Return the items that each user ever had."""
        return ItemSets.of(self.user, self.item, self.users)

    def positions(self) -> np.ndarray:
        """Return the number of each row's day among the user's days, 0 for the oldest, int64 [rows]."""
        return self._days()[0]

    def steps_back(self) -> np.ndarray:
        """Return how many days with purchases the user had after each row's day, int64 [rows]."""
        position, last = self._days()
        return np.asarray(last - position)

    def days_back(self) -> np.ndarray:
        """Return how many days each row is older than the user's newest row, int64 [rows]."""
        sizes = np.diff(self.starts)
        newest = np.zeros(self.users, np.int64)
        newest[sizes > 0] = self.day[self.starts[1:][sizes > 0] - 1]
        return np.asarray(np.repeat(newest, sizes) - self.day)

    def _days(self) -> tuple[np.ndarray, np.ndarray]:
        """Position of each row's day, and of the user's newest day."""
        user = self.user
        new = np.ones(len(user), bool)
        new[1:] = (np.diff(user) != 0) | (np.diff(self.day) != 0)
        number = np.cumsum(new) - 1
        sizes = np.diff(self.starts)
        some = sizes > 0
        first, last = np.zeros(self.users, np.int64), np.zeros(self.users, np.int64)
        first[some], last[some] = number[self.starts[:-1][some]], number[self.starts[1:][some] - 1]
        return number - np.repeat(first, sizes), np.repeat(last - first, sizes)
