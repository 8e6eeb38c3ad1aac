"""The configurations of the jobs about pictures. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.shrink_gate import ShrinkGate
from shopbatch.engines.configs import WITHOUT_MODEL
from shopbatch.engines.images.configs import ImageEngineConfig
from shopbatch.inference.config import InferenceConfig


class EmbedImagesConfig(InferenceConfig):
    """Configuration of the job embed_images."""

    engine: ImageEngineConfig
    """Engine that turns a picture into a vector."""
    encoder: str = "efficientnet-lite0"
    """Image encoder: `efficientnet-lite0` (built from the sample's package), a folder, `name@digest`, or `owner/model`
    of the hub: CLIP, SigLIP or any vision model of transformers."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("product_images",)

    def required_models(self) -> dict[str, str]:
        """The encoder, unless the engine loads none."""
        return {} if self.engine.kind in WITHOUT_MODEL else {"encoder": self.encoder}


class FitConfig(Strict):
    """How the classifier is fitted to vectors that do not change."""

    most_rows: int = Field(default=20_000, ge=100)
    """Most pictures that are learnt from and judged by, chosen by a hash."""
    least_rows: int = Field(default=20, ge=2)
    """Pictures that a class needs; rarer classes are left out, and the classifier never says them."""
    folds: int = Field(default=5, ge=2, le=20)
    """How many heads are fitted, each without one part of the pictures, which it then classifies."""
    held_out: float = Field(default=0.2, gt=0, lt=0.9)
    """Share of the pictures that no head learns from: the figures are of these."""
    l2: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0)
    """L2 penalties to try; the one with the lowest log loss on pictures that it has not seen is kept."""
    steps: int = Field(default=200, ge=1)
    """Maximum number of L-BFGS iterations of one fit."""
    precision: float = Field(default=0.9, gt=0.5, lt=1)
    """Share of right labels that the classifier has to reach where it says one; elsewhere it abstains."""
    confidence: float = Field(default=0.8, gt=0.5, lt=1)
    """How certain that has to be, by pictures that a head has not learnt from."""
    seed: int = 0
    """Seed of the bootstrap."""


class TrainGates(Strict):
    """What the classifier must reach to be published."""

    pixels: float = Field(default=0.0, ge=-1, le=1)
    """Least lead of its accuracy over a classifier of raw pixels (28 x 28 grey values), on the same test pictures."""
    worse: float = Field(default=0.02, ge=0, le=1)
    """Most that its accuracy may lie below that of the live model, on the same test pictures."""
    coverage: float = Field(default=0.2, ge=0, le=1)
    """Least share of the test pictures for which it says a label."""


class TrainImageClassifierConfig(JobConfig):
    """Configuration of the job train_image_classifier."""

    label: Literal["category", "product_type", "department", "division"] = "category"
    """Column of the catalogue that names the classes."""
    fit: FitConfig = FitConfig()
    """How the classifier is fitted."""
    gates: TrainGates = TrainGates()
    """What it must reach to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("image_vectors", "product_images", "products")


class PageConfig(Strict):
    """What the page with pictures shows."""

    pictures: int = Field(default=120, ge=0, le=2000)
    """Most pictures of one section; each takes about three kilobytes of the page."""


class ClassifyImagesConfig(JobConfig):
    """Configuration of the job classify_images."""

    model: str = "image-classifier@live"
    """Classifier: `name@live`, `name@digest` or a folder."""
    contradiction: float = Field(default=0.05, gt=0, lt=0.5)
    """A picture contradicts the catalogue if the classifier is sure of another class, and gives the catalogue's no more
    than this probability."""
    page: PageConfig = PageConfig()
    """What the page with pictures shows."""
    gates: ShrinkGate = ShrinkGate()
    """What the candidate must pass before it is published."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("image_vectors", "product_images", "products")

    def required_models(self) -> dict[str, str]:
        """The classifier."""
        return {"model": self.model}


class FindSimilarImagesConfig(JobConfig):
    """Configuration of the job find_similar_images."""

    k: int = Field(default=10, ge=1, le=100)
    """Similar pictures of each picture."""
    texts: tuple[str, ...] = ()
    """Words whose pictures the report shows, such as "red shoe". They need an encoder such as CLIP."""
    page: PageConfig = PageConfig()
    """What the page with pictures shows."""
    gates: ShrinkGate = ShrinkGate()
    """What the candidate must pass before it is published."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("image_vectors", "product_images")
