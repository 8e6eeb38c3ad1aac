"""image_vectors, product_images, products -> calibrated classifier on the vectors -> model `image-classifier`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.images.config import TrainImageClassifierConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainImageClassifierConfig, store: Store, report: Report) -> None:
    """Train, evaluate and publish the classifier; skip if the live one was made from the same data and settings."""
    from shopbatch.capabilities.images.train import train_image_classifier

    train_image_classifier(config, store, report)


JOB = Job(
    "train_image_classifier",
    TrainImageClassifierConfig,
    run,
    session="late ray",
    alone=True,
    makes=("image-classifier",),
    next="run classify_images",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
