"""Settings of the job `train_uplift`. Imports nothing heavy, so that the command line starts fast."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.capabilities.marketing.campaigns.config import EffectGates as ExperimentGates
from shopbatch.core.config import JobConfig, Strict


class ChoiceConfig(Strict):
    """Settings by which learners are compared on held-out users."""

    families: tuple[Literal["linear", "boosted"], ...] = ("linear", "boosted")
    """Kinds of models that the learners are built from: `linear` (these include the sparse learner) and `boosted`
    trees. Leave one out to train faster."""
    folds: int = Field(default=5, ge=2, le=20)
    """Number of parts into which users are split; each part is scored by models fitted to the other parts. More folds
    give slightly better models and take longer."""
    draws: int = Field(default=400, ge=100, le=10_000)
    """Number of bootstrap draws behind the intervals. More make the ends of the intervals more stable and take
    longer."""
    certain: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence with which an uplift model must be better than chance; the intervals allow for the number of
    candidates. Higher: an uplift model is published more rarely."""
    better: float = Field(default=0.6, ge=0.5, lt=1)
    """Share of the bootstrap draws in which an uplift model must be better than the response model (which predicts who
    buys when addressed)."""
    seed: int = 0
    """Seed of the folds, of the bootstrap, and of the draw of `max_users`."""


class TrainUpliftConfig(JobConfig):
    """Settings of `train_uplift`: which experiments are learnt from, and how."""

    experiments: tuple[str, ...] = ()
    """Names of the experiments to learn from. Empty: all that pass the checks of `measure_campaigns`."""
    arm: str = ""
    """The arm that is compared with the control. Empty: the only arm beside the control; if there are several, the run
    asks for one."""
    outcome: Literal["bought", "sales", "baskets"] = "bought"
    """What a message should increase within the window: `bought` (the probability of a purchase), `sales` (money) or
    `baskets` (their number)."""
    window_days: int = Field(default=28, ge=1, le=365)
    """Length of the outcome window: days from the assignment on whose purchases count."""
    before_days: int = Field(default=28, ge=1, le=365)
    """Days before the assignment over which the arms must have been alike; see `gates.difference`."""
    timezone: str = "UTC"
    """The shop's time zone, an IANA name: an assignment belongs to a calendar day of it. Use the same as in
    `build_user_profiles`."""
    max_users: int = Field(default=1_000_000, ge=1000)
    """Most users to learn from; of more, some are drawn at random (`choice.seed`). Lower it if memory or time is
    short."""
    choice: ChoiceConfig = ChoiceConfig()
    """How learners are compared."""
    min_users: int = Field(default=1000, ge=100)
    """Fewest users of each arm, over all experiments together. With fewer the run is refused, since the model would be
    a guess."""
    gates: ExperimentGates = ExperimentGates()
    """Checks that an experiment must pass to be learnt from, and how far the source tables may shrink."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run needs: `user_daily`, which gives features and outcomes."""
        return ("user_daily",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that may hold experiments; a run uses those that exist."""
        return ("experiments", "campaigns", "campaign_plan")
