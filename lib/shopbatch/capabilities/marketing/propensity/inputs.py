"""Compute the features of users on a given day, and two simple forecasts, from the days on which they bought.

A day with a purchase is called an active day. The simple forecasts are the cohort table (what users of similar recency
and frequency did before) and BG/NBD with Gamma-Gamma (how often customers buy until they leave, and how much they
spend). `train_propensity` compares fitted forecasts with them, and uses them as features. Only active days before the
given day are read, so features exist for any past day, and can hold nothing that was only known later.
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
GAP_PRIOR = 2.0  # gaps of the shop's mean length that are added to each user's gaps


@dataclass(frozen=True)
class Base:
    """Two forecasts and the mean purchase gap of the shop as a whole, as of one day; users' features build on them.

    Attributes:
        table: The cohort table: what users of similar recency and frequency did.
        repeat: BG/NBD and Gamma-Gamma, fitted to all users.
        gap: Mean number of days between two active days, over all users.
    """

    table: CohortTable
    repeat: BuyTillYouDie
    gap: float


@dataclass(frozen=True)
class Inputs:
    """Features of the n users who had an active day before a given day.

    Attributes:
        users: The users' numbers among all users, int64 [n].
        x: Features, one column per name of NAMES, float64 [n, features].
        table: Two arrays by the cohort table: probability to buy and money within 30 days, float64 [n] each.
        repeat: The same two arrays by BG/NBD and Gamma-Gamma, float64 [n] each.
        silent: Days since the last active day, float64 [n].
        gap: The user's mean gap between active days, shrunk towards the shop's, in days, float64 [n].
    """

    users: Ints
    x: Floats
    table: tuple[Floats, Floats]
    repeat: tuple[Floats, Floats]
    silent: Floats
    gap: Floats


@dataclass(frozen=True)
class Outcome:
    """What users did in the 30 days from a day on.

    Attributes:
        bought: 1 if the user bought, else 0, float64 [n].
        spent: Money spent, at least 0, float64 [n].
    """

    bought: Floats
    spent: Floats


def mean_gap(days: Purchases, as_of: float) -> float:
    """Return the mean number of days between active days before `as_of`, over all users; 30 if nobody came twice."""
    past = days.before(as_of)
    same = past.user[1:] == past.user[:-1]
    return float(np.diff(past.day)[same].mean()) if same.any() else float(AHEAD)


def outcome(days: Purchases, as_of: float, users: Ints) -> Outcome:
    """Return whether the given users bought in the 30 days from `as_of` on, and how much they spent.

    Args:
        days: The active days of all users.
        as_of: The first of the 30 days, in days since 1970-01-01.
        users: The users, as numbered in `days`, int64 [n].
    """
    bought = days.count(as_of, as_of + AHEAD)[users] > 0
    return Outcome(bought.astype(np.float64), np.maximum(days.spent(as_of, as_of + AHEAD)[users], 0.0))


def read_inputs(days: Purchases, as_of: float, base: Base) -> Inputs:
    """Compute the features of every user with an active day before `as_of`; later days are ignored.

    Args:
        days: The active days of all users.
        as_of: The day, in days since 1970-01-01.
        base: Forecasts and habits of the shop, known before that day.
    """
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
    """Statistics of the gaps between the active days of users who have at least one active day each.

    Attributes:
        mean: Mean gap in days, shrunk towards the shop's, float64 [users].
        spread: Standard deviation of the gaps, shrunk towards the mean gap, float64 [users].
        last: The newest gap; the mean for a user with one active day, float64 [users].
        ends: Row of the last active day of each user, int64 [users].
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
        self.last[user] = gap  # gaps are in order of time, so each user's newest one is written last
