"""image_vectors, products -> model `image-classifier` -> product_image_labels, a page of contradictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.images.config import ClassifyImagesConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: ClassifyImagesConfig, store: Store, report: Report) -> None:
    """Classify all pictures, publish their labels, and write a page of pictures that contradict the catalogue."""
    from shopbatch.capabilities.images.classify import classify_images

    classify_images(config, store, report)


JOB = Job(
    "classify_images", ClassifyImagesConfig, run, session="late ray", alone=True, next="show product_image_labels"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
