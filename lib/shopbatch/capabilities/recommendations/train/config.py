"""The configuration of `train_recommender`. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from shopbatch.capabilities.recommendations.sequence_config import SEQUENCE_LOOP, SequenceConfig
from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate
from shopbatch.engines.configs import EngineConfig, OpenVinoConfig
from shopbatch.training.config import LoopConfig, WorkersConfig


def switch(value: Any) -> Any:
    """Return `on` and `off` as written: YAML 1.1 reads them as true and false."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


class SourceConfig(Strict):
    """Which entries of `user_sequences` are learnt from."""

    actions: list[Literal["purchase", "cart", "view"]] = Field(default=["purchase"], min_length=1)
    """What a user must have done with a product for it to count. What is predicted is the same."""
    users: int = Field(default=200_000, ge=1, le=500_000)
    """Greatest number of users to learn from. Of more, these are chosen by the hash of their names."""


class ItemsConfig(Strict):
    """Which products take part."""

    min_users: int = Field(default=5, ge=1)
    """Buyers below which a product counts as one without a history: it is found by its text alone, and bought again."""
    max: int = Field(default=1_000_000, ge=1)
    """Greatest number of products; of more, the most bought ones take part."""
    exclude: dict[str, list[str]] = Field(default_factory=dict)
    """Values of columns of `products` whose products take no part, such as {department: [FUEL]}."""


class HabitConfig(Strict):
    """What users buy again."""

    half_life_days: list[Annotated[float, Field(gt=0)] | None] = Field(default=[None, 45.0, 90.0, 180.0], min_length=1)
    """Ages in days at which a purchase counts half, to choose from; null lets all purchases count alike."""


class NeighboursConfig(Strict):
    """Which products go together."""

    ways: list[Literal["ease", "next"]] = Field(default=["ease", "next"], min_length=1)
    """Ways of counting to choose from: `ease` is a regression of every product on all others, `next` counts what is
    bought within the next days of purchase."""
    steps: int = Field(default=3, ge=1)
    """Days of purchase ahead that `next` counts."""
    decay: float = Field(default=0.7, gt=0, le=1)
    """What an own product counts less for each later day with purchases, in `next`."""
    cosine: float = Field(default=0.3, ge=0)
    """Weight of having the same buyers against being followed by, in `next`."""
    penalty: float = Field(default=1000.0, gt=0)
    """Ridge penalty of `ease`; a greater one trusts popular products more."""
    keep: int = Field(default=100, ge=1, le=1000)
    """Neighbours kept for each product."""


class SequencePartConfig(SequenceConfig):
    """The Transformer over what a user bought, in order of time."""

    enabled: Literal["auto", "on", "off"] = "auto"
    """`auto` trains it if there are enough users, and keeps it if it improves a list on the validation days for
    certain; `on` trains it always, and mixes it in with the best share, if any share improves a list; `off` never
    trains it."""
    least_users: int = Field(default=500, ge=1)
    """Users with purchases on two days or more below which `auto` does not train it."""
    min_steps: int = Field(default=300, ge=0)
    """Optimizer steps that a training has at least: with little data, more passes over it than `loop.epochs`."""

    _switch = field_validator("enabled", mode="before")(switch)

    @property
    def sizes(self) -> SequenceConfig:
        """The sizes alone, as the model stores them."""
        return SequenceConfig(**{name: getattr(self, name) for name in SequenceConfig.model_fields})


class TextConfig(Strict):
    """Products with too few buyers, found by their texts."""

    encoder: str = "auto"
    """`auto` compares words (tf-idf) and, in a catalogue of at most `most` different texts, the vectors of e5-small;
    the better one on the validation days is kept. `off` leaves such products out. Anything else names an encoder that
    is compared with words: a folder, `name@digest`, or `owner/name` of the hub."""
    engine: EngineConfig = OpenVinoConfig()
    """Engine that runs the encoder."""
    columns: list[str] = Field(default=["title", "product_type", "category", "brand"], min_length=1)
    """Columns of `products` that make a product's text."""
    most: int = Field(default=3000, ge=0)
    """Different texts up to which `auto` tries the encoder. It takes some hundredths of a second each."""

    _switch = field_validator("encoder", mode="before")(switch)


class GateConfig(ShrinkGate):
    """What the recommender must reach on the held-out days to be published."""

    users: int = Field(default=20, ge=1)
    """Users who must have bought something on the held-out days."""
    certain: bool = True
    """Whether one list must be better than its baseline for certain, and neither may be worse: the 95 % interval
    decides. With false the mean decides, which is all that a shop of some dozen users can show."""
    worse: float = Field(default=0.01, ge=0)
    """Share of NDCG@10 that a list may at most lose against its baseline, and for certain against the live model."""


class TrainRecommenderConfig(JobConfig):
    """Configuration of the job train_recommender."""

    source: SourceConfig = SourceConfig()
    """Which entries are learnt from."""
    holdout_days: int = Field(default=30, ge=1)
    """The newest days, on which the recommender is judged before it is fitted to everything."""
    validation_days: int = Field(default=30, ge=1)
    """The days before the held-out ones, on which everything is chosen."""
    items: ItemsConfig = ItemsConfig()
    """Which products take part."""
    habit: HabitConfig = HabitConfig()
    """What users buy again."""
    neighbours: NeighboursConfig = NeighboursConfig()
    """Which products go together."""
    sequence: SequencePartConfig = SequencePartConfig()
    """The Transformer."""
    loop: LoopConfig = SEQUENCE_LOOP
    """The training of the Transformer."""
    workers: WorkersConfig = WorkersConfig()
    """Where the Transformer is trained, and on how many workers."""
    text: TextConfig = TextConfig()
    """Products with too few buyers."""
    gates: GateConfig = GateConfig()
    """What the recommender must reach to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("user_sequences",)

    def optional_tables(self) -> tuple[str, ...]:
        """The tables that a run reads if they exist: texts and groups of products, and groups of users."""
        return ("products", "users")

    def required_models(self) -> dict[str, str]:
        """The encoder, if one is named."""
        return {} if self.text.encoder in ("auto", "off") else {"text.encoder": self.text.encoder}
