"""Charts and tables in the report of `measure_campaigns`: effects, checks, weekly sales, refused campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from shopbatch.capabilities.marketing.campaigns.judge import Judged
from shopbatch.capabilities.marketing.campaigns.outcomes import weeks
from shopbatch.capabilities.marketing.campaigns.unassigned import Unassigned
from shopbatch.evaluation.classification import Interval
from shopbatch.runs.report import Figure
from shopbatch.tables.campaign_effects import WHOLE
from shopbatch.tables.experiments import CONTROL


def shown(interval: Interval) -> str:
    """Format an estimate with its interval ("+1.23 [+0.4, +2.06]")."""
    return f"{interval.value:+.3g} [{interval.low:+.3g}, {interval.high:+.3g}]"


def effects(judged: Sequence[Judged], most: int) -> list[Figure]:
    """Chart the effect of each measured arm on sales, and list the effects on all metrics in a table.

    Args:
        judged: All experiments; those that were refused are skipped.
        most: Greatest number of experiments to show.

    Returns:
        A chart of intervals and a table; [] if no experiment was measured.
    """
    measured = [one for one in judged if one.rows][:most]
    if not measured:
        return []
    whole = [row for one in measured for row in one.rows if row["period"] == WHOLE]
    panels: dict[str, dict[str, list[float]]] = {}
    for row in whole:
        if row["metric"] == "sales":
            name = f"{row['experiment_id']}, {row['arm']}"
            panels.setdefault(name, {})[row["method"]] = [row["effect"], row["low"], row["high"]]
    caption = "Money per user and window beyond the control, with 95 % intervals; what holds 0 may be chance."
    columns = ["experiment", "arm", "metric", "method", "users", "control", "mean", "control mean", "effect"]
    rows = [
        [
            row["experiment_id"], row["arm"], row["metric"], row["method"], row["users"], row["control_users"],
            f"{row['mean']:.4g}", f"{row['control_mean']:.4g}",
            shown(Interval(row["effect"], row["low"], row["high"])),
        ]
        for row in whole
    ]  # fmt: skip
    return [
        Figure("intervals", "What each arm brought in sales", {"panels": panels}, caption),
        Figure("table", "Effects", {"columns": columns, "rows": rows}),
    ]


def checks(judged: Sequence[Judged], most: int) -> Figure:
    """Return a table of the checks of each experiment, one row per experiment.

    The columns are the number of users, the p-value of the arms' sizes, the greatest difference between the arms before
    the assignment, the change of the effect from the first week to the last, and the reasons of refusal or "measured".

    Args:
        judged: All experiments, measured or refused.
        most: Greatest number of rows.
    """
    columns = ["experiment", "users", "p of the arms' sizes", "apart before", "last week - first week", "result"]
    rows = [
        [
            one.name,
            one.users,
            f"{one.sample_ratio:.2g}",
            f"{one.apart:.3f}",
            "; ".join(f"{arm} {shown(change)}" for arm, change in one.novelty.items()),
            "; ".join(one.reasons) or "measured",
        ]
        for one in judged[:most]
    ]
    caption = (
        "Apart before: the greatest difference of the arms before the assignment, in standard deviations. Last week - "
        "first week: how the effect on sales changed; below 0, what was new wore off."
    )
    return Figure("table", "Checks of the experiments", {"columns": columns, "rows": rows}, caption)


def before_and_after(name: str, frame: pl.DataFrame, before: int, window: int) -> Figure:
    """Chart the weekly sales per user of each arm, before and after the assignment.

    Args:
        name: The experiment.
        frame: The users of the experiment, as `outcomes.deeds(..., weekly=True)` returns them with their weekly sums.
        before: Number of days before the assignment that `frame` covers.
        window: Number of days from the assignment on that `frame` covers.
    """
    numbers = weeks(before, window)
    middle = [week - 0.5 if week > 0 else week + 0.5 for week in numbers]
    series = {}
    arms = sorted(set(frame["arm"].to_list()), key=lambda arm: (arm != CONTROL, arm))
    for arm in arms:
        part = frame.filter(pl.col("arm") == arm)
        weight = 1 / part["probability"].to_numpy()
        series[arm] = [
            middle,
            [float(np.average(part[f"sales_{week}"].to_numpy(), weights=weight)) for week in numbers],
        ]
    data = {"series": series, "labels": ["weeks from the assignment", "sales per user and week"]}
    return Figure("lines", f"Before and after: {name}", data, "Left of the line nobody had been addressed yet.")


def refused(campaigns: Sequence[Unassigned], most: int) -> list[Figure]:
    """Show the campaigns without a randomised control: the spending gap before the campaign, and a placebo test.

    Args:
        campaigns: The campaigns, as `unassigned` returns them.
        most: Most campaigns that are shown.

    Returns:
        A chart of intervals and a table; [] if there is no such campaign.
    """
    if not campaigns:
        return []
    columns = ["campaign", "began", "users", "others", "gap before", "difference in differences", "placebo"]
    rows: list[list[Any]] = [
        [
            one.name, one.day.isoformat(), one.users, one.others,
            shown(one.gap), shown(one.change), shown(one.placebo),
        ]
        for one in campaigns[:most]
    ]  # fmt: skip
    caption = (
        "Money per user. Gap before: how much more those who got the campaign had spent before it. The placebo is the "
        "difference in differences one period earlier, when nothing had been sent: where it is not 0, that method "
        "finds effects of nothing."
    )
    panels = {one.name: {"placebo": _three(one.placebo), "gap before": _three(one.gap)} for one in campaigns[:most]}
    return [
        Figure("intervals", "Campaigns without an experiment: the gap before", {"panels": panels}, caption),
        Figure("table", "Campaigns without an experiment", {"columns": columns, "rows": rows}, caption),
    ]


def _three(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]
