"""The machinery without a model (fake engine) against bare Ray Data: read_parquet -> map_batches -> write_parquet.

Both process the same generated reviews with the same stage, in turn, in one Ray session.
Run: python bench/machinery.py --rows 1000000 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data

os.environ["SHOPBATCH_ALLOW_FAKE"] = "1"  # the machinery is measured without a model

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

STAGE = SentimentStage(FakeConfig(), "", "", {"head": "bench"})
SPEC = Spec("score_reviews", REVIEWS, STAGE, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS)
CONFIG = InferenceConfig()


def score(batch: pa.Table) -> pa.Table:
    """Score a batch as one would write it by hand: the stage over every row."""
    content = batch.select(list(STAGE.content))
    text = pc.fill_null(content["text"], "")
    first_attempt = np.ones(batch.num_rows, np.int8)
    raw = STAGE.open().run(pa.table([content["title"], text], names=["title", "text"]), first_attempt)
    passed = batch.select(["review_id", *STAGE.passthrough_columns])
    columns = STAGE.publish(passed, raw)
    return pa.table({"review_id": batch["review_id"], "product_id": batch["product_id"], **columns})


def ray_data(store: Store, out: str) -> float:
    """Measure the seconds of the bare pipeline."""
    began = time.monotonic()
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = 128 * 2**20
    uris = [f.uri for f in store.snapshot("reviews").files]
    data = ray.data.read_parquet(uris).select_columns(["review_id", *STAGE.passthrough_columns, *STAGE.content])
    data.map_batches(score, batch_size=4096, batch_format="pyarrow").write_parquet(out)
    return time.monotonic() - began


def shopbatch_run(store: Store) -> tuple[float, dict[str, Any]]:
    """Measure the seconds of a whole first run, and return its report too."""
    for name in ("review_sentiment", "review_sentiment_rejects", "score_reviews_memo", "_runs"):
        shutil.rmtree(Path(store.root) / name, ignore_errors=True)
    report = Report(job="score_reviews")
    began = time.monotonic()
    run_inference(SPEC, CONFIG, store, report)
    return time.monotonic() - began, report.to_dict()


def main() -> None:
    """Parse the command line, measure, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warehouse", default=None, help="keep the generated reviews here")
    arguments = parser.parse_args()
    folder = arguments.warehouse or tempfile.mkdtemp(prefix="shopbatch-bench-")
    store = Store(folder)
    if not store.exists("reviews"):
        sample.fill_generated(store, arguments.rows, 7)
    times: dict[str, list[float]] = {"ray data": [], "shopbatch": []}
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    last: dict[str, Any] = {}
    with ray_session(Platform(object_store_mb=4096)):
        for number in range(arguments.rounds + 1):  # the first round warms up and is not counted
            out = f"{folder}/_ray_data"
            shutil.rmtree(out, ignore_errors=True)
            a = ray_data(store, out)
            b, last = shopbatch_run(store)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            seconds = f"Ray Data {a:.1f} s, shopbatch {b:.1f} s, ratio {b / a:.2f}"
            print(f"round {number}: {seconds}, driver peak {peak:.0f} MB", flush=True)
            print(json.dumps({k: last[k] for k in ("rows", "seconds", "metrics") if k in last})[:700], flush=True)
            if number:
                times["ray data"].append(a)
                times["shopbatch"].append(b)
    medians = {k: statistics.median(v) for k, v in times.items()}
    share = last["metrics"]["memo"]["seconds"] / times["shopbatch"][-1]
    print(
        f"medians: {medians}; ratio {medians['shopbatch'] / medians['ray data']:.2f}; commits {share:.2%} of the time"
    )


if __name__ == "__main__":
    main()
