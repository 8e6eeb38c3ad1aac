"""The active days of users, as forecasts and their judges read them: who bought when, and for how much."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Purchases:
    """One entry per user and active day, sorted by user and day; no user has a day twice.

    Attributes:
        user: The user's number, from 0, int64 [n].
        day: Days since 1970-01-01, int64 [n].
        money: Money of the day's purchase lines, in whole units of the currency, float64 [n].
        users: How many users there are.
    """

    user: Ints
    day: Ints
    money: Floats
    users: int

    def before(self, end: float) -> Purchases:
        """The days before `end`, of the same users."""
        return self._where(self.day < end)

    def of(self, users: npt.NDArray[np.bool_]) -> Purchases:
        """The days of some users, who are numbered anew.

        Args:
            users: Whether each user is kept, [users].
        """
        kept = self._where(users[self.user])
        number = np.cumsum(users) - 1
        return Purchases(number[kept.user], kept.day, kept.money, int(users.sum()))

    def _where(self, rows: npt.NDArray[np.bool_]) -> Purchases:
        return Purchases(self.user[rows], self.day[rows], self.money[rows], self.users)

    def count(self, start: float, end: float) -> Floats:
        """Active days of each user in [start, end)."""
        inside = (self.day >= start) & (self.day < end)
        return np.bincount(self.user[inside], minlength=self.users).astype(np.float64)

    def spent(self, start: float, end: float) -> Floats:
        """Money of each user in [start, end)."""
        inside = (self.day >= start) & (self.day < end)
        return np.bincount(self.user[inside], self.money[inside], minlength=self.users).astype(np.float64)

    @cached_property
    def first(self) -> Floats:
        """First active day of each user; inf without one."""
        out = np.full(self.users, np.inf)
        np.minimum.at(out, self.user, self.day)
        return out

    def last(self, end: float) -> Floats:
        """Last active day of each user before `end`; -inf without one."""
        out = np.full(self.users, -np.inf)
        inside = self.day < end
        np.maximum.at(out, self.user[inside], self.day[inside])
        return out
