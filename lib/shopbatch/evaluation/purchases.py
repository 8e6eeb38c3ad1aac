"""The active days of users (who bought when, for how much), as purchase forecasts and their evaluation read them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Purchases:
    """The purchase history of users: one entry per user and active day (a day with purchases).

    Entries are sorted by user and day; no user has a day twice.

    Attributes:
        user: The user of each entry, 0 to users - 1, int64 [n].
        day: The day, in days since 1970-01-01, int64 [n].
        money: Money of the day's purchase lines, in whole units of the currency, float64 [n].
        users: Number of users; some may have no entry.
    """

    user: Ints
    day: Ints
    money: Floats
    users: int

    def before(self, end: float) -> Purchases:
        """Return the entries with days before `end` (exclusive); the users keep their numbers."""
        return self._where(self.day < end)

    def of(self, users: npt.NDArray[np.bool_]) -> Purchases:
        """Return the entries of some users, who are renumbered from 0.

        Args:
            users: Mask of the users to keep, bool [users].
        """
        kept = self._where(users[self.user])
        number = np.cumsum(users) - 1
        return Purchases(number[kept.user], kept.day, kept.money, int(users.sum()))

    def _where(self, rows: npt.NDArray[np.bool_]) -> Purchases:
        return Purchases(self.user[rows], self.day[rows], self.money[rows], self.users)

    def count(self, start: float, end: float) -> Floats:
        """Return the number of active days of each user in [start, end), float64 [users]."""
        inside = (self.day >= start) & (self.day < end)
        return np.bincount(self.user[inside], minlength=self.users).astype(np.float64)

    def spent(self, start: float, end: float) -> Floats:
        """Return the money that each user spent in [start, end), float64 [users]."""
        inside = (self.day >= start) & (self.day < end)
        return np.bincount(self.user[inside], self.money[inside], minlength=self.users).astype(np.float64)

    @cached_property
    def first(self) -> Floats:
        """Return the first active day of each user, float64 [users]; inf for a user without one."""
        out = np.full(self.users, np.inf)
        np.minimum.at(out, self.user, self.day)
        return out

    def last(self, end: float) -> Floats:
        """Return the last active day of each user before `end`, float64 [users]; -inf for a user without one."""
        out = np.full(self.users, -np.inf)
        inside = self.day < end
        np.maximum.at(out, self.user[inside], self.day[inside])
        return out
