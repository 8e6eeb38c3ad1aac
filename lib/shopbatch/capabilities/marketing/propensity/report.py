"""Fill the report of `train_propensity`: how good each forecast is beside the baseline, and which one was chosen.

The baseline is the cohort table: what users of similar recency and frequency did before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shopbatch.capabilities.marketing.propensity.choose import Choice, HeldOut, churn_figures
from shopbatch.capabilities.marketing.propensity.learners import Target
from shopbatch.capabilities.marketing.propensity.model import LapseRule
from shopbatch.evaluation.forecasts import calibration
from shopbatch.evaluation.selective import auroc_interval
from shopbatch.runs.report import Figure, Report

_NAMES = {
    "table": "cohort table",
    "repeat": "BG/NBD + Gamma-Gamma",
    "linear": "logistic / Poisson regression",
    "boosting": "boosted trees",
}


def fill_report(
    report: Report, days: Sequence[HeldOut], chosen: Mapping[Target, Choice], rule: LapseRule, dates: Sequence[str]
) -> None:
    """Write the metrics, highlights, warnings and figures of a training run into its report.

    Args:
        report: The report.
        days: The held-out days with their forecasts and outcomes.
        chosen: The chosen kind of forecast by target.
        rule: When a user counts as lapsed.
        dates: The dates of the held-out days as text.
    """
    bought, spent = chosen["bought"], chosen["spent"]
    best = bought.figures[bought.kind]
    quality: dict[str, Any] = {
        "purchase": {"loss": best.loss, **best.numbers},
        "spend": {"loss": spent.figures[spent.kind].loss, **spent.figures[spent.kind].numbers},
        "churn": churn_figures(days, bought.kind, rule),
    }
    report.metrics["quality"] = _rounded(quality)
    report.metrics["held-out days"] = list(dates)
    report.metrics["compared"] = {
        target: {
            kind: {"loss": round(f.loss, 5), "gain": f.gain.tree(), **_rounded(f.numbers)}
            for kind, f in choice.figures.items()
        }
        for target, choice in chosen.items()
    }
    report.highlights = {
        "chance to buy": f"{_NAMES[bought.kind]}, AUC {best.numbers['auc']:.3f}, calibration error "
        f"{best.numbers['ece']:.3f}",
        "money": _NAMES[spent.kind],
        "forecasts on held-out days": f"{sum(len(day.inputs.users) for day in days):,}",
    }
    notes = [
        f"{_NAMES[kind]} would be better, but {why}, so it was not chosen"
        for choice in chosen.values()
        for kind, why in choice.left.items()
    ]
    report.message = "; ".join(filter(None, [_worthless(days, bought), *notes]))
    report.figures += [_gains(chosen), _calibration(days, bought), _compared(chosen)]


def _worthless(days: Sequence[HeldOut], bought: Choice) -> str:
    """Return a warning if the probabilities to buy order the users no better than chance; "" if they are better."""
    said = np.concatenate([day.said[bought.kind]["bought"] for day in days])
    truth = np.concatenate([day.came.bought for day in days]) > 0
    auc = auroc_interval(said, truth, np.concatenate([day.inputs.users for day in days]))
    if not auc.low <= 0.5:
        return ""
    return (
        f"its order of users is no better than chance: AUC {auc.value:.3f} (95 % interval {auc.low:.3f} to "
        f"{auc.high:.3f}), so do not choose users by it"
    )


def _gains(chosen: Mapping[Target, Choice]) -> Figure:
    names: dict[Target, str] = {"bought": "chance to buy: log loss", "spent": "money: Poisson deviance"}
    panels = {
        name: {_NAMES[k]: list(f.gain.tree().values()) for k, f in chosen[target].figures.items() if k != "table"}
        for target, name in names.items()
    }
    caption = (
        "How much less the loss is than the cohort table's, with 95 % intervals. A forecast whose interval is above 0 "
        "may take the table's place."
    )
    return Figure("intervals", "Gain over the cohort table on held-out days", {"panels": panels}, caption)


def _calibration(days: Sequence[HeldOut], bought: Choice) -> Figure:
    said = np.concatenate([day.said[bought.kind]["bought"] for day in days])
    truth = np.concatenate([day.came.bought for day in days])
    data = calibration(truth, said) | {"ece": bought.figures[bought.kind].numbers["ece"]}
    return Figure("calibration", "Chance to buy: forecast and share that bought, on held-out days", data)


def _compared(chosen: Mapping[Target, Choice]) -> Figure:
    rows = [
        [target, _NAMES[kind], f"{f.loss:.4f}", *(f"{v:.4f}" for v in f.numbers.values())]
        for target, choice in chosen.items()
        for kind, f in choice.figures.items()
    ]
    rows = [row + [""] * (7 - len(row)) for row in rows]
    columns = ["of", "forecast", "loss", "AUC / error", "ECE / forecast over actual", "forecast", "came"]
    return Figure("table", "Forecasts on held-out days", {"columns": columns, "rows": rows})


def _rounded(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested numbers rounded to five digits, with None in place of nan and infinity."""
    return {
        k: _rounded(v) if isinstance(v, Mapping) else (round(v, 5) if np.isfinite(v) else None) for k, v in tree.items()
    }
