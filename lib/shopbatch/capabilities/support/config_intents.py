"""The configuration of `train_intents`. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.engines.configs import EngineConfig


class ExampleConfig(Strict):
    """Which questions become examples."""

    dialogs: Literal["generated", "person"] = "generated"
    """Who wrote the questions of `support_dialogs`. Generated ones are learnt from and reported apart; only those of
    people open a gate. A shop that has loaded its own dialogs sets `person`."""
    most: int = Field(default=8000, ge=1)
    """Greatest number of generated questions to learn from; of more, these are chosen by the hash of their texts."""
    most_people: int = Field(default=20_000, ge=1)
    """Greatest number of people's questions, chosen likewise."""
    min_rows: int = Field(default=5, ge=2)
    """Examples that an intent needs to be known; one with fewer is left out, and the report names it."""
    max_bytes: int = Field(default=4000, ge=1)
    """A longer question is left out: it holds several, or is no question."""


class HeadConfig(Strict):
    """How the classifier is fitted to the vectors of an encoder that does not change."""

    penalty: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.03, 0.1, 0.3), min_length=1)
    """L2 penalties to choose from, by the log loss of people's questions in cross-validation."""
    people: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(10.0, 30.0, 100.0), min_length=1)
    """How many generated questions one of a person counts as, to choose from likewise."""
    ngrams: tuple[Annotated[float, Field(ge=0, le=0.9)], ...] = Field(default=(0.0, 0.15, 0.3, 0.45, 0.6), min_length=1)
    """Shares of n-grams in the scores to choose from likewise; 0 leaves all to the encoder."""
    folds: int = Field(default=5, ge=2, le=20)
    """Parts of the cross-validation. Near-duplicates are in the same part."""
    steps: int = Field(default=100, ge=1)
    """Maximum number of L-BFGS iterations of one fit."""
    seed: int = 0
    """Seed of the bootstrap intervals in the report."""


class IntentGates(Strict):
    """What the model must reach on people's questions that it has not seen, and what may be answered."""

    min_examples: int = Field(default=150, ge=1)
    """People's questions about known intents that are needed to judge a model."""
    accept: Literal["none", "few_examples"] = "none"
    """`few_examples` publishes a model that too few questions of people can judge. It will hardly answer by itself."""
    accuracy: float = Field(default=0.6, ge=0, le=1)
    """Share of people's questions that must be sorted right."""
    certain: bool = True
    """Whether the model must be better than n-grams of characters for certain: the whole 95 % interval above 0. With
    false it must not be worse for certain."""
    precision: float = Field(default=0.95, gt=0.5, lt=1)
    """Share of right intents that the questions answered without a person must reach."""
    draft: float = Field(default=0.7, gt=0.5, lt=1)
    """The same of the questions for which a reply is drafted."""
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    """How sure both must be, over all bounds that are tried."""
    tickets: int = Field(default=100, ge=1)
    """Tickets labelled by agents (`ticket_feedback`) from which on the bounds are chosen on these alone, since they are
    what comes in. With fewer, all questions of people count."""
    intent_rows: int = Field(default=10, ge=2)
    """Such questions that an intent needs for bounds of its own; with fewer, the common ones hold."""


class TrainIntentsConfig(JobConfig):
    """Configuration of the job train_intents."""

    engine: EngineConfig
    """Engine that computes the vectors of the examples."""
    encoder: str = "e5-small-search"
    """Encoder: `e5-small-search` (built from the sample's package), a folder, `name@digest`, or `owner/model` of the
    hub."""
    prefix: str | None = None
    """What is put before a question that the encoder reads; null takes what the encoder says of searches."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """Which questions become examples."""
    head: HeadConfig = HeadConfig()
    """How the classifier is fitted."""
    gates: IntentGates = IntentGates()
    """What the model must reach, and what may be answered."""

    def optional_tables(self) -> tuple[str, ...]:
        """The tables that a run reads if they exist; at least one of them must hold examples."""
        return ("support_dialogs", "intent_examples", "ticket_feedback", "tickets")

    def required_models(self) -> dict[str, str]:
        """The encoder."""
        return {"encoder": self.encoder}
