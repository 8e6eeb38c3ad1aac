"""The configurations of analyse_reviews and train_aspects. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig
from shopbatch.inference.config import InferenceConfig


class AnalyseReviewsConfig(InferenceConfig):
    """Configuration of the job analyse_reviews."""

    engine: EngineConfig
    """Engine that turns a clause into a vector: the one that train_aspects used."""
    model: str = "aspects@live"
    """Model of aspects to use: `name@live`, `name@digest` or a folder."""
    taxonomies: tuple[str, ...] = ()
    """Taxonomies that a review may belong to, of those that the model knows. Empty: all of them. With several, each
    review gets the one that its clauses speak for."""
    max_bytes: int = 100_000
    """Largest title or text in bytes; a longer one is rejected as too_long."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """The registered model, unless the engine loads none."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"model": self.model}


class AspectExamplesConfig(Strict):
    """Which clauses of the shop's reviews are learnt from, with labels from the lexicons and the stars."""

    clauses: int = Field(default=4000, ge=50)
    """Maximum number of clauses per taxonomy whose aspects come from its lexicon."""
    polar_clauses: int = Field(default=6000, ge=50)
    """Maximum number of clauses whose polarity comes from the stars or the label of their review."""
    seed: int = 0
    """Seed of the folds, the bootstrap intervals and the learning curve."""


class AspectFitConfig(Strict):
    """How the classifiers are fitted. Several values: the best is chosen by cross-validation on people's labels."""

    l2: tuple[float, ...] = Field(default=(0.01,), min_length=1)
    """L2 penalties to try."""
    label_weight: tuple[float, ...] = Field(default=(3.0, 10.0, 30.0), min_length=1)
    """Weights to try of a sentence that a person labelled, against 1 for a clause that the lexicon labelled."""
    polarity_weight: tuple[float, ...] = Field(default=(30.0, 300.0, 3000.0), min_length=1)
    """The same for polarity, against 1 for a clause whose review's stars say it. Stars are of the whole review and say
    little of a clause, so a label weighs more here; with the greatest the stars hardly count."""
    folds: int = Field(default=5, ge=2, le=20)
    """Number of parts of people's labels; all sentences of a review are in one."""
    steps: int = Field(default=60, ge=1)
    """Maximum number of L-BFGS iterations of one fit."""


class AspectGatesConfig(Strict):
    """What a model must reach to become live."""

    min_labels: int = Field(default=100, ge=0)
    """Labelled sentences of a taxonomy that are needed to judge it. With fewer the run is refused, unless
    `unjudged=true`."""
    unjudged: bool = False
    """Publish a model that people's labels do not show to be better than the lexicons: there are too few of them, or
    the difference is within chance. One that is certainly worse is refused all the same."""
    worse: float = Field(default=0.01, ge=0)
    """Largest macro-F1 by which a model may be below the live one on the same labels."""


class TrainAspectsConfig(JobConfig):
    """Configuration of the job train_aspects."""

    engine: EngineConfig
    """Engine that computes the vectors of the clauses."""
    encoder: str = "e5-small-aspects"
    """Encoder: `e5-small-aspects` (built from the sample's package), a folder, `name@digest`, or `owner/model` of the
    hub."""
    taxonomies: tuple[str, ...] = Field(default=("clothing",), min_length=1)
    """Taxonomies whose aspects are learnt: clothing, electronics, groceries, books, hotels, or paths of YAML files of
    the same form. With several, the model also learns to tell which one a review belongs to."""
    examples: AspectExamplesConfig = AspectExamplesConfig()
    """Which clauses are learnt from, beside people's labels."""
    fit: AspectFitConfig = AspectFitConfig()
    """How the classifiers are fitted."""
    gates: AspectGatesConfig = AspectGatesConfig()
    """What the model must reach to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)

    def optional_tables(self) -> tuple[str, ...]:
        """People's labels."""
        return ("aspect_labels",)

    def required_models(self) -> dict[str, str]:
        """The encoder, unless the engine loads none."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"encoder": self.encoder}
