"""The cohort table: what users of similar recency and habit did in the 30 days after three earlier days.

It is the outlook of `user_profiles` (which computes the same in Spark) and the baseline that every fitted forecast has
to beat. Nothing is fitted: a cell holds sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.evaluation.purchases import Floats, Ints, Purchases

RECENCY_EDGES = (2, 3, 5, 8, 15, 31, 61, 91)  # days since last: cells are 1 | 2 | 3-4 | 5-7 | ... | 91 and more
HABIT_EDGES = (1, 2, 3, 5, 9, 17, 33)  # active days of 90: cells are 0 | 1 | 2 | 3-4 | ... | 33 and more
PRIOR = 5.0  # average users that are added to every cell
MONEY_PRIOR = 2.0  # active days of average spend that are added to every user
CUTS = (30, 60, 90)  # days back at which the cells are filled
AHEAD, BACK = 30, 90  # days of the forecast, and of the habit
CELLS = (len(RECENCY_EDGES) + 1) * (len(HABIT_EDGES) + 1)


@dataclass(frozen=True)
class CohortTable:
    """A filled table.

    Attributes:
        bought: Share of the users of each cell who bought, smoothed, float64 [CELLS].
        ahead: Their mean active days in the 30 days, smoothed, float64 [CELLS].
        usual: Their mean active days in the 90 days before, smoothed, float64 [CELLS].
        money: Mean money of an active day of all users.
    """

    bought: Floats
    ahead: Floats
    usual: Floats
    money: float

    def forecast(self, days: Purchases, as_of: float) -> tuple[Floats, Floats]:
        """Forecast [as_of, as_of + 30) of each user with an active day before `as_of`; others get that of no habit.

        Returns:
            The probability of an active day, and the expected money, float64 [users] each.
        """
        habit = days.count(as_of - BACK, as_of)
        own = _cells(days, as_of, habit)
        ahead = self.ahead[own] * (habit + 1) / (self.usual[own] + 1)
        count, money = days.count(-np.inf, as_of), days.spent(-np.inf, as_of)
        return self.bought[own], ahead * (money + MONEY_PRIOR * self.money) / (count + MONEY_PRIOR)


def fill_table(days: Purchases, as_of: float) -> CohortTable | None:
    """Fill the table from what was known on the day `as_of`; None if there was no buyer before the latest cut."""
    n, sums = np.zeros(CELLS), np.zeros((3, CELLS))  # sums: buyers, active days ahead, active days of BACK
    for cut in (as_of - back for back in CUTS):
        ahead, habit = days.count(cut, cut + AHEAD), days.count(cut - BACK, cut)
        known = np.isfinite(days.last(cut))
        cells = _cells(days, cut, habit)[known]
        n += np.bincount(cells, minlength=CELLS)
        sums += [np.bincount(cells, v[known], minlength=CELLS) for v in ((ahead > 0).astype(float), ahead, habit)]
    if not n.sum():
        return None
    past = days.before(as_of)
    bought, mean, usual = (sums + PRIOR * sums.sum(axis=1, keepdims=True) / n.sum()) / (n + PRIOR)
    return CohortTable(bought, mean, usual, float(past.money.sum() / max(1, len(past.day))))


def _cells(days: Purchases, cut: float, habit: Floats) -> Ints:
    """The cell of each user at a cut."""
    recency = np.digitize(cut - days.last(cut), RECENCY_EDGES)
    return np.asarray(recency * (len(HABIT_EDGES) + 1) + np.digitize(habit, HABIT_EDGES), np.int64)
