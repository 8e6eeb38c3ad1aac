"""products -> vectors (sentence encoder) and a search index -> product_embeddings, product_embeddings_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.search.config import EmbedProductsConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: EmbedProductsConfig, store: Store, report: Report) -> None:
    """Embed the new and changed products, and publish all vectors together with a new search index."""
    from shopbatch.capabilities.search.run import embed_products

    embed_products(config, store, report)


_SPECS = later("shopbatch.capabilities.search.run:product_specs")
_NEXT = 'search "winter coat"'
JOB = Job("embed_products", EmbedProductsConfig, run, specs=_SPECS, text="title", next=_NEXT)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
