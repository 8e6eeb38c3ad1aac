"""The cohort table: forecasts a user's purchases from users of similar recency and frequency.

The table records what users did in the 30 days after three earlier dates (30, 60 and 90 days ago), by recency and
frequency on these dates. Nothing is fitted: each cell has sums. `user_profiles` computes the same forecast in Spark;
here it is the baseline that every fitted forecast of `train_propensity` has to beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.evaluation.purchases import Floats, Ints, Purchases

RECENCY_EDGES = (2, 3, 5, 8, 15, 31, 61, 91)  # days since the last: cells are 1 | 2 | 3-4 | 5-7 | ... | 91 and more
HABIT_EDGES = (1, 2, 3, 5, 9, 17, 33)  # active days of the last 90: cells are 0 | 1 | 2 | 3-4 | ... | 33 and more
PRIOR = 5.0  # pseudo-count: average users added to every cell
MONEY_PRIOR = 2.0  # pseudo-count: active days of average spend added to every user
CUTS = (30, 60, 90)  # cut dates from which outcomes are counted, in days before `as_of`
AHEAD, BACK = 30, 90  # length of the forecast and of the habit, in days
CELLS = (len(RECENCY_EDGES) + 1) * (len(HABIT_EDGES) + 1)


@dataclass(frozen=True)
class CohortTable:
    """A filled cohort table; each cell is a combination of a recency class and a habit class.

    Recency is the number of days since the last active day (a day on which the user bought something); habit is the
    number of active days in the last 90 days.

    Attributes:
        bought: Share of the users of each cell who bought within 30 days, smoothed, float64 [CELLS].
        ahead: Their mean number of active days in those 30 days, smoothed, float64 [CELLS].
        usual: Their mean number of active days in the 90 days before, smoothed, float64 [CELLS].
        money: Mean money of an active day, over all users.
    """

    bought: Floats
    ahead: Floats
    usual: Floats
    money: float

    def forecast(self, days: Purchases, as_of: float) -> tuple[Floats, Floats]:
        """Forecast the purchases of each user in the 30 days from `as_of` on, [as_of, as_of + 30).

        Args:
            days: The users' active days. A user without one before `as_of` gets the forecast of the cell with the
                longest recency and no habit.
            as_of: First day of the forecast, in days since 1970-01-01.

        Returns:
            The probability of an active day, and the expected money; float64 [users] each.
        """
        habit = days.count(as_of - BACK, as_of)
        own = _cells(days, as_of, habit)
        ahead = self.ahead[own] * (habit + 1) / (self.usual[own] + 1)
        count, money = days.count(-np.inf, as_of), days.spent(-np.inf, as_of)
        return self.bought[own], ahead * (money + MONEY_PRIOR * self.money) / (count + MONEY_PRIOR)


def fill_table(days: Purchases, as_of: float) -> CohortTable | None:
    """Fill the table from the active days before `as_of`; None if no user had bought before the latest cut date.

    Args:
        days: The users' active days.
        as_of: Day in days since 1970-01-01; the cut dates lie 30, 60 and 90 days before it.
    """
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
    """Return the number of each user's cell of the table on the day `cut`, int64 [users].

    Args:
        days: The users' active days.
        cut: The day, in days since 1970-01-01.
        habit: Number of each user's active days in the 90 days before `cut`, float64 [users].
    """
    recency = np.digitize(cut - days.last(cut), RECENCY_EDGES)
    return np.asarray(recency * (len(HABIT_EDGES) + 1) + np.digitize(habit, HABIT_EDGES), np.int64)
