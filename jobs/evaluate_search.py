"""judgements, product_embeddings -> each search method measured, fusion weights tuned -> search_quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.search.quality.config import EvaluateSearchConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: EvaluateSearchConfig, store: Store, report: Report) -> None:
    """Compare the published search with tuned BM25 on judged queries; publish its quality if it is accepted."""
    from shopbatch.capabilities.search.quality.run import evaluate_search

    evaluate_search(config, store, report)


JOB = Job("evaluate_search", EvaluateSearchConfig, run, alone=True, next="run embed_products")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
