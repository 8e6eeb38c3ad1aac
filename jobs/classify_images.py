"""image_vectors, products -> model `image-classifier` -> product_image_labels, and a page of contradictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.images.config import ClassifyImagesConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: ClassifyImagesConfig, store: Store, report: Report) -> None:
    """Say what pictures show, and where the catalogue says otherwise."""
    from shopbatch.capabilities.images.classify import classify_images

    classify_images(config, store, report)


JOB = Job(
    "classify_images", ClassifyImagesConfig, run, session="late ray", alone=True, next="show product_image_labels"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
