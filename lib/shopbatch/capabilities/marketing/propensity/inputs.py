"""What a forecast reads of a user on a day: features of the active days before it, and the forecasts that need no fit.

Everything is made from the active days alone, so that any past day costs nothing but arithmetic, and a feature of a
past day can hold nothing that was only known later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from shopbatch.evaluation.buy_till_you_die import BuyTillYouDie
from shopbatch.evaluation.cohort_table import AHEAD, CohortTable
from shopbatch.evaluation.purchases import Floats, Ints, Purchases

VERSION = 1  # of the features; raised when the meaning of one changes
WINDOWS = (7, 14, 30, 60, 90, 180, 365)  # days back
NAMES = (
    "days_since_last", "days_since_first", "active_days_all",
    *(f"active_days_{w}d" for w in WINDOWS), *(f"money_{w}d" for w in WINDOWS[2:]),
    "money_of_a_day", "money_of_last_day", "gap_mean", "gap_sd", "gap_last", "overdue",
    "table_logit", "table_money", "repeat_logit", "repeat_days", "repeat_money",
)  # fmt: skip
_FEW = 1e-4
GAP_PRIOR = 2.0  # gaps of the shop's mean length that are added to every user's own


@dataclass(frozen=True)
class Base:
    """What is known of the shop as a whole: the forecasts of similar users, of repeat buying, and the usual gap.

    Attributes:
        table: The cohort table.
        repeat: BG/NBD and Gamma-Gamma.
        gap: Mean days between one active day and the next, of all users.
    """

    table: CohortTable
    repeat: BuyTillYouDie
    gap: float


@dataclass(frozen=True)
class Inputs:
    """The users who had bought before a day, as they were on it.

    Attributes:
        users: Their numbers, int64 [n].
        x: Their features by NAMES, float64 [n, features].
        table: Probability and money by the cohort table, float64 [n] each.
        repeat: Probability and money by BG/NBD and Gamma-Gamma, float64 [n] each.
        silent: Days since the last active day, float64 [n].
        gap: The user's own usual gap in days, drawn to the shop's, float64 [n].
    """

    users: Ints
    x: Floats
    table: tuple[Floats, Floats]
    repeat: tuple[Floats, Floats]
    silent: Floats
    gap: Floats


@dataclass(frozen=True)
class Outcome:
    """What users did in the 30 days: whether they bought (0 or 1), and for how much, float64 [n] each."""

    bought: Floats
    spent: Floats


def mean_gap(days: Purchases, as_of: float) -> float:
    """Mean days between one active day and the next before `as_of`, of all users together; 30 if nobody came twice."""
    past = days.before(as_of)
    same = past.user[1:] == past.user[:-1]
    return float(np.diff(past.day)[same].mean()) if same.any() else float(AHEAD)


def outcome(days: Purchases, as_of: float, users: Ints) -> Outcome:
    """What these users did in the 30 days from `as_of` on."""
    bought = days.count(as_of, as_of + AHEAD)[users] > 0
    return Outcome(bought.astype(np.float64), np.maximum(days.spent(as_of, as_of + AHEAD)[users], 0.0))


def read_inputs(days: Purchases, as_of: float, base: Base) -> Inputs:
    """Make the inputs of every user with an active day before `as_of`. Later days are not looked at."""
    past = days.before(as_of)
    known = np.isfinite(past.last(as_of))
    users = np.flatnonzero(known)
    own = past.of(known)
    count, money = own.count(-np.inf, as_of), own.spent(-np.inf, as_of)
    silent, tenure = as_of - own.last(as_of), as_of - own.first
    table = base.table.forecast(own, as_of)
    p_repeat, number, amount = base.repeat.forecast(own, as_of, AHEAD)
    gaps = _Gaps(own, count, base.gap)
    columns = [
        *map(np.log1p, (silent, tenure, count)),
        *(np.log1p(own.count(as_of - w, as_of)) for w in WINDOWS),
        *(np.log1p(np.maximum(own.spent(as_of - w, as_of), 0.0)) for w in WINDOWS[2:]),
        np.log1p(np.maximum(money / count, 0.0)),
        np.log1p(np.maximum(own.money[gaps.ends], 0.0)),
        *(np.log1p(v) for v in (gaps.mean, gaps.spread, gaps.last, silent / gaps.mean)),
        logit(np.clip(table[0], _FEW, 1 - _FEW)),
        np.log1p(np.maximum(table[1], 0.0)),
        logit(np.clip(p_repeat, _FEW, 1 - _FEW)),
        np.log1p(np.maximum(number, 0.0)),
        np.log1p(np.maximum(number * amount, 0.0)),
    ]
    x = np.nan_to_num(np.column_stack(columns), nan=0.0, posinf=50.0, neginf=-50.0)
    return Inputs(users, x, table, (p_repeat, np.maximum(number * amount, 0.0)), silent, gaps.mean)


class _Gaps:
    """The gaps between the active days of users who all have one.

    Attributes:
        mean: Mean gap, drawn to the shop's, float64 [users].
        spread: Standard deviation around it, drawn to the mean, float64 [users].
        last: The last gap; the mean where there is none, float64 [users].
        ends: The row of the last active day of each user.
    """

    def __init__(self, days: Purchases, count: Floats, usual: float) -> None:
        self.ends = np.cumsum(count.astype(np.int64)) - 1
        same = days.user[1:] == days.user[:-1]
        gap, user = np.diff(days.day)[same].astype(np.float64), days.user[1:][same]
        total = np.bincount(user, gap, days.users)
        self.mean = (total + GAP_PRIOR * usual) / (count - 1 + GAP_PRIOR)
        squares = np.bincount(user, (gap - self.mean[user]) ** 2, days.users)
        self.spread = np.sqrt((squares + GAP_PRIOR * self.mean**2) / (count - 1 + GAP_PRIOR))
        self.last = self.mean.copy()
        self.last[user] = gap  # of several gaps of a user, the latest is written last
