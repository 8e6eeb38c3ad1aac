"""image_vectors, product_images -> exact vector search, perceptual hashes -> similar_images, a page of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.images.config import FindSimilarImagesConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: FindSimilarImagesConfig, store: Store, report: Report) -> None:
    """Find duplicates of pictures and similar pictures of other products; publish them and write a page."""
    from shopbatch.capabilities.images.similar import find_similar_images

    find_similar_images(config, store, report)


JOB = Job(
    "find_similar_images", FindSimilarImagesConfig, run, session="late ray", alone=True, next="show similar_images"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
