"""The configuration of train_cascade. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.capabilities.sentiment.config import BiasGates, ExampleConfig, HeadConfig
from shopbatch.core.config import JobConfig
from shopbatch.engines.configs import EngineConfig


class CascadeGates(BiasGates):
    """What a cascade must reach to be registered."""

    answered: float = Field(default=0.2, ge=0, le=1)
    """Least share of the held-out reviews that small models answer."""
    speed: float = Field(default=1.1, ge=0)
    """Least speed beside the large model alone, measured in turn on this machine. 0 lets any speed pass."""
    ece: float = Field(default=0.01, ge=0)
    """Most by which the expected calibration error of a language may grow."""


class TrainCascadeConfig(JobConfig):
    """Configuration of the job train_cascade."""

    engine: EngineConfig
    """Engine that computes the vectors: the one that score_reviews uses."""
    large: str = "sentiment@live"
    """Sentiment model that answers what the small one leaves: `name@live` or `name@digest`."""
    small: tuple[str, ...] = Field(default=(), max_length=7)
    """Sentiment models that answer where they are sure, the smallest first: `name@live` or `name@digest`."""
    layers: tuple[int, ...] | None = Field(default=(0,), max_length=64)
    """A smallest model is made, too: the large one's encoder, without the layers above these, whose states are pooled
    (0 is the embedding, which costs next to nothing), fitted to the labels that the large model gives. null: none is
    made."""
    epochs: int = Field(default=4, ge=0)
    """How often the model that is made reads each training text, if it is the embedding alone (layers=[0]): its
    embedding is then trained to give the large model's probabilities. 0 leaves it as it is."""
    agreement: float = Field(default=0.99, gt=0, lt=1)
    """Least share of reviews of each language whose label is the large model's."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """How sure that is, for each language."""
    min_rows: int = Field(default=500, ge=1)
    """Held-out reviews that a language needs; with fewer, the large model answers all of its reviews."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """Which reviews are read."""
    head: HeadConfig = HeadConfig()
    """How the head of the small encoder that is made is fitted."""
    speed_rounds: int = Field(default=5, ge=1)
    """How often the cascade and the large model take turns when their speed is measured."""
    speed_texts: int = Field(default=512, ge=1)
    """Held-out reviews of one such turn."""
    gates: CascadeGates = CascadeGates()
    """What the cascade must reach."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """The models that are there."""
        return {"large": self.large} | {f"small.{i}": name for i, name in enumerate(self.small)}
