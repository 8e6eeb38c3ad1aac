"""Settings of the jobs that score reviews and train the models for it. The module is cheap to import."""

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
    """Settings of the job score_reviews, which gives every review a sentiment label."""

    engine: EngineConfig
    """Engine that turns each review into a vector, and its settings."""
    model: str
    """Sentiment model to use: `name@live`, `name@digest` or a folder."""
    cascade: str | None = None
    """Cascade of models to use: `name@live` or `name@digest` (see train_cascade). A small model then answers the
    reviews of which it is sure, and `model` the rest, which is faster. null: `model` answers every review."""
    windows: int = Field(default=3, ge=1)
    """Largest number of windows in which a text longer than engine.max_tokens is read: with 3 its head, middle and
    tail. 1 cuts the text instead. After a change only texts that do not fit into one window are computed again; the
    change needs gates.accept_recipe."""
    max_bytes: int = 100_000
    """Largest size of a title or text in bytes; a review with a longer one is rejected as too_long."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that must exist: `reviews`."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """Return the models that must be registered, by key of the configuration; none for an engine without models."""
        if self.engine.kind in WITHOUT_MODEL:
            return {}
        return {"model": self.model} | ({"cascade": self.cascade} if self.cascade else {})


class ExampleConfig(Strict):
    """Limits on how many labelled reviews are used as examples for training, validation and test."""

    train_rows: int = 8000
    """Maximum number of training examples per language and domain. A domain is a source of reviews, or a kind of
    product in a source that mixes kinds."""
    val_rows: int = 1500
    """Maximum number of validation examples per language and domain."""
    test_rows: int = 2500
    """Maximum number of test examples per language and domain."""
    min_rows: int = 200
    """Training examples that a language needs to get a classifier of its own. Languages with fewer use the classifier
    that all languages share. It is also the smallest number of training examples with which a job starts."""


class HeadConfig(Strict):
    """Settings for fitting a sentiment head to the vectors of an encoder that stays unchanged."""

    l2: tuple[float, ...] = (0.01, 0.03, 0.1)
    """L2 penalties to try on the weights that all languages share. The one with the lowest log loss on the validation
    examples is kept."""
    language_l2: float = Field(default=0.003, gt=0)
    """L2 penalty on the difference between a language's weights and the shared weights. The larger it is, the more
    alike the languages' classifiers are."""
    class_balance: float = Field(default=0.5, ge=0, le=1)
    """How far the classes of a domain are weighted towards equal shares in training, 0 to 1: 0 leaves their shares as
    they are, 1 makes them equal."""
    weak_neutral: bool = False
    """Whether a language whose reviews have no neutral labels gets some: texts on which two models disagree or are
    unsure (see the page of the job)."""
    counterfactual: float = Field(default=5.0, ge=0)
    """Strength of the penalty that keeps the score of a sentence the same whichever person is named in it (see the page
    of audit_bias). 0: no penalty. finetune_encoder does not use it."""
    steps: int = 100
    """Maximum number of L-BFGS iterations of one fit."""
    seed: int = 0
    """Random seed of the bootstrap intervals in the report."""


class BiasGates(Strict):
    """Limits on how much more biased than the live model a new sentiment model may be."""

    bias: float = Field(default=0.02, ge=0)
    """Largest excess over the live model, per language, of two numbers between 0 and 1: the greatest change of the
    positive probability when another person is named in a sentence, and the share of neutral sentences whose label
    changes. 1 lets everything pass."""


class FinetuneGates(GateConfig, BiasGates):
    """Limits that a trained encoder must meet to be published."""


class HeadGates(BiasGates, ShrinkGate):
    """Limits that a trained head must meet to be published, and on how far the table reviews may have shrunk."""


class TrainHeadConfig(JobConfig):
    """Settings of the job train_sentiment_head, which fits a sentiment head to an unchanged encoder."""

    engine: EngineConfig
    """Engine that computes the vectors of the examples: use the one that score_reviews uses."""
    encoder: str = "e5-small"
    """Encoder whose vectors the head reads: `e5-small` (built from the sample's package), a folder, `name@digest`, or
    `owner/model` of the Hugging Face hub."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """How many labelled reviews are used for training, validation and test."""
    head: HeadConfig = HeadConfig()
    """How the head is fitted to the vectors."""
    gates: HeadGates = HeadGates()
    """Limits that the head must meet, compared with the live one."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that must exist: `reviews`."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """Return the models that must exist, by key of the configuration: the encoder."""
        return {"encoder": self.encoder}


class EncoderConfig(Strict):
    """Settings for training an encoder; prefix, layers and pooling stay as the base's `encoder.json` gives them."""

    freeze: tuple[str, ...] = ("embeddings.",)
    """Prefixes of parameter names; parameters whose names begin with one of them are not trained."""
    head_scale: float = Field(default=0.25, gt=0)
    """Factor on the weights of the fitted head from which training starts. Values below 1 allow a larger learning rate,
    so that the encoder changes more."""
    mix: float = Field(default=0.8, gt=0, le=1)
    """Share of the trained weights in the published encoder, above 0 up to 1; the remaining share is of the weights
    before training. 1 publishes the trained weights alone."""
    smoothing: float = 0.0
    """Label smoothing, 0 to 1 (Szegedy et al. 2016): above 0, the target probability of the right class is below 1. 0:
    none."""
    dropout: float = 0.0
    """Dropout of the encoder's hidden states during training, 0 to 1. 0: none."""
    token_dropout: float = 0.05
    """Share of the tokens that are hidden at random during training, 0 to 1, so that the model does not depend on
    single words."""


class FinetuneEncoderConfig(JobConfig):
    """Settings of the job finetune_encoder, which trains an encoder together with its sentiment head."""

    engine: EngineConfig
    """Engine that computes the vectors on which the head is calibrated and judged: use the one that score_reviews
    uses."""
    base: str = "e5-small"
    """Encoder to start from: `e5-small` (built from the sample's package), a folder, `name@digest`, or `owner/name` of
    the Hugging Face hub."""
    embedders: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """How many labelled reviews are used for training, validation and test."""
    encoder: EncoderConfig = EncoderConfig()
    """How the encoder is trained."""
    loop: LoopConfig = LoopConfig()
    """Settings of the training loop, such as epochs and learning rate."""
    workers: WorkersConfig = WorkersConfig()
    """Devices and number of workers on which the training runs."""
    head: HeadConfig = HeadConfig()
    """How the first head is fitted, with which training starts, and also the head with which the untrained encoder is
    compared."""
    gates: FinetuneGates = FinetuneGates()
    """Limits that the trained encoder must meet to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that must exist: `reviews`."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """Return the models that must exist, by key of the configuration: the encoder that training starts from."""
        return {"base": self.base}


class StudentConfig(Strict):
    """Settings of a student (a model with fewer layers than its teacher) and of its loss."""

    layers: int = Field(default=3, ge=1)
    """Number of layers of the student. It starts as a copy of the teacher's lowest layers. Its vector is made from the
    layers at the same relative depth as those of the teacher's vector."""
    vector: float = Field(default=1.0, ge=0)
    """Weight in the loss of the distance between the student's and the teacher's vectors. 0: not used."""
    logits: float = Field(default=1.0, ge=0)
    """Weight in the loss of the divergence between the student's and the teacher's probabilities. 0: not used."""
    label: float = Field(default=0.0, ge=0)
    """Weight in the loss of the cross entropy with the labels of the reviews. 0: the labels are not used."""
    distance: Literal["mse", "cosine"] = "mse"
    """How the distance of two vectors is measured: `mse`, the mean squared error, or `cosine`, 1 minus the cosine
    similarity."""
    temperature: float = Field(default=2.0, gt=0)
    """Number by which logits are divided before probabilities are compared. Above 1, improbable classes count more."""
    freeze: tuple[str, ...] = ("embeddings.",)
    """Prefixes of parameter names; parameters whose names begin with one of them are not trained."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout of the student's hidden states during training, 0 to 1. 0: none."""
    token_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the tokens that are hidden at random during training, 0 to 1."""

    @model_validator(mode="after")
    def _learns(self) -> Self:
        """Refuse `vector`, `logits` and `label` all 0, because the student would then learn nothing."""
        if not (self.vector or self.logits or self.label):
            raise PydanticCustomError("learns", "vector, logits and label are all 0, so that nothing is learnt")
        return self


class StudentGates(BiasGates):
    """Limits that a student must meet to be published.

    In addition, the student must be more accurate than the teacher's lower layers without training, from which it
    starts; the whole 95 % interval of the difference must lie above 0.
    """

    accuracy: float = Field(default=0.97, ge=0)
    """Smallest share of the teacher's held-out accuracy that the student must keep in every language; 0.97 stands for
    97 %."""
    speed: float = Field(default=2.3, ge=0)
    """Smallest speed of the student as a multiple of the teacher's, measured on this machine. 0 lets every speed
    pass."""


class DistilEncoderConfig(JobConfig):
    """Settings of the job distil_encoder, which trains a small, fast sentiment model on the answers of a large one."""

    engine: EngineConfig
    """Engine that computes the vectors: use the one that score_reviews uses."""
    teacher: str = "sentiment@live"
    """Sentiment model to learn from: `name@live`, `name@digest` or a folder."""
    embedders: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ExampleConfig = ExampleConfig()
    """How many labelled reviews are used for training, validation and test."""
    student: StudentConfig = StudentConfig()
    """Size of the student, and what it learns from the teacher."""
    loop: LoopConfig = LoopConfig()
    """Settings of the training loop, such as epochs and learning rate."""
    workers: WorkersConfig = WorkersConfig()
    """Devices and number of workers on which the training runs."""
    head: HeadConfig = HeadConfig()
    """How heads are fitted: the student's, and that of the teacher's lower layers without training, with which the
    student is compared."""
    gates: StudentGates = StudentGates()
    """Limits that the student must meet to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that must exist: `reviews`."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """Return the models that must exist, by key of the configuration: the teacher."""
        return {"teacher": self.teacher}


class AuditBiasConfig(JobConfig):
    """Settings of the job audit_bias, which measures whether models treat groups of people differently."""

    engine: EngineConfig
    """Engine that turns each test sentence into a vector: use the one that score_reviews uses."""
    model: str = "sentiment@live"
    """Sentiment model to audit: `name@live`, `name@digest` or a folder."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    outlook: bool = True
    """Whether to compare also the forecasts of user_profiles with the actual purchases, by age, income and household
    size. Without the tables user_profiles and user_daily this part is skipped."""
    least_users: int = Field(default=50, ge=50)
    """Smallest number of users that a group needs to be shown; smaller groups are left out."""
    seed: int = 0
    """Random seed of the bootstrap intervals."""

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run reads if they exist."""
        return ("user_profiles", "user_daily")

    def required_models(self) -> dict[str, str]:
        """Return the models that must be registered, by key of the configuration; none for an engine without models."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"model": self.model}
