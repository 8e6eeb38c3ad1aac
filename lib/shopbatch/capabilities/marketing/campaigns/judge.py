"""One experiment: whether its arms look as if chance had drawn them, and what each arm brought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from shopbatch.capabilities.marketing.campaigns.config import MeasureConfig
from shopbatch.capabilities.marketing.campaigns.outcomes import SUMS
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.experiments import Arms, Balance, adjusted, balance, effect, sample_ratio
from shopbatch.tables.campaign_effects import METRICS, WHOLE
from shopbatch.tables.experiments import CONTROL

CHANCE = 4.0  # standard errors within which arms differ by chance
FADING = "the effect changes over the weeks"


@dataclass(frozen=True)
class Judged:
    """An experiment.

    Attributes:
        name: Its name.
        users: Users of all arms.
        sample_ratio: The probability of such arms.
        balance: By arm and column from before the assignment.
        reasons: Why no effect is told; empty if one is.
        rows: Rows of `campaign_effects`, without `run_id`.
        novelty: By arm, the effect on sales in the last whole week less that in the first.
    """

    name: str
    users: int
    sample_ratio: float
    balance: dict[tuple[str, str], Balance] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    rows: list[dict[str, Any]] = field(default_factory=list)
    novelty: dict[str, Interval] = field(default_factory=dict)

    @property
    def apart(self) -> float:
        """The greatest difference of the arms before the assignment, in standard deviations."""
        return max((abs(b.difference) for b in self.balance.values()), default=0.0)


def judge(name: str, frame: pl.DataFrame, config: MeasureConfig, over: bool) -> Judged:
    """Judge an experiment, and measure its arms if nothing speaks against it.

    Args:
        name: The experiment.
        frame: Its users with what they did, as `outcomes.deeds` makes it, weekly.
        config: The limits.
        over: Whether its window has ended.
    """
    arm, probability = frame["arm"].to_numpy(), frame["probability"].to_numpy()
    likely = sample_ratio(arm, probability)
    others = [str(a) for a in np.unique(arm) if a != CONTROL]
    counts = {str(a): int((arm == a).sum()) for a in np.unique(arm)}
    reasons = _reasons(counts, others, likely, config, over)
    before = frame.select(f"before_{column}" for column in SUMS).to_numpy()
    apart: dict[tuple[str, str], Balance] = {}
    if CONTROL in counts and min(counts.values()) > 1:
        for other in others:
            rows = (arm == other) | (arm == CONTROL)
            arms = Arms(arm[rows] == other, probability[rows])
            apart |= {(other, c): balance(before[rows, n], arms) for n, c in enumerate(SUMS)}
        far = [(k, b) for k, b in apart.items() if abs(b.difference) > config.gates.difference and abs(b.z) > CHANCE]
        if far:
            (other, column), worst = max(far, key=lambda pair: abs(pair[1].difference))
            reasons.append(
                f"before the assignment, the arm {other} was {worst.difference:+.2f} standard deviations from the "
                f"control in {column}, more than gates.difference={config.gates.difference:g} and than chance explains"
            )
    if reasons:
        return Judged(name, len(frame), likely, apart, tuple(reasons))
    effects: list[dict[str, Any]] = []
    novelty = {}
    for other in others:
        part = frame.filter(pl.col("arm").is_in([other, CONTROL]))
        effects += _effects(name, other, part, config)
        novelty[other] = _novelty(other, part, config)
    return Judged(name, len(frame), likely, apart, (), effects, novelty)


def _reasons(counts: dict[str, int], others: list[str], likely: float, config: MeasureConfig, over: bool) -> list[str]:
    limits = config.gates
    if CONTROL not in counts or not others:
        return [f"it has no arm {CONTROL!r} beside another one (it has: {', '.join(counts)})"]
    reasons = [] if over else [f"its window of {config.window_days} days is not over"]
    few = {arm: count for arm, count in counts.items() if count < limits.users}
    if few:
        listed = ", ".join(f"{arm} {count:,}" for arm, count in few.items())
        reasons.append(f"too few users ({listed}; gates.users={limits.users})")
    if likely < limits.sample_ratio:
        reasons.append(
            f"arms of such sizes have a probability of {likely:.1g} under the stated probabilities, less than "
            f"gates.sample_ratio={limits.sample_ratio:g}: rows were lost, or the draw was another one"
        )
    return reasons


def _effects(name: str, other: str, part: pl.DataFrame, config: MeasureConfig) -> Iterator[dict[str, Any]]:
    """Yield the rows of one arm."""
    arms = _arms(other, part)
    before = part.select(f"before_{column}" for column in SUMS).to_numpy()
    periods = {WHOLE: ""} | {f"week {n + 1}": f"_{n + 1}" for n in range(config.window_days // 7)}
    for metric in METRICS:
        for period, ending in periods.items():
            values = part[f"{metric}{ending}"].to_numpy()
            for method in ("difference", "cuped"):
                measured = effect(values if method == "difference" else adjusted(values, before, arms), arms)
                yield {
                    "experiment_id": name,
                    "arm": other,
                    "metric": metric,
                    "method": method,
                    "period": period,
                    "users": int(arms.treated.sum()),
                    "control_users": int((~arms.treated).sum()),
                    "mean": measured.mean,
                    "control_mean": measured.control_mean,
                    "effect": measured.difference.value,
                    "low": measured.difference.low,
                    "high": measured.difference.high,
                    "first_day": part["day"].min(),
                    "last_day": part["day"].max(),
                    "window_days": config.window_days,
                }


def _novelty(other: str, part: pl.DataFrame, config: MeasureConfig) -> Interval:
    """Return how much more the effect on sales is in the last whole week than in the first."""
    weeks = config.window_days // 7
    if weeks < 2:
        return Interval(0.0, 0.0, 0.0)
    change = (part[f"sales_{weeks}"] - part["sales_1"]).to_numpy()
    return effect(change, _arms(other, part)).difference


def _arms(other: str, part: pl.DataFrame) -> Arms:
    return Arms(part["arm"].to_numpy() == other, part["probability"].to_numpy())
