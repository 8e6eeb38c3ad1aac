"""Settings of the job train_cascade. The module is cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.capabilities.sentiment.config import BiasGates, ExampleConfig, HeadConfig
from shopbatch.core.config import JobConfig
from shopbatch.engines.configs import EngineConfig


class CascadeGates(BiasGates):
    """Limits that a cascade must meet to be registered."""

    answered: float = Field(default=0.2, ge=0, le=1)
    """Smallest share (0 to 1) of the held-out reviews that the small models must answer."""
    speed: float = Field(default=1.1, ge=0)
    """Smallest speed as a multiple of the large model's alone, measured in turn on this machine. 0 lets every speed
    pass."""
    ece: float = Field(default=0.01, ge=0)
    """Largest allowed increase of the expected calibration error of a language, against the large model."""


class TrainCascadeConfig(JobConfig):
    """Settings of the job train_cascade, which lets a small model answer where it is sure, and a large one the rest."""

    engine: EngineConfig
    """Engine that computes the vectors: use the one that score_reviews uses."""
    large: str = "sentiment@live"
    """Sentiment model that answers the reviews that the small models leave: `name@live` or `name@digest`."""
    small: tuple[str, ...] = Field(default=(), max_length=7)
    """Existing sentiment models that answer where they are sure, the smallest first: `name@live` or `name@digest`."""
    layers: tuple[int, ...] | None = Field(default=(0,), max_length=64)
    """Layers of the large model's encoder whose states are pooled in a new, smallest model; the layers above are
    removed. 0 is the embedding, which costs next to nothing. The new model learns the large model's labels. null: no
    new model is made."""
    epochs: int = Field(default=4, ge=0)
    """Passes over the training texts in which the embedding of the new model is trained to give the large model's
    probabilities. Only used with layers=[0]. 0: the embedding stays as it is."""
    agreement: float = Field(default=0.99, gt=0, lt=1)
    """Smallest share of the reviews of each language that must get the same label as from the large model. Higher
    values let the small models answer fewer reviews."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Confidence with which `agreement` must be reached in each language, between 0 and 1."""
    min_rows: int = Field(default=500, ge=1)
    """Held-out reviews that a language needs for the small models to answer in it. In a language with fewer, the large
    model answers all reviews."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """How many labelled reviews are used for training, validation and test."""
    head: HeadConfig = HeadConfig()
    """How the head of the new small model is fitted."""
    speed_rounds: int = Field(default=5, ge=1)
    """Number of rounds in which the speeds of the cascade and the large model are measured in turn."""
    speed_texts: int = Field(default=512, ge=1)
    """Number of held-out reviews that are scored in each round of the speed measurement."""
    gates: CascadeGates = CascadeGates()
    """Limits that the cascade must meet to be registered."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that must exist: `reviews`."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """Return the models that must exist, by key of the configuration: the large one and the named small ones."""
        return {"large": self.large} | {f"small.{i}": name for i, name in enumerate(self.small)}
