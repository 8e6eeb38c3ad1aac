"""The configurations of moderate_reviews and train_moderation. Cheap to import."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.engines.configs import EngineConfig
from shopbatch.inference.config import InferenceConfig

Action = Literal["publish", "mask", "hold"]


class Actions(Strict):
    """What becomes of a review in which something of a kind is found. Of several kinds the strictest action counts."""

    insult: Action = "hold"
    """A person is demeaned: the seller, staff, a courier, another customer."""
    threat: Action = "hold"
    """Violence, damage, stalking or the publication of private data is announced."""
    slander: Action = "hold"
    """A group of people is demeaned: by origin, religion, sex, orientation, disability."""
    contact: Action = "mask"
    """A way to be reached outside of the shop: a number, an address, an id, a link."""
    advert: Action = "hold"
    """Something else is promoted: another shop, jobs, loans, games of chance, coupons, bought reviews."""
    profanity: Action = "mask"
    """Swear words, whoever they are aimed at."""


class ModerateReviewsConfig(InferenceConfig):
    """Configuration of the job moderate_reviews."""

    engine: EngineConfig | None = None
    """Engine that turns a sentence into a vector for the model. null: the word lists alone, which need none."""
    model: str = "moderation@live"
    """Model to use beside the word lists: `name@live`, `name@digest` or a folder. `moderation@live` means the one that
    ships with the package as long as `train_moderation` has published none."""
    actions: Actions = Actions()
    """The action by kind. A changed one publishes again from what is kept, and computes nothing."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)


class ModerationExamples(Strict):
    """What the model learns from."""

    wordings: int = Field(default=8, ge=1, le=100)
    """Most wordings of one line of an example file."""
    own: tuple[str, ...] = ()
    """Text files of the shop's own examples, one a line, named KIND.LANGUAGE.txt (`threat.en.txt`, `benign.zh.txt`)."""
    own_weight: float = Field(default=3.0, gt=0)
    """How many lines of the package one line of the shop's own counts as."""
    reviews: int = Field(default=1500, ge=0)
    """Most reviews of each language from which the model learns how harmless ones read: those in which the lists find
    nothing, chosen by hash. 0, or no table `reviews`: none."""
    neighbours: float = Field(default=0.5, ge=0, le=1)
    """Share of the examples that are also learnt with a harmless sentence before or after them."""


class ModerationFit(Strict):
    """How the classifiers are fitted to the vectors of an encoder that does not change."""

    penalty: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(30.0, 100.0), min_length=1)
    """L2 penalties to choose from, by the log loss in cross-validation."""
    trait_scale: float = Field(default=3.0, gt=0)
    """Size of a trait (a class of the lists that occurs) beside a number of the vector, whose variance is 1."""
    review_weight: float = Field(default=0.3, gt=0)
    """What a review that is taken to be harmless counts, against 1 for a line."""
    alarms: float = Field(default=0.015, gt=0, lt=1)
    """Share of the harmless examples, which are made to look harmful, that may be found: it sets the thresholds."""
    floor: float = Field(default=0.3, ge=0, lt=1)
    """Least probability of a kind at which what the lists find of it counts: below it, the model overrules them."""
    folds: int = Field(default=5, ge=2, le=20)
    """Parts of the cross-validation; all wordings of a line are in one."""
    steps: int = Field(default=80, ge=1)
    """Maximum number of L-BFGS iterations of one fit."""
    seed: int = 0
    """Seed of what is drawn."""


class ModerationGates(Strict):
    """What the model must reach on examples that it did not learn from."""

    recall: float = Field(default=0.5, ge=0, le=1)
    """Least share of the harmful examples that the model alone finds."""
    worse: float = Field(default=0.02, ge=0, le=1)
    """Most that this share may lie below that of the live model, both judged on the example files."""


class TrainModerationConfig(JobConfig):
    """Configuration of the job train_moderation."""

    engine: EngineConfig
    """Engine that computes the vectors of the examples: the one that moderate_reviews uses."""
    encoder: str = "e5-small"
    """Encoder: `e5-small` (built from the sample's package), a folder, `name@digest`, or `owner/model` of the hub."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    examples: ModerationExamples = ModerationExamples()
    """What the model learns from."""
    fit: ModerationFit = ModerationFit()
    """How the classifiers are fitted."""
    gates: ModerationGates = ModerationGates()
    """What the model must reach to be published."""

    def optional_tables(self) -> tuple[str, ...]:
        """The table that a run reads if it exists."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """The encoder."""
        return {"encoder": self.encoder}
