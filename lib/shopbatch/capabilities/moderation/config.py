"""Settings of the jobs moderate_reviews and train_moderation (`conf/*/`). Importing it loads no backend."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.engines.configs import EngineConfig
from shopbatch.inference.config import InferenceConfig

Action = Literal["publish", "mask", "hold"]


class Actions(Strict):
    """What happens to a review with a finding of each kind: `publish` it, `mask` the words, or `hold` it for a person.

    If a review has findings of several kinds, the strictest action is taken.
    """

    insult: Action = "hold"
    """A person is demeaned: the seller, staff, a courier, another customer."""
    threat: Action = "hold"
    """Someone announces violence, damage, stalking or the publication of private data."""
    slander: Action = "hold"
    """A group of people is demeaned by origin, religion, sex, orientation or disability."""
    contact: Action = "mask"
    """Contact details outside the shop: a phone number, an address, a messenger id, a link."""
    advert: Action = "hold"
    """The review promotes something else: another shop, jobs, loans, gambling, coupons, bought reviews."""
    profanity: Action = "mask"
    """Swear words, whoever they are aimed at."""


class ModerateReviewsConfig(InferenceConfig):
    """Settings of the job moderate_reviews."""

    engine: EngineConfig | None = None
    """Engine that encodes sentences as vectors for the model. null: only the word lists are used, which need no
    engine."""
    model: str = "moderation@live"
    """Model that is used besides the word lists: `name@live`, `name@digest` or a folder. `moderation@live` is the model
    shipped with the package until `train_moderation` publishes one. Ignored if `engine` is null."""
    actions: Actions = Actions()
    """Action for each kind of finding. A change only publishes the table again from the memo; nothing is computed."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that must exist for a run: the reviews."""
        return ("reviews",)


class ModerationExamples(Strict):
    """Settings for the training examples: which examples are used, and with what weight."""

    wordings: int = Field(default=8, ge=1, le=100)
    """Greatest number of different texts that are generated from one line of the package's example files."""
    own: tuple[str, ...] = ()
    """Text files with the shop's own examples, one per line, named KIND.LANGUAGE.txt (`threat.en.txt`,
    `benign.zh.txt`)."""
    own_weight: float = Field(default=3.0, gt=0)
    """Training weight of one line of the shop's own examples, relative to one line of the package's."""
    reviews: int = Field(default=1500, ge=0)
    """Greatest number of Chinese reviews, and of other reviews, used as harmless examples: reviews in which the word
    lists find nothing, chosen by hash. 0, or no table `reviews`: none."""
    neighbours: float = Field(default=0.5, ge=0, le=1)
    """Share (0 to 1) of the examples that are also trained on with a harmless sentence before or after them, as
    sentences stand in real reviews."""


class ModerationFit(Strict):
    """Settings of the classifiers, which are fitted to the vectors of a fixed encoder."""

    penalty: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(30.0, 100.0), min_length=1)
    """L2 penalties to try. The one with the lowest log loss in cross-validation is used."""
    trait_scale: float = Field(default=3.0, gt=0)
    """Size of a trait (1 if a word class of the lists occurs) among the classifier's inputs, where each number of the
    encoder's vector has variance 1. Higher: the word lists count more."""
    review_weight: float = Field(default=0.3, gt=0)
    """Training weight of a review's sentence that is assumed to be harmless, relative to 1 for a line of an example
    file."""
    alarms: float = Field(default=0.015, gt=0, lt=1)
    """Share of the harmless examples that the model may wrongly flag; the thresholds are set by it. These examples were
    written to look harmful, so on real reviews the share is lower. Higher: more harm is found, with more false
    alarms."""
    floor: float = Field(default=0.3, ge=0, lt=1)
    """Least probability of a kind, over all passages of a text, at which findings of the word lists are accepted. Below
    it the model overrules the lists. 0: it never does."""
    folds: int = Field(default=5, ge=2, le=20)
    """Number of parts of the cross-validation. All texts that come from one line of an example file are in the same
    part."""
    steps: int = Field(default=80, ge=1)
    """Maximum number of L-BFGS iterations of one fit."""
    seed: int = 0
    """Random seed for the choice of examples and sentences that `examples.neighbours` combines."""


class ModerationGates(Strict):
    """Limits that a new model must meet before it becomes live."""

    recall: float = Field(default=0.5, ge=0, le=1)
    """Gate: least share (0 to 1) of the harmful examples that the model alone must find in cross-validation."""
    worse: float = Field(default=0.02, ge=0, le=1)
    """Gate: by how much the share of harmful examples found may lie below that of the live model. Both models are
    judged on the example files, at thresholds that flag the same share of harmless examples."""


class TrainModerationConfig(JobConfig):
    """Settings of the job train_moderation."""

    engine: EngineConfig
    """Engine that encodes the examples as vectors. It must be the one that moderate_reviews uses."""
    encoder: str = "e5-small"
    """Encoder model: `e5-small` (built from the sample's package), a folder, `name@digest`, or `owner/model` of the
    hub."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that encode the examples."""
    examples: ModerationExamples = ModerationExamples()
    """Settings of the training examples."""
    fit: ModerationFit = ModerationFit()
    """Settings of the classifiers."""
    gates: ModerationGates = ModerationGates()
    """Limits that a new model must meet before it becomes live."""

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: the reviews."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """Return the models that must exist for a run: {"encoder": its name}."""
        return {"encoder": self.encoder}
