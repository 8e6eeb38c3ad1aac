"""Settings of the jobs `analyse_reviews` and `train_aspects`. Cheap to import: no model library is loaded."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig
from shopbatch.inference.config import InferenceConfig


class AnalyseReviewsConfig(InferenceConfig):
    """Settings of the job `analyse_reviews` (`conf/*/analyse_reviews.yaml`)."""

    engine: EngineConfig
    """Engine that encodes each clause of a review as a vector. It must be the engine that `train_aspects` used."""
    model: str = "aspects@live"
    """Aspect model that labels the clauses: `name@live`, `name@digest` or a folder. `train_aspects` publishes
    `aspects`."""
    taxonomies: tuple[str, ...] = ()
    """Names of the taxonomies (sets of aspects, such as clothing or hotels) that a review may be assigned to. The model
    must know them. Empty: all that the model knows. With several, each review gets the taxonomy with the highest mean
    score of its clauses."""
    max_bytes: int = 100_000
    """Largest size of a title or a text in bytes of UTF-8. A longer one is rejected with the reason too_long."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that must exist for a run: `reviews`."""
        return ("reviews",)

    def required_models(self) -> dict[str, str]:
        """Return the models that must be registered, as config key -> reference; {} if the engine loads no model."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"model": self.model}


class AspectExamplesConfig(Strict):
    """Limits on the review clauses that `train_aspects` learns from, with automatic (weak) labels.

    The aspect labels come from the taxonomies' lexicons, the polarity labels from the reviews' stars or `label` column.
    """

    clauses: int = Field(default=4000, ge=50)
    """Maximum number of clauses per taxonomy whose aspects are labelled by the taxonomy's lexicon. More clauses make
    training slower."""
    polar_clauses: int = Field(default=6000, ge=50)
    """Maximum number of clauses, over all taxonomies, whose polarity is taken from the stars or the `label` of their
    review."""
    seed: int = 0
    """Random seed of the cross-validation folds, the bootstrap intervals and the learning curve."""


class AspectFitConfig(Strict):
    """Hyperparameters of the classifiers that `train_aspects` fits.

    Where a field lists several values, cross-validation on the sentences that people labelled chooses the best one.
    """

    l2: tuple[float, ...] = Field(default=(0.01,), min_length=1)
    """L2 penalties to try. A greater one keeps the weights of the classifiers smaller."""
    label_weight: tuple[float, ...] = Field(default=(3.0, 10.0, 30.0), min_length=1)
    """Weights to try, in the aspect classifiers, of a sentence that a person labelled. A clause that the lexicon
    labelled has weight 1 (0.5 if it has no word of the lexicon)."""
    polarity_weight: tuple[float, ...] = Field(default=(30.0, 300.0, 3000.0), min_length=1)
    """Weights to try, in the polarity classifier, of a label by a person. A clause labelled by its review's stars has
    weight 1 on average. Stars rate the whole review and say little about one clause, so people's labels weigh more
    here; with the greatest value the stars hardly count."""
    folds: int = Field(default=5, ge=2, le=20)
    """Number of cross-validation folds of the labelled sentences. All sentences of a review are in the same fold."""
    steps: int = Field(default=60, ge=1)
    """Maximum number of L-BFGS iterations of one fit."""


class AspectGatesConfig(Strict):
    """Conditions that a new aspect model must meet before `train_aspects` publishes it as live."""

    min_labels: int = Field(default=100, ge=0)
    """Least number of labelled sentences that every taxonomy needs for the model to be judged. With fewer, the run is
    refused unless `unjudged=true`."""
    unjudged: bool = False
    """Publish the model even if people's labels do not show that it beats the lexicons, because there are too few
    labels or the difference is within chance. A model that is certainly worse than the lexicons is refused all the
    same."""
    worse: float = Field(default=0.01, ge=0)
    """Largest drop of macro-F1 (0 to 1) against the live model, on the same labels, with which a model is still
    published. 0: it must not be worse at all."""


class TrainAspectsConfig(JobConfig):
    """Settings of the job `train_aspects` (`conf/*/train_aspects.yaml`)."""

    engine: EngineConfig
    """Engine that encodes the clauses as vectors, on which the classifiers are trained."""
    encoder: str = "e5-small-aspects"
    """Text encoder: `e5-small-aspects` (built from the sample's package), a folder, `name@digest`, or `owner/model` of
    the hub."""
    taxonomies: tuple[str, ...] = Field(default=("clothing",), min_length=1)
    """Taxonomies whose aspects are learnt: clothing, electronics, groceries, books, hotels, or paths of YAML files of
    the same form. With several, the model also learns to tell which one a review belongs to."""
    examples: AspectExamplesConfig = AspectExamplesConfig()
    """Limits on the automatically labelled clauses that are learnt from, besides the sentences that people labelled."""
    fit: AspectFitConfig = AspectFitConfig()
    """Hyperparameters of the classifiers."""
    gates: AspectGatesConfig = AspectGatesConfig()
    """Conditions that the model must meet to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that must exist for a run: `reviews`."""
        return ("reviews",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: `aspect_labels`, the labels that people gave."""
        return ("aspect_labels",)

    def required_models(self) -> dict[str, str]:
        """Return the models that must be available, as config key -> reference; {} if the engine loads no model."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"encoder": self.encoder}
