"""Settings of the jobs on product pictures. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate
from shopbatch.engines.configs import WITHOUT_MODEL
from shopbatch.engines.images.configs import ImageEngineConfig
from shopbatch.inference.config import InferenceConfig


class EmbedImagesConfig(InferenceConfig):
    """Settings of the job `embed_images`, which computes a vector of each product picture."""

    engine: ImageEngineConfig
    """Engine that computes the vectors."""
    encoder: str = "efficientnet-lite0"
    """Image encoder: `efficientnet-lite0` (built from the sample's package), a folder, `name@digest`, or `owner/model`
    of the hub: CLIP, SigLIP or any vision model of transformers."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the table of pictures, which every run reads."""
        return ("product_images",)

    def required_models(self) -> dict[str, str]:
        """Return the reference of the encoder, unless the engine needs no model."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"encoder": self.encoder}


class FitConfig(Strict):
    """How the classifier (logistic regressions on fixed picture vectors) is fitted."""

    most_rows: int = Field(default=20_000, ge=100)
    """Greatest number of pictures used to fit and judge the classifier. If there are more, the hash of the file decides
    which are used, so every run uses the same ones."""
    least_rows: int = Field(default=20, ge=2)
    """Least number of distinct pictures that a class needs; rarer classes are left out, and are never predicted."""
    folds: int = Field(default=5, ge=2, le=20)
    """Number of folds. For each fold, one logistic regression is fitted to the pictures outside the fold; it then
    classifies the pictures of the fold."""
    held_out: float = Field(default=0.2, gt=0, lt=0.9)
    """Share (0..1) of the pictures that are held out from all fits, for the quality figures."""
    l2: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0)
    """L2 penalties to compare; the one with the lowest log loss on pictures not used in the fit is taken."""
    steps: int = Field(default=200, ge=1)
    """Greatest number of L-BFGS iterations of one fit; a larger number fits more exactly, and takes longer."""
    precision: float = Field(default=0.9, gt=0.5, lt=1)
    """Share of predicted labels that must be right. The classifier predicts no label for pictures below the probability
    that ensures this; a higher value labels fewer pictures."""
    confidence: float = Field(default=0.8, gt=0.5, lt=1)
    """Confidence (0.5..1) with which `precision` must be reached, measured on pictures not used in the fit; a higher
    value labels fewer pictures."""
    seed: int = 0
    """Seed of the bootstrap that gives the intervals in the report."""


class TrainGates(Strict):
    """What the classifier must achieve on the held-out pictures to be published."""

    pixels: float = Field(default=0.0, ge=-1, le=1)
    """Least lead in accuracy over a classifier of raw pixels (28 x 28 grey values), as a difference (-1..1). A negative
    value allows the classifier to be worse than that."""
    worse: float = Field(default=0.02, ge=0, le=1)
    """Greatest loss of accuracy (0..1) against the live model, on the same pictures."""
    coverage: float = Field(default=0.2, ge=0, le=1)
    """Least share (0..1) of the pictures for which it predicts a label instead of abstaining."""


class TrainImageClassifierConfig(JobConfig):
    """Settings of the job `train_image_classifier` (`conf/*/train_image_classifier.yaml`)."""

    label: Literal["category", "product_type", "department", "division"] = "category"
    """Column of `products` whose values are the classes to predict."""
    fit: FitConfig = FitConfig()
    """How the classifier is fitted."""
    gates: TrainGates = TrainGates()
    """What the classifier must achieve to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables of vectors, pictures and products, which every run reads."""
        return ("image_vectors", "product_images", "products")


class PageConfig(Strict):
    """Settings of the web page with pictures that a run writes beside its report."""

    pictures: int = Field(default=120, ge=0, le=2000)
    """Greatest number of pictures in a section of the page; each adds about three kilobytes. 0 shows none."""


class ClassifyImagesConfig(JobConfig):
    """Settings of the job `classify_images` (`conf/*/classify_images.yaml`)."""

    model: str = "image-classifier@live"
    """The classifier to use: `name@live`, `name@digest` or a folder."""
    contradiction: float = Field(default=0.05, gt=0, lt=0.5)
    """A picture contradicts the catalogue if the classifier is sure of another class, and gives the catalogue's class
    at most this probability. A smaller value reports fewer, surer contradictions."""
    page: PageConfig = PageConfig()
    """Settings of the page with pictures."""
    gates: ShrinkGate = ShrinkGate()
    """Limits that the new table must meet before it is published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables of vectors, pictures and products, which every run reads."""
        return ("image_vectors", "product_images", "products")

    def required_models(self) -> dict[str, str]:
        """Return the reference of the classifier, which must exist."""
        return {"model": self.model}


class FindSimilarImagesConfig(JobConfig):
    """Settings of the job `find_similar_images` (`conf/*/find_similar_images.yaml`)."""

    k: int = Field(default=10, ge=1, le=100)
    """Number of similar pictures that are listed for each picture."""
    texts: tuple[str, ...] = ()
    """Texts such as "red shoe", whose best pictures the page shows. They need an encoder that also reads texts, such as
    CLIP."""
    page: PageConfig = PageConfig()
    """Settings of the page with pictures."""
    gates: ShrinkGate = ShrinkGate()
    """Limits that the new table must meet before it is published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables of vectors and pictures, which every run reads."""
        return ("image_vectors", "product_images")
