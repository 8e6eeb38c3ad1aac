"""Turn the estimates of `measure_growth` into the rows of `growth_cohorts` and `growth_forecast`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.growth.cells import Grid
from shopbatch.capabilities.growth.factors import Counts, Estimate, Factors
from shopbatch.capabilities.growth.forecast import Fan
from shopbatch.tables.growth import ALL, GROWTH_COHORTS, GROWTH_FORECAST

Cell = tuple[str, str]


@dataclass(frozen=True)
class Measured:
    """Everything that a run of `measure_growth` has counted and estimated.

    Attributes:
        cells: The cells of age; gives `as_of` and the cohorts.
        names: The channels [A]; the first B of them are channels of invitation.
        counts: Numbers of users and of children (users whom another user brought), by cell.
        factors: The growth factors estimated from them.
        fan: The forecast of joins.
        joins: Joins of each of the last days by channel [days, A].
        funnel: By (channel, week of the first invitation): persons invited, joined, bought; see `facts.funnel`.
        retention: By (channel, cohort): share of users who bought in their 1st, 2nd, ... week; see `facts.retention`.
    """

    cells: Grid
    names: Sequence[str]
    counts: Counts
    factors: Factors
    fan: Fan
    joins: np.ndarray
    funnel: Mapping[Cell, tuple[int, int, int]]
    retention: Mapping[Cell, list[float]]

    @property
    def invited(self) -> Sequence[str]:
        """Return the names of the channels by which users are invited (email, link, ...): the first B of `names`."""
        return self.names[: self.counts.shape[3]]

    def users_by_cohort(self) -> np.ndarray:
        """Return the number of users by channel and weekly cohort, float64 [channels, cohorts]."""
        member = np.eye(len(self.cells.cohorts))[self.cells.weeks]
        return np.asarray(self.counts.users[0] @ member)

    def funnel_of(self, channel: str, cohort: str) -> tuple[int, int, int]:
        """Return how many persons were invited, joined and bought, summed over a channel and a cohort.

        Args:
            channel: The channel, or ALL.
            cohort: The Monday of the cohort as text, or ALL for all measured cohorts.
        """
        measured = {c.isoformat() for c in self.cells.cohorts}
        total = np.zeros(3, np.int64)
        for (name, week), counted in self.funnel.items():
            if week in measured and channel in (ALL, name) and cohort in (ALL, week):
                total += counted
        return int(total[0]), int(total[1]), int(total[2])


def cohort_rows(measured: Measured, run_id: str) -> pa.Table:
    """Return the rows of `growth_cohorts`: one for each channel and weekly cohort, and the totals.

    A total has `ALL` as its channel, as its cohort, or as both.

    Args:
        measured: The results of the run: numbers of users and growth factors by channel and cohort.
        run_id: The run, for the column `run_id`.
    """
    f, users = measured.factors, measured.users_by_cohort()
    children = measured.counts.children[0].sum(axis=2)  # [A, W]
    rows: list[dict[str, Any]] = []
    for a, name in enumerate([*measured.names, ALL]):
        own = slice(None) if name == ALL else slice(a, a + 1)
        whole = (f.whole, 0) if name == ALL else (f.channels, a)
        row = _row(measured, name, ALL, users[own].sum(), children[own].sum()) | _ends("k", *whole)
        if name == ALL:
            row |= _ends("cycle", f.system_cycle, 0, "cycle_days")
            row |= {"system_k": _value(f.system.value, 0)}
            row |= {"system_low": _value(f.system.low, 0), "system_high": _value(f.system.high, 0)}
        elif a < len(measured.invited):
            row |= _ends("cycle", f.cycle, a, "cycle_days")
        rows.append(row)
        for w, cohort in enumerate(measured.cells.cohorts):
            row = _row(measured, name, cohort.isoformat(), users[own, w].sum(), children[own, w].sum())
            rows.append(row | (_ends("k", f.cohorts, (a, w)) if row["users"] else {}))
    said = {"as_of": measured.cells.as_of, "run_id": run_id}
    schema = GROWTH_COHORTS.schema()
    return pa.Table.from_pylist([{n: (row | said).get(n) for n in schema.names} for row in rows], schema)


def _row(measured: Measured, channel: str, cohort: str, users: float, children: float) -> dict[str, Any]:
    invited, joined, bought = measured.funnel_of(channel, cohort)
    return {
        "channel": channel,
        "cohort": cohort,
        "users": int(users),
        "children": int(children),
        "naive": float(children / users) if users else None,
        "invited": invited,
        "joined": joined,
        "bought": bought,
        "retention": measured.retention.get((channel, cohort), []),
    }


def _ends(name: str, estimate: Estimate, place: Any, value: str = "") -> dict[str, float | None]:
    ends = {f"{name}_low": _value(estimate.low, place), f"{name}_high": _value(estimate.high, place)}
    return {value or name: _value(estimate.value, place), **ends}


def _value(values: np.ndarray, place: Any) -> float | None:
    number = float(values[place])
    return number if np.isfinite(number) else None


def forecast_rows(measured: Measured, run_id: str) -> pa.Table:
    """Return the rows of `growth_forecast`: one per coming day.

    Args:
        measured: The results of the run, with the forecast of joins.
        run_id: The run, for the column `run_id`.
    """
    fan, first = measured.fan, measured.cells.as_of.date()
    days = len(fan.joins)
    names = ("low_95", "low_80", "high_80", "high_95")
    columns = {
        "day": pa.array([first + timedelta(days=n) for n in range(days)], pa.date32()),
        "joins": pa.array(fan.joins),
        "invited_joins": pa.array(fan.invited),
        "total": pa.array(fan.total),
        **{name: pa.array(ends) for name, ends in zip(names, fan.daily, strict=True)},
        **{f"total_{name}": pa.array(ends) for name, ends in zip(names, fan.totals, strict=True)},
        "run_id": pa.repeat(pa.scalar(run_id), days),
    }
    return GROWTH_FORECAST.fill(days, **columns)
