"""Compare the speed of an inference job without a model (fake engine) with plain Ray Data and plain pyarrow.

Without a model, only the machinery around it is measured: finding new rows, the memo (cache of results), quality gates
and commits. Three sides score the same generated reviews with the same stage (the code that scores a batch), in turn:

- shopbatch: the whole job score_reviews;
- plain Ray Data: read_parquet -> map_batches -> write_parquet in the same Ray session;
- pyarrow alone (with --pyarrow): one loop over files in this process, on one core.

The two peers of shopbatch neither find repeated texts nor keep a memo, check anything or commit.

Run: python -m bench.machinery --rows 1000000 --json bench/results/machinery.json
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray
import ray.data

os.environ["SHOPBATCH_ALLOW_FAKE"] = "1"  # the run without a model needs the fake engine

from bench.quick_stage import QuickStage
from bench.side_by_side import Side, alternate, benchmark, parser, record, spread

from shopbatch import sample
from shopbatch.capabilities.sentiment.stage import SentimentStage
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.engines.configs import FakeConfig
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store

EMPTY = (FakeConfig(), "", "", {"head": "bench"})
STAGE = SentimentStage(*EMPTY)
SPEC = Spec("score_reviews", REVIEWS, STAGE, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS)
CONFIG = InferenceConfig()


def score(batch: pa.Table, stage: SentimentStage = STAGE) -> pa.Table:
    """Score a batch of reviews as one would write it by hand: run the stage on every row.

    Args:
        batch: Rows of `reviews` with the stage's columns.
        stage: The stage of score_reviews, or `QuickStage`.

    Returns:
        review_id, product_id and the published columns of the stage, in the order of the rows.
    """
    content = batch.select(list(stage.content))
    text = pc.fill_null(content["text"], "")
    first_attempt = np.ones(batch.num_rows, np.int8)
    raw = stage.open().run(pa.table([content["title"], text], names=["title", "text"]), first_attempt)
    passed = batch.select(["review_id", *stage.passthrough_columns])
    columns = stage.publish(passed, raw)
    return pa.table({"review_id": batch["review_id"], "product_id": batch["product_id"], **columns})


def files_of(store: Store) -> list[str]:
    """Return the addresses of the Parquet files of the table `reviews`."""
    return [f.uri for f in store.snapshot("reviews").files]


def ray_data(store: Store, out: str, stage: SentimentStage) -> None:
    """Score all reviews with plain Ray Data, and write the result as Parquet files into the folder `out`."""
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = 128 * 2**20
    data = ray.data.read_parquet(files_of(store))
    data = data.select_columns(["review_id", *STAGE.passthrough_columns, *STAGE.content])
    of_stage = {"stage": stage}
    data.map_batches(score, fn_kwargs=of_stage, batch_size=4096, batch_format="pyarrow").write_parquet(out)


def pyarrow_alone(store: Store, out: str, stage: SentimentStage) -> None:
    """Read, score and write all reviews batch by batch with pyarrow in this process, into the new folder `out`."""
    os.makedirs(out)
    columns = list(dict.fromkeys(["review_id", *STAGE.passthrough_columns, *STAGE.content]))
    for number, uri in enumerate(files_of(store)):
        writer = None
        for batch in pq.ParquetFile(uri).iter_batches(4096, columns=columns):
            scored = score(pa.Table.from_batches([batch]), stage)
            writer = writer or pq.ParquetWriter(f"{out}/{number}.parquet", scored.schema)
            writer.write_table(scored)
        if writer is not None:
            writer.close()


def shopbatch_run(store: Store, stage: SentimentStage = STAGE) -> tuple[float, dict[str, Any]]:
    """Delete earlier results and run score_reviews from the start; return its seconds and its report as a dict."""
    forget(store)
    report = Report(job="score_reviews")
    began = time.monotonic()
    run_inference(replace(SPEC, stage=stage), CONFIG, store, report)
    return time.monotonic() - began, report.to_dict()


def forget(store: Store) -> None:
    """Delete the tables, the memo and the reports that a run of score_reviews has made."""
    for name in ("review_sentiment", "review_sentiment_rejects", "score_reviews_memo", "_runs"):
        shutil.rmtree(Path(store.root) / name, ignore_errors=True)


@benchmark
def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Generate reviews, measure all sides, print the comparison, and return the figures that --json writes."""
    made = parser(__doc__, rows=1_000_000)
    made.add_argument("--warehouse", default=None, help="keep the generated reviews here")
    made.add_argument("--quick", action="store_true", help="a stage that guesses no language: the machinery alone")
    made.add_argument("--pyarrow", action="store_true", help="also one loop with pyarrow alone, on one core")
    given = made.parse_args(argv)
    folder = given.warehouse or tempfile.mkdtemp(prefix="shopbatch-bench-")
    stage = QuickStage(*EMPTY) if given.quick else STAGE
    store, reports = Store(folder), list[dict[str, Any]]()
    if not store.exists("reviews"):
        sample.fill_generated(store, given.rows, 7, lines=0)
    out = f"{folder}/_peer"

    def clear() -> None:
        shutil.rmtree(out, ignore_errors=True)

    def ours() -> None:
        reports.append(shopbatch_run(store, stage)[1])

    sides = [
        Side("shopbatch", ours, ours=True, before=lambda: forget(store)),
        Side("plain Ray Data", lambda: ray_data(store, out, stage), before=clear),
        *([Side("pyarrow alone", lambda: pyarrow_alone(store, out, stage), before=clear)] if given.pyarrow else []),
    ]
    try:
        with ray_session(Platform(object_store_mb=min(4096, max(256, given.rows // 250)))):
            taken = alternate(sides, given.rounds)
    finally:
        clear()
        if given.warehouse is None:
            shutil.rmtree(folder, ignore_errors=True)
    counted = reports[-given.rounds :]
    stages = {name: spread([r["seconds"][name] for r in counted], 2) for name in counted[0]["seconds"]}
    commits = [r["metrics"]["memo"]["seconds"] / sum(r["seconds"].values()) for r in counted]
    pairs = zip(taken["shopbatch"].wall, taken["plain Ray Data"].wall, strict=True)
    times = spread([own / bare for own, bare in pairs])
    more = {
        "agreement": {"rows": counted[-1]["rows"]},
        "not_run": {},
        "notes": {"job / plain Ray Data by the clock": times, "stages": stages, "commits": spread(commits, 4)},
    }
    return record("machinery", "reviews", given.rows, taken, given.json, argv, **more)


if __name__ == "__main__":
    main()
