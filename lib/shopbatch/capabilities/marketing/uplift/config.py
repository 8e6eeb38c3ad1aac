"""The configuration of `train_uplift`. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.capabilities.marketing.campaigns.config import EffectGates as ExperimentGates
from shopbatch.core.config import JobConfig, Strict


class ChoiceConfig(Strict):
    """How learners are compared."""

    families: tuple[Literal["linear", "boosted"], ...] = ("linear", "boosted")
    """Kinds of models that learners are made of. The sparse learner is there with the linear ones."""
    folds: int = Field(default=5, ge=2, le=20)
    """Parts of the users; each part is scored by models that were fitted to the others."""
    draws: int = Field(default=400, ge=100, le=10_000)
    """Draws of the bootstrap."""
    certain: float = Field(default=0.95, gt=0.5, lt=1)
    """Probability with which an uplift model has to be better than chance, the errors of all candidates counted."""
    better: float = Field(default=0.6, ge=0.5, lt=1)
    """Share of the bootstrap's draws in which an uplift model has to be above the response model."""
    seed: int = 0
    """Seed of the folds and of the bootstrap."""


class TrainUpliftConfig(JobConfig):
    """What is learnt from, and how."""

    experiments: tuple[str, ...] = ()
    """Names of the experiments to learn from. Empty: all that pass the checks of `measure_campaigns`."""
    arm: str = ""
    """The arm that is compared with the control. Empty: the only other arm that the experiments have."""
    outcome: Literal["bought", "sales", "baskets"] = "bought"
    """What a message should add: the probability of a purchase, money, or baskets, in the window."""
    window_days: int = Field(default=28, ge=1, le=365)
    """Days from the assignment on that count as outcome."""
    before_days: int = Field(default=28, ge=1, le=365)
    """Days before the assignment by which the arms' balance is judged."""
    timezone: str = "UTC"
    """The time zone whose calendar days are the shop's, as in `build_user_profiles`."""
    max_users: int = Field(default=1_000_000, ge=1000)
    """Most users to learn from; which ones are taken is decided by a seed."""
    choice: ChoiceConfig = ChoiceConfig()
    """How learners are compared."""
    min_users: int = Field(default=1000, ge=100)
    """Fewest users of each arm, over all experiments."""
    gates: ExperimentGates = ExperimentGates()
    """What an experiment has to meet to be learnt from."""

    def required_tables(self) -> tuple[str, ...]:
        """The daily tiles; experiments may stand in one of several tables."""
        return ("user_daily",)

    def optional_tables(self) -> tuple[str, ...]:
        """Where experiments stand."""
        return ("experiments", "campaigns", "campaign_plan")
