"""The configuration of `measure_campaigns`. Imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate


class Gates(Strict):
    """What an experiment has to meet; one that does not is left out and listed with the reason."""

    sample_ratio: float = Field(default=0.001, gt=0, lt=1)
    """Least probability of arms of such sizes under the stated probabilities. Below it the draw or the loss of rows was
    not what the table says, and no effect can be told."""
    difference: float = Field(default=0.05, gt=0)
    """Greatest difference of the arms before the assignment, in standard deviations. What is within four standard
    errors counts as chance."""
    users: int = Field(default=100, ge=2)
    """Fewest users of each arm."""


class EffectGates(Gates, ShrinkGate):
    """What an experiment has to meet, and how far the table of effects and its sources may shrink."""


class MeasureConfig(JobConfig):
    """Which experiments are measured, and over which days."""

    experiments: tuple[str, ...] = ()
    """Names of the experiments, or of campaigns whose plan held users out. Empty: all."""
    window_days: int = Field(default=28, ge=1, le=365)
    """Days from the assignment on that count as outcome. An experiment whose window is not over is left out."""
    before_days: int = Field(default=28, ge=1, le=365)
    """Days before the assignment that the balance is judged by and that CUPED takes off."""
    timezone: str = "UTC"
    """The time zone whose calendar days are the shop's, as in `build_user_profiles`."""
    listed: int = Field(default=30, ge=1, le=200)
    """Campaigns or experiments in a list of the report, at most."""
    gates: EffectGates = EffectGates()
    """What an experiment has to meet."""

    def required_tables(self) -> tuple[str, ...]:
        """The daily tiles; what was drawn or sent may stand in one of several tables."""
        return ("user_daily",)

    def optional_tables(self) -> tuple[str, ...]:
        """Where experiments and campaigns stand."""
        return ("experiments", "campaigns", "campaign_plan")
