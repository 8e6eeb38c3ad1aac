"""product_images -> image encoder -> image_vectors, image_vectors_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.images.config import EmbedImagesConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: EmbedImagesConfig, store: Store, report: Report) -> None:
    """Embed the new and changed pictures and publish their vectors in `image_vectors`."""
    from shopbatch.capabilities.images.run import embed_images

    embed_images(config, store, report)


_SPECS = later("shopbatch.capabilities.images.run:image_specs")
JOB = Job("embed_images", EmbedImagesConfig, run, specs=_SPECS, next="run find_similar_images")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
