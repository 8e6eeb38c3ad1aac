"""judgements, products -> encoder trained on queries and useful products -> model `search-encoder`, if better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.search.retriever.config import FinetuneRetrieverConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: FinetuneRetrieverConfig, store: Store, report: Report) -> None:
    """Train the search encoder on judged queries, and publish it if search gets better on held-out queries."""
    from shopbatch.capabilities.search.retriever.run import finetune_retriever

    finetune_retriever(config, store, report)


JOB = Job(
    "finetune_retriever",
    FinetuneRetrieverConfig,
    run,
    estimate=later("shopbatch.capabilities.search.retriever.estimate:estimate"),
    alone=True,
    makes=("search-encoder",),
    next="run embed_products encoder=search-encoder@live",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
