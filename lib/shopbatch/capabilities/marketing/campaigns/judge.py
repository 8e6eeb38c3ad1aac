"""Check whether the arms of one experiment look randomised and, if they do, measure the effect of each arm."""

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

CHANCE = 4.0  # standard errors: smaller differences of arms count as chance
FADING = "the effect changes over the weeks"


@dataclass(frozen=True)
class Judged:
    """The result for one experiment: its checks, and either its effects or the reasons of refusal.

    Attributes:
        name: The name of the experiment.
        users: Number of users in all arms.
        sample_ratio: P-value of the arms' sizes under the stated probabilities (sample ratio test), 0..1.
        balance: By (arm, column), the difference of the arm from the control before the assignment; the columns are
            bought, sales and baskets. Empty without a control, and if an arm has fewer than 2 users.
        reasons: Why the experiment was refused, one sentence each; empty if it was measured.
        rows: Rows of `campaign_effects`, without `run_id`; empty if it was refused.
        novelty: By arm, the effect on sales in the last whole week minus that in the first whole week. Below 0, the
            effect wears off.
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
        """Return the greatest difference of an arm from the control before the assignment, over all of `balance`.

        The unit is a standard deviation of a user's value; the sign is dropped. 0 if `balance` is empty.
        """
        return max((abs(b.difference) for b in self.balance.values()), default=0.0)


def judge(name: str, frame: pl.DataFrame, config: MeasureConfig, over: bool) -> Judged:
    """Check one experiment, and measure its arms if no check fails.

    The checks: there is a control, the window has ended, arms have enough users, their sizes fit the stated
    probabilities, and the arms were alike before the assignment.

    Args:
        name: The experiment.
        frame: One row per user with the sums of `outcomes.deeds(..., weekly=True)`.
        config: Settings of the job, with the limits in `gates`.
        over: True if the outcome window of every user has ended.
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
    """Yield the rows of `campaign_effects` for one arm: one per metric, period (whole window, each week) and method.

    The method `difference` compares the weighted means of the arm and the control. The method `cuped` does the same
    after subtracting from each user's outcome the part that the user's purchases before the assignment predict.

    Args:
        name: The experiment.
        other: The arm that is compared with the control.
        part: The users of that arm and of the control.
        config: Settings of the job.
    """
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
    """Return the effect of the arm `other` on sales in the last whole week minus that in the first whole week.

    It is 0 with the interval [0, 0] if the window has fewer than two whole weeks.
    """
    weeks = config.window_days // 7
    if weeks < 2:
        return Interval(0.0, 0.0, 0.0)
    change = (part[f"sales_{weeks}"] - part["sales_1"]).to_numpy()
    return effect(change, _arms(other, part)).difference


def _arms(other: str, part: pl.DataFrame) -> Arms:
    return Arms(part["arm"].to_numpy() == other, part["probability"].to_numpy())
