"""Settings of the job `train_intents` (`conf/*/train_intents.yaml`). Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.engines.configs import EngineConfig


class ExampleConfig(Strict):
    """Settings that choose the questions from which `train_intents` learns."""

    dialogs: Literal["generated", "person"] = "generated"
    """Who wrote the questions of `support_dialogs`. `generated`: they are learnt from and reported separately, but
    gates use people's questions only. `person`: they count as people's questions; set it if the shop has loaded real
    dialogs."""
    most: int = Field(default=8000, ge=1)
    """Maximum number of generated questions to learn from. If there are more, they are sampled by the hash of their
    texts."""
    most_people: int = Field(default=20_000, ge=1)
    """Maximum number of people's questions to learn from. If there are more, they are sampled by the hash of their
    texts."""
    min_rows: int = Field(default=5, ge=2)
    """Least number of examples of an intent. An intent with fewer is not learnt, and the report names it."""
    max_bytes: int = Field(default=4000, ge=1)
    """Longest question in bytes of UTF-8. A longer one is left out, since it holds several questions or none."""


class HeadConfig(Strict):
    """Hyperparameters of the classifier, which is fitted to the vectors of a fixed encoder."""

    penalty: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.03, 0.1, 0.3), min_length=1)
    """L2 penalties to try. The one with the least log loss on people's questions in cross-validation is chosen."""
    people: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(10.0, 30.0, 100.0), min_length=1)
    """Weights to try of a question that a person wrote, against 1 for a generated one. Chosen by cross-validation."""
    ngrams: tuple[Annotated[float, Field(ge=0, le=0.9)], ...] = Field(default=(0.2, 0.4, 0.6), min_length=1)
    """Shares to try (0 to 0.9) of n-grams in the scores, chosen by cross-validation; 0 uses the encoder alone. A share
    of 0.2 hardly changes the accuracy on the examples, and helps with questions that are unlike them."""
    folds: int = Field(default=5, ge=2, le=20)
    """Number of cross-validation folds. Near-duplicate questions are in the same fold."""
    steps: int = Field(default=100, ge=1)
    """Maximum number of L-BFGS iterations of one fit."""
    seed: int = 0
    """Random seed of the bootstrap intervals in the report."""


class IntentGates(Strict):
    """Gates on a new model of intents, and the precision that answered and drafted questions must reach.

    Accuracy and precision are measured on people's questions that the model was not trained on.
    """

    min_examples: int = Field(default=150, ge=1)
    """Least number of people's questions about known intents that are needed to judge a model. With fewer, the run is
    refused unless `accept=few_examples`."""
    accept: Literal["none", "few_examples"] = "none"
    """`few_examples`: publish the model even if there are too few questions of people to judge it. Such a model hardly
    answers without a person. `none`: refuse it."""
    accuracy: float = Field(default=0.6, ge=0, le=1)
    """Least share of people's questions whose intent must be predicted right, 0 to 1."""
    certain: bool = True
    """true: the model must be certainly more accurate than character n-grams (the whole 95 % interval of the gain is
    above 0). false: it must only not be certainly less accurate."""
    precision: float = Field(default=0.95, gt=0.5, lt=1)
    """Share of right intents that the questions answered without a person must reach. A higher value answers fewer
    questions."""
    draft: float = Field(default=0.7, gt=0.5, lt=1)
    """Share of right intents that the questions with a drafted or sent reply must reach. A higher value drafts fewer
    replies."""
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    """Probability with which `precision` and `draft` must each be reached, counting all thresholds that are tried."""
    tickets: int = Field(default=100, ge=1)
    """Least number of tickets labelled by agents (`ticket_feedback`) to choose the thresholds on these alone, since
    they are like the tickets that come in. With fewer, the thresholds are chosen on all questions of people."""
    intent_rows: int = Field(default=10, ge=2)
    """Least number of questions from which an intent gets thresholds of its own, of those on which the thresholds are
    chosen. With fewer, the intent uses the common thresholds."""


class TrainIntentsConfig(JobConfig):
    """Settings of the job `train_intents` (`conf/*/train_intents.yaml`)."""

    engine: EngineConfig
    """Engine that encodes the examples as vectors."""
    encoder: str = "e5-small-search"
    """Text encoder: `e5-small-search` (built from the sample's package), a folder, `name@digest`, or `owner/model` of
    the hub."""
    prefix: str | None = None
    """Text that is put before each question when it is encoded. null: the prefix that the encoder declares for search
    queries."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that encode the examples."""
    examples: ExampleConfig = ExampleConfig()
    """Choice of the questions to learn from."""
    head: HeadConfig = HeadConfig()
    """Hyperparameters of the classifier."""
    gates: IntentGates = IntentGates()
    """Conditions to publish the model, and targets of what may be answered."""

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist; at least one of them must hold examples."""
        return ("support_dialogs", "intent_examples", "ticket_feedback", "tickets")

    def required_models(self) -> dict[str, str]:
        """Return the models that must be available, as config key -> reference: the encoder."""
        return {"encoder": self.encoder}
