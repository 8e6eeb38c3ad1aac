"""A shop's smallest inference job for tests of the machinery: fake engine, two tables, no model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from shopbatch.engines.engine import FakeConfig
from shopbatch.inference.recipe import InferenceConfig, Spec
from shopbatch.report import Report, new_run_id
from shopbatch.stages.sentiment import SentimentStage
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.store import Store


def reviews(rows: list[dict[str, Any]]) -> pa.Table:
    full = [{c.name: r.get(c.name) for c in REVIEWS.columns} for r in rows]
    return pa.Table.from_pylist(full, REVIEWS.schema())


def spec(model: str = "m1", **engine: Any) -> Spec:
    stage = SentimentStage(FakeConfig(**engine), "", "", {"head": model})
    return Spec("score_reviews", REVIEWS, stage, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS)


def put(store: Store, *tables: pa.Table) -> int:
    run = new_run_id()
    files = [store.write_file(REVIEWS, t, run, i) for i, t in enumerate(tables)]
    return store.commit(REVIEWS, files, "replace", run)


def run(store: Store, job: Spec, **config: Any) -> Report:
    from shopbatch.inference.run import run_inference

    settings = InferenceConfig(workers=2, **config)
    report = Report(job=job.job)
    run_inference(job, settings, store, report)
    return report


def warehouse(folder: Path) -> Store:
    return Store(str(folder / "warehouse"))
