"""The configurations of the jobs that score reviews and train the models for it. Cheap to import."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig
from shopbatch.inference.config import InferenceConfig
from shopbatch.training.config import GateConfig, LoopConfig, WorkersConfig


class ScoreReviewsConfig(InferenceConfig):
    """Configuration of the job score_reviews."""

    engine: EngineConfig
    """Engine that turns a review into a vector."""
    model: str
    """Sentiment model to use: `name@live`, `name@digest` or a folder."""
    cascade: str | None = None
    """Cascade with which a small model answers where it is sure: `name@live` or `name@digest` (see train_cascade).
    null: `model` answers every review."""
    windows: int = Field(default=3, ge=1)
    """Most windows in which a text longer than engine.max_tokens is read: 3 are its head, its middle and its tail. 1
    cuts it instead. A change computes only the texts that do not fit into one window; it needs gates.accept_recipe."""
    max_bytes: int = 100_000
    """Largest title or text in bytes; a longer one is rejected as too_long."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """The registered model, unless the engine loads none."""
        if self.engine.kind in WITHOUT_MODEL:
            return {}
        return {"model": self.model} | ({"cascade": self.cascade} if self.cascade else {})


class ExampleConfig(Strict):
    """How many labelled reviews become examples."""

    train_rows: int = 8000
    """Maximum number of training examples per language and domain: the source of a review, or a kind of goods in it."""
    val_rows: int = 1500
    """Maximum number of validation examples per language and domain."""
    test_rows: int = 2500
    """Maximum number of test examples per language and domain."""
    min_rows: int = 200
    """Training examples that a language needs for a classifier of its own; with fewer, the classifier that all
    languages share answers for it."""


class HeadConfig(Strict):
    """How a sentiment head is fitted to the vectors of an encoder that does not change."""

    l2: tuple[float, ...] = (0.01, 0.03, 0.1)
    """L2 penalties on the shared weights to try; the one with the lowest log loss on validation examples is kept."""
    language_l2: float = Field(default=0.003, gt=0)
    """L2 penalty on the difference between a language's weights and the shared ones."""
    class_balance: float = Field(default=0.5, ge=0, le=1)
    """How far the classes of a domain are brought to equal weight: 0 leaves their shares, 1 makes them equal."""
    weak_neutral: bool = False
    """Whether a language without neutral labels gets some, from texts that the models do not agree on (see the job's
    page)."""
    counterfactual: float = Field(default=5.0, ge=0)
    """How much it counts that copies of a sentence in which another person stands get the same score (see the page of
    audit_bias); not used by finetune_encoder. 0: not at all."""
    steps: int = 100
    """Maximum number of L-BFGS iterations of one fit."""
    seed: int = 0
    """Seed of the bootstrap intervals in the report."""


class BiasGates(Strict):
    """What a sentiment model must not do worse than the live one."""

    bias: float = Field(default=0.02, ge=0)
    """Most that the greatest counterfactual gap of a language, and its share of neutral sentences whose label depends
    on the person in them, may lie above those of the live model; 1 lets everything pass."""


class FinetuneGates(GateConfig, BiasGates):
    """What a trained encoder must reach to be published."""


class HeadGates(BiasGates, ShrinkGate):
    """What a head must not do worse than the live one, and how far its source may shrink."""


class TrainHeadConfig(JobConfig):
    """Configuration of the job train_sentiment_head."""

    engine: EngineConfig
    """Engine that computes the vectors of the examples."""
    encoder: str = "e5-small"
    """Encoder: `e5-small` (built from the sample's package), a folder, `name@digest`, or `owner/model` of the hub."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """Which reviews become examples."""
    head: HeadConfig = HeadConfig()
    """How the head is fitted."""
    gates: HeadGates = HeadGates()
    """What the head must not do worse than the live one."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """The encoder."""
        return {"encoder": self.encoder}


class EncoderConfig(Strict):
    """How an encoder is trained. Its prefix, layers and pooling are those of the base's `encoder.json`."""

    freeze: tuple[str, ...] = ("embeddings.",)
    """Parameters whose names begin with one of these texts are not trained."""
    head_scale: float = Field(default=0.25, gt=0)
    """Factor on the fitted head that training starts from; see `first_head` for why it is below 1."""
    mix: float = Field(default=0.8, gt=0, le=1)
    """Share of the trained weights in what is published; the rest are the weights before training (see `export`)."""
    smoothing: float = 0.0
    """Label smoothing, 0 to 1 (Szegedy et al. 2016)."""
    dropout: float = 0.0
    """Dropout of the encoder's hidden states during training, 0 to 1."""
    token_dropout: float = 0.05
    """Share of the tokens that are hidden during training, 0 to 1, so that no single word decides."""


class FinetuneEncoderConfig(JobConfig):
    """Configuration of the job finetune_encoder."""

    engine: EngineConfig
    """Engine whose vectors calibrate and judge the head: the one that score_reviews uses."""
    base: str = "e5-small"
    """Encoder to start from: `e5-small` (built from the sample's package), a folder, `name@digest`, or `owner/name` of
    the hub."""
    embedders: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """Which reviews become examples."""
    encoder: EncoderConfig = EncoderConfig()
    """How the encoder is trained."""
    loop: LoopConfig = LoopConfig()
    """The training run."""
    workers: WorkersConfig = WorkersConfig()
    """Where the training runs, and on how many workers."""
    head: HeadConfig = HeadConfig()
    """How the head is fitted that training starts from and the frozen encoder is judged with."""
    gates: FinetuneGates = FinetuneGates()
    """What the trained encoder must reach to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """The encoder that training starts from."""
        return {"base": self.base}


class StudentConfig(Strict):
    """What a student is, and what it learns from its teacher."""

    layers: int = Field(default=3, ge=1)
    """Layers of the student. It starts as these layers of its teacher, the lowest ones, and reads the ones whose depth
    corresponds to those that the teacher reads."""
    vector: float = Field(default=1.0, ge=0)
    """Weight of the distance between the vectors of student and teacher."""
    logits: float = Field(default=1.0, ge=0)
    """Weight of the divergence between the probabilities of student and teacher."""
    label: float = Field(default=0.0, ge=0)
    """Weight of the cross entropy of the labels that the reviews state."""
    distance: Literal["mse", "cosine"] = "mse"
    """Distance of two vectors: the mean squared error, or 1 minus the cosine."""
    temperature: float = Field(default=2.0, gt=0)
    """What logits are divided by before they are compared: above 1, improbable classes count more."""
    freeze: tuple[str, ...] = ("embeddings.",)
    """Parameters whose names begin with one of these texts are not trained."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout of the student's hidden states during training, 0 to 1."""
    token_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the tokens that are hidden during training, 0 to 1."""

    @model_validator(mode="after")
    def _learns(self) -> Self:
        """Refuse a student that learns nothing."""
        if not (self.vector or self.logits or self.label):
            raise PydanticCustomError("learns", "vector, logits and label are all 0, so that nothing is learnt")
        return self


class StudentGates(BiasGates):
    """What a student must reach to be published, besides that it certainly beats the cut that it started as."""

    accuracy: float = Field(default=0.97, ge=0)
    """Share of the teacher's held-out accuracy that the student must keep in every language."""
    speed: float = Field(default=2.3, ge=0)
    """Speed of the student as a multiple of the teacher's, at least; 0 lets everything pass."""


class DistilEncoderConfig(JobConfig):
    """Configuration of the job distil_encoder."""

    engine: EngineConfig
    """Engine that computes the vectors: the one that score_reviews uses."""
    teacher: str = "sentiment@live"
    """Sentiment model to learn from: `name@live`, `name@digest` or a folder."""
    embedders: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """Which reviews become examples."""
    student: StudentConfig = StudentConfig()
    """What the student is, and what it learns."""
    loop: LoopConfig = LoopConfig()
    """The training run."""
    workers: WorkersConfig = WorkersConfig()
    """Where the training runs, and on how many workers."""
    head: HeadConfig = HeadConfig()
    """How the heads of the student and of the cut are fitted."""
    gates: StudentGates = StudentGates()
    """What the student must reach to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """The sentiment model that is learnt from."""
        return {"teacher": self.teacher}


class AuditBiasConfig(JobConfig):
    """Configuration of the job audit_bias."""

    engine: EngineConfig
    """Engine that turns a sentence into a vector: the one that score_reviews uses."""
    model: str = "sentiment@live"
    """Sentiment model to audit: `name@live`, `name@digest` or a folder."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    outlook: bool = True
    """Whether to compare the forecasts of user_profiles with what happened, by group, where the tables hold it."""
    least_users: int = Field(default=50, ge=50)
    """Users that a group needs to be shown."""
    seed: int = 0
    """Seed of the bootstrap."""

    def optional_tables(self) -> tuple[str, ...]:
        """The tables that a run reads if they exist."""
        return ("user_profiles", "user_daily")

    def required_models(self) -> dict[str, str]:
        """The registered model, unless the engine loads none."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"model": self.model}
