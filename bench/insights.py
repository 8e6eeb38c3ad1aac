"""Measure how the time of the job summarise_reviews grows with the number of clauses, and how much memory it needs.

    python -m bench.insights 1000000 10000000

Prints a JSON line per size (seconds by stage, peak memory of the driver). Then it prints how long 50 million clauses
would take, extrapolated by a straight line through the first and the last of these sizes.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from bench.side_by_side import benchmark

from shopbatch.capabilities.insights.config_summary import SummariseConfig
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
from shopbatch.runs.report import Report
from shopbatch.tables.review_aspects import ASPECT, CLAUSE, REMARK, REVIEW_ASPECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store

PER_REVIEW, PER_PRODUCT, CHUNK = 2.5, 50, 500_000  # clauses per review; reviews per product; reviews per file
NAMES = [f"aspect_{n}" for n in range(10)]
MONTHS, MEMORY, WARM, TARGET = 12, "4g", 20_000, 50_000_000
TEXT = "It runs far too small for me, but the fabric is lovely. I wish it had pockets."


def fill(store: Store, clauses: int) -> None:
    """Write generated reviews and their aspects into a warehouse: about 1.5 aspects in each review.

    Args:
        store: The warehouse.
        clauses: Number of clauses, from which the number of reviews follows (2.5 clauses a review).
    """
    draw, reviews = np.random.default_rng(0), int(clauses / PER_REVIEW)
    written: dict[str, list[Any]] = {REVIEWS.name: [], REVIEW_ASPECTS.name: []}
    for number, start in enumerate(range(0, reviews, CHUNK)):
        rows = min(CHUNK, reviews - start)
        ids = pa.array([f"r{start + i}" for i in range(rows)], pa.string())
        products = pa.array(draw.integers(0, reviews // PER_PRODUCT + 1, rows)).cast(pa.string())
        days = draw.integers(0, 30 * MONTHS, rows) * 86_400_000_000
        newest = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000
        common = {
            "review_id": ids,
            "product_id": products,
            "rating": pa.array(draw.integers(1, 6, rows).astype(np.int8)),
            "created_at": pa.array(newest - days).cast(pa.timestamp("us", tz="UTC")),
        }
        found = {
            **{n: pa.repeat(pa.scalar(v), rows) for n, v in (("language", "en"), ("taxonomy", "clothing"))},
            "aspects": _aspects(draw, rows),
            "remarks": pa.array([[]] * rows, pa.list_(REMARK)),
            "other": pa.array([[]] * rows, pa.list_(CLAUSE)),
            "clauses": pa.array(np.full(rows, 2, np.int32)),
            "content_hash": pa.repeat(pa.scalar("0" * 32), rows),
            "recipe": pa.repeat(pa.scalar("r1"), rows),
            "scored_at": common["created_at"],
            "run_id": pa.repeat(pa.scalar("run"), rows),
        }
        texts = {"text": pa.repeat(pa.scalar(TEXT), rows), "source": pa.repeat(pa.scalar("bench"), rows)}
        for table, columns in ((REVIEWS, common | texts), (REVIEW_ASPECTS, common | found)):
            data = table.fill(rows, **columns)
            written[table.name].append(store.write_file(table, data, "bench", number))
    for table in (REVIEWS, REVIEW_ASPECTS):
        store.commit(table, written[table.name], "replace", "bench")


def _aspects(draw: np.random.Generator, rows: int) -> pa.Array:
    """Return a list array of the column `aspects` with 0 to 3 different random aspects for each review."""
    counts = draw.integers(0, 4, rows)
    total, first = int(counts.sum()), np.repeat(draw.integers(0, len(NAMES), rows), counts)
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    p = draw.random((total, 3)).astype(np.float32)
    p /= p.sum(axis=1, keepdims=True)
    sides = np.array(["negative", "neutral", "positive"], object)[p.argmax(axis=1)]
    columns = [
        pa.array(np.array(NAMES, object)[(first + place) % len(NAMES)], pa.string()),
        pa.array(draw.random(total).astype(np.float32)),
        pa.array(sides, pa.string()),
        *(pa.array(p[:, i]) for i in range(3)),
        pa.repeat(pa.scalar("text"), total),
        pa.array(np.zeros(total, np.int32)),
        pa.array(np.full(total, 28, np.int32)),
    ]
    values = pa.StructArray.from_arrays(columns, fields=list(ASPECT))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=pa.list_(ASPECT))


def measure(warehouse: str, small: str) -> dict[str, Any]:
    """Run the job on the small warehouse to warm Spark up, then measure it on the large one.

    Args:
        warehouse: The warehouse to measure on.
        small: The warehouse for the warm-up.

    Returns:
        A dict: `whole` (seconds of the job), `seconds` (dict by stage), `numbers` (rows published) and `driver_mb`
        (peak memory of this process, in MB).
    """
    from shopbatch.capabilities.insights.summarise import summarise_reviews

    settings = SummariseConfig.model_validate({"discovery": {"clauses": 0}})
    with spark_session(Platform(spark=Spark(memory=MEMORY))) as spark:
        summarise_reviews(spark, settings, Store(small), Report(job="summarise_reviews"))
        report, start = Report(job="summarise_reviews"), time.monotonic()
        summarise_reviews(spark, settings, Store(warehouse), report)
        whole = time.monotonic() - start
    seconds = {name: round(stage.seconds, 2) for name, stage in report.stages.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"whole": round(whole, 2), "seconds": seconds, "numbers": report.rows.published, "driver_mb": round(peak)}


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Measure each size in its own process, and print the figures."""
    sizes = [int(word) for word in argv or ()] or [1_000_000, 10_000_000]
    points = []
    for clauses in sizes:
        folder = tempfile.mkdtemp(prefix="bench-insights-")
        try:
            stores = [Store(f"{folder}/{name}") for name in ("whole", "small")]
            for store, size in zip(stores, (clauses, min(clauses, WARM)), strict=True):
                fill(store, size)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                result = pool.submit(measure, *(store.root for store in stores)).result()
        finally:
            shutil.rmtree(folder)
        points.append((clauses, result["whole"]))
        print(
            json.dumps({"clauses": clauses, **result, "micros": round(1e6 * result["whole"] / clauses, 2)}), flush=True
        )
    if len(points) > 1:
        (a, x), (b, y) = points[0], points[-1]
        slope = (y - x) / (b - a)
        print(f"{TARGET:,} clauses by the slope of these: {y + slope * (TARGET - b):,.0f} s (extrapolated)")


if __name__ == "__main__":
    main(sys.argv[1:])
