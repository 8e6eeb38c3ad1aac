"""Settings of the job `measure_campaigns`. Imports nothing heavy, so that the command line starts fast."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate


class Gates(Strict):
    """Limits for each experiment. An experiment that breaks one is not measured, and the report gives the reason."""

    sample_ratio: float = Field(default=0.001, gt=0, lt=1)
    """Least p-value of the arms' sizes under the probabilities that the table states (sample ratio test). Below it,
    users were drawn in another way or rows were lost, so the experiment is not measured. 0.001 refuses a sound
    experiment once in 1,000."""
    difference: float = Field(default=0.05, gt=0)
    """Greatest difference between an arm and the control before the assignment, in standard deviations of a user's
    value. Differences within four standard errors pass in any case, since chance explains them."""
    users: int = Field(default=100, ge=2)
    """Fewest users of each arm, the control among them. An experiment with a smaller arm is not measured."""


class EffectGates(Gates, ShrinkGate):
    """Limits for each experiment, and how far the published table and its sources may shrink (`rows`)."""


class MeasureConfig(JobConfig):
    """Settings of `measure_campaigns`: which experiments are measured, and over which days."""

    experiments: tuple[str, ...] = ()
    """Names of the experiments to measure, or of campaigns for which `plan_campaigns` held users out. Empty: all of
    them."""
    window_days: int = Field(default=28, ge=1, le=365)
    """Length of the outcome window: days from the assignment on whose purchases count. An experiment whose window has
    not ended is not measured."""
    before_days: int = Field(default=28, ge=1, le=365)
    """Days before the assignment. What users bought in them serves to check that the arms were alike, and to reduce the
    noise of the effects (CUPED)."""
    timezone: str = "UTC"
    """The shop's time zone, an IANA name: an assignment belongs to a calendar day of it. Use the same as in
    `build_user_profiles`."""
    listed: int = Field(default=30, ge=1, le=200)
    """Most campaigns or experiments in each list and chart of the report. It does not limit what is measured."""
    gates: EffectGates = EffectGates()
    """Limits for each experiment and for the published table."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run needs: `user_daily`, which gives the outcomes."""
        return ("user_daily",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that may hold experiments and campaigns; a run uses those that exist."""
        return ("experiments", "campaigns", "campaign_plan")
