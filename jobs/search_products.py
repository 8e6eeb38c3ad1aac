"""queries -> query_embeddings (sentence encoder) -> search in the published index -> search_results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.search.config import SearchProductsConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: SearchProductsConfig, store: Store, report: Report) -> None:
    """Answer all queries of the table `queries` from the published search index, and publish `search_results`."""
    from shopbatch.capabilities.search.search_job import search_products

    search_products(config, store, report)


JOB = Job("search_products", SearchProductsConfig, run, alone=True, next="show search_results")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
