"""Settings of the job `train_recommender`. Cheap to import."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from shopbatch.capabilities.recommendations.sequence_config import SEQUENCE_LOOP, SequenceConfig
from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate
from shopbatch.engines.configs import EngineConfig, OpenVinoConfig
from shopbatch.training.config import LoopConfig, WorkersConfig


def switch(value: Any) -> Any:
    """Convert True to "on" and False to "off", because YAML 1.1 reads these words as booleans.

    Other values are returned unchanged.
    """
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


class SourceConfig(Strict):
    """Which entries of `user_sequences` the recommender learns from."""

    actions: list[Literal["purchase", "cart", "view"]] = Field(default=["purchase"], min_length=1)
    """Actions that put a product into a user's history. The recommender also predicts these actions: with `view`,
    products that users would look at."""
    users: int = Field(default=200_000, ge=1, le=500_000)
    """Greatest number of users to learn from. If there are more, the hash of the user id decides which are used, so
    every run uses the same ones."""


class ItemsConfig(Strict):
    """Which products the recommender knows."""

    min_users: int = Field(default=5, ge=1)
    """Least number of buyers from which a product is recommended as a neighbour of other products. A product with fewer
    buyers is recommended only by its text, or to users who bought it before."""
    max: int = Field(default=1_000_000, ge=1)
    """Greatest number of products; of more, the most bought ones are kept."""
    exclude: dict[str, list[str]] = Field(default_factory=dict)
    """Values of columns of `products` whose products are left out of training and lists, for example {department:
    [FUEL]}."""


class HabitConfig(Strict):
    """Settings of the habit part: what users buy again."""

    half_life_days: list[Annotated[float, Field(gt=0)] | None] = Field(default=[None, 45.0, 90.0, 180.0], min_length=1)
    """Half lives in days to compare (a purchase of that age has half the weight); null gives all purchases the same
    weight. The one that predicts the validation days best is used."""


class NeighboursConfig(Strict):
    """Settings of the neighbours part: which products go together."""

    ways: list[Literal["ease", "next"]] = Field(default=["ease", "next"], min_length=1)
    """Ways of counting to compare; the better one is used. `ease` is a regression of every product on all others,
    `next` counts what users buy on their next days of purchase."""
    steps: int = Field(default=3, ge=1)
    """For `next`: how many of a user's next days of purchase are searched for products that follow a product."""
    decay: float = Field(default=0.7, gt=0, le=1)
    """For `next`: factor by which the weight of a product of the user falls for each later day on which the user bought
    something; 1 gives all products the same weight."""
    cosine: float = Field(default=0.3, ge=0)
    """For `next`: weight of a buyer whom both products share; a purchase on the next day of purchase has the weight 1.
    0 uses only the products that are bought afterwards."""
    penalty: float = Field(default=1000.0, gt=0)
    """For `ease`: ridge penalty. A greater one trusts popular products more."""
    keep: int = Field(default=100, ge=1, le=1000)
    """Number of neighbours stored for each product. More give longer lists of candidates, and a larger model."""


class SequencePartConfig(SequenceConfig):
    """Settings of the sequence part: a Transformer over a user's purchases in order of time."""

    enabled: Literal["auto", "on", "off"] = "auto"
    """`auto`: train it if there are enough users, and use it in a list if it improves the list on the validation days
    for certain. `on`: always train it, and use it if it improves a list on average. `off`: never train it."""
    least_users: int = Field(default=500, ge=1)
    """With fewer users who bought on two days or more, `auto` does not train the Transformer."""
    min_steps: int = Field(default=300, ge=0)
    """Least number of optimizer steps of a training. If `loop.epochs` passes over little data give fewer steps, more
    passes are made."""

    _switch = field_validator("enabled", mode="before")(switch)

    @property
    def sizes(self) -> SequenceConfig:
        """The sizes of the Transformer without the other settings, as the model folder stores them."""
        return SequenceConfig(**{name: getattr(self, name) for name in SequenceConfig.model_fields})


class TextConfig(Strict):
    """Settings of the text part: products with too few buyers are found by their texts."""

    encoder: str = "auto"
    """`auto`: compares word vectors (tf-idf) with the encoder e5-small, if there are at most `most` distinct texts, and
    keeps the better. `off`: no text part, so products with too few buyers are not found by text. Else: the encoder to
    compare with tf-idf, as a folder, `name@digest`, or `owner/name` of the hub."""
    engine: EngineConfig = OpenVinoConfig()
    """Engine that runs the encoder."""
    columns: list[str] = Field(default=["title", "product_type", "category", "brand"], min_length=1)
    """Columns of `products` that are joined into a product's text."""
    most: int = Field(default=3000, ge=0)
    """Greatest number of distinct texts for which `auto` tries the encoder, which needs some hundredths of a second per
    text."""

    _switch = field_validator("encoder", mode="before")(switch)


class GateConfig(ShrinkGate):
    """What the recommender must achieve on the held-out days to be published."""

    users: int = Field(default=20, ge=1)
    """Least number of users who bought something on the held-out days."""
    certain: bool = True
    """true: one list must beat its baseline with 95 % confidence, and neither list may be worse beyond `worse` with
    that confidence. false: the mean gains decide; choose it for a shop with only some dozen users, where intervals are
    wide."""
    worse: float = Field(default=0.01, ge=0)
    """Greatest share of NDCG@10 that a list may lose against its baseline or against the live model; 0 allows no loss.
    Against the live model, a list is refused only if the loss exceeds this share with 95 % confidence."""


class TrainRecommenderConfig(JobConfig):
    """Settings of the job (`conf/*/train_recommender.yaml`)."""

    source: SourceConfig = SourceConfig()
    """Which entries of `user_sequences` the recommender learns from."""
    holdout_days: int = Field(default=30, ge=1)
    """Number of newest days on which the recommender is judged. Afterwards it is fitted to all days, these included."""
    validation_days: int = Field(default=30, ge=1)
    """Number of days before the held-out ones, on which settings and parts are chosen."""
    items: ItemsConfig = ItemsConfig()
    """Which products the recommender knows."""
    habit: HabitConfig = HabitConfig()
    """Settings of the habit part: what users buy again."""
    neighbours: NeighboursConfig = NeighboursConfig()
    """Settings of the neighbours part: which products go together."""
    sequence: SequencePartConfig = SequencePartConfig()
    """Settings of the Transformer over a user's purchases."""
    loop: LoopConfig = SEQUENCE_LOOP
    """The training loop of the Transformer."""
    workers: WorkersConfig = WorkersConfig()
    """Where the Transformer is trained, and on how many workers."""
    text: TextConfig = TextConfig()
    """Settings of the text part: products with too few buyers."""
    gates: GateConfig = GateConfig()
    """What the recommender must achieve to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the table with the users' histories, which every run reads."""
        return ("user_sequences",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: texts and groups of products, and groups of users."""
        return ("products", "users")

    def required_models(self) -> dict[str, str]:
        """Return the reference of the text encoder, if the configuration names one."""
        return {} if self.text.encoder in ("auto", "off") else {"text.encoder": self.text.encoder}
