"""Measure whole inference runs of several sizes, and compute from them what a large shop needs in time and memory.

- run ROWS ...: for each size, measures a first run of score_reviews on so many generated reviews, and a second run,
  which has nothing left to compute. Each size has its own process. The figures go to bench/results/scale.json;
- tables: prints what 100 million reviews, 10 million products and a billion transactions need on 1, 4 and 16 nodes,
  computed from these figures and the other files in bench/results (see scale_model.py). `--page` writes the tables into
  docs/evidence/scale.md.

The runs use score_reviews without its model: `QuickStage` makes results from a hash of the text and guesses no
language, so that only the machinery around the model is measured.

Run: python -m bench.scale run 100000 1000000 --json bench/results/scale.json
     python -m bench.scale tables --page
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from bench.quick_stage import QuickStage
from bench.scale_model import page_of
from bench.side_by_side import RESULTS, benchmark, cpu_seconds, peak_mb, reset_peak, save, stamp

os.environ["SHOPBATCH_ALLOW_FAKE"] = "1"  # the run without a model needs the fake engine

from shopbatch import sample
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.engines.configs import FakeConfig
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.run import run_inference
from shopbatch.inference.shards import shard_count
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store

TABLES = {"source": "reviews", "memo": "score_reviews_memo", "sink": "review_sentiment"}
PAGE = Path(__file__).parents[1] / "docs" / "evidence" / "scale.md"


class Watch:
    """Context manager that measures peak memory once a second until its block ends.

    Attributes:
        memory_mb: Peak memory of this process and its children together, in MB.
        store_mb: Peak size of the objects in Ray's object store, in MB.
    """

    def __init__(self) -> None:
        self.memory_mb = self.store_mb = 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _look(self) -> None:
        """Update the peaks once a second until the block ends; memory that the processes share is counted once."""
        me = psutil.Process()
        while not self.over.wait(1.0):
            own = shared = 0.0
            for process in me.children(recursive=True):
                try:
                    memory = process.memory_info()
                    own += memory.rss - memory.shared
                    shared = max(shared, memory.shared)
                except psutil.Error:
                    continue
            memory = me.memory_info()
            self.memory_mb = max(self.memory_mb, (own + shared + memory.rss - memory.shared) / 2**20)
            self.store_mb = max(self.store_mb, _in_store())


def _in_store() -> float:
    """Return the size of the objects in Ray's object store, with those spilled to disk, in MB; 0 if Ray is off."""
    import ray

    if not ray.is_initialized():
        return 0.0
    from ray._private.internal_api import memory_summary

    lines = memory_summary(stats_only=True).splitlines()
    held = [line for line in lines if line.startswith(("Plasma memory usage", "Spilled"))]
    return sum(float(line.split()[3 if line.startswith("Plasma") else 1]) for line in held)


def one_run(warehouse: str, rows: int, store_mb: int) -> dict[str, Any]:
    """Run score_reviews (with `QuickStage`) twice on a filled warehouse, and return the figures of both runs.

    Args:
        warehouse: Folder of the warehouse with the generated reviews.
        rows: Number of its reviews.
        store_mb: Memory limit of Ray's object store, in MB.

    Returns:
        An entry of the list `runs` in bench/results/scale.json: the limits, peaks of memory (MB), sizes of the tables,
        and under `first` and `second` the seconds, stages, rows and outcome of each run.
    """
    spec = Spec("score_reviews", REVIEWS, QuickStage(FakeConfig(), "", "", {"head": "bench"}), REVIEW_SENTIMENT,
                REVIEW_SENTIMENT_REJECTS)  # fmt: skip
    store, figures = Store(warehouse), dict[str, Any]()
    with ray_session(Platform(object_store_mb=store_mb)), Watch() as watch:
        for name in ("first", "second"):
            reset_peak()
            cpu, began = cpu_seconds(), time.perf_counter()
            report = Report(job="score_reviews")
            run_inference(spec, InferenceConfig(), store, report)
            told = report.to_dict()
            figures[name] = {
                "wall": round(time.perf_counter() - began, 2),
                "cpu": round(cpu_seconds() - cpu, 2),
                "driver_mb": round(peak_mb()),
                "stages": told["seconds"],
                "rows": told["rows"],
                "outcome": told["outcome"],
            }
    tables = {name: sizes(Path(warehouse) / table) for name, table in TABLES.items()}
    return {
        "rows": rows,
        "cpus": os.cpu_count(),
        "object_store_limit_mb": store_mb,
        "object_store_mb": round(watch.store_mb),
        "memory_mb": round(watch.memory_mb),
        "shards": shard_count(rows),
        "tables": tables,
        **figures,
    }


def sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of a table: `files`, `bytes` (its data files), `log_files` and `log_bytes` (its Delta log)."""
    inside = [p for p in folder.rglob("*") if p.is_file()]
    log = [p for p in inside if "_delta_log" in p.parts]
    data = [p for p in inside if p.suffix == ".parquet" and "_delta_log" not in p.parts]
    return {
        "files": len(data),
        "bytes": sum(p.stat().st_size for p in data),
        "log_files": len(log),
        "log_bytes": sum(p.stat().st_size for p in log),
    }


def runs(given: argparse.Namespace, argv: Sequence[str] | None) -> None:
    """Measure every size in its own process, so that none inherits the memory of another, and save the figures.

    Figures of sizes that are already in the JSON file are kept.

    Args:
        given: The parsed command line.
        argv: The arguments of the command line, for the record.
    """
    path = given.json
    known = json.loads(path.read_text("utf-8")) if path is not None and path.exists() else {}
    measured = {(each["rows"], each["object_store_limit_mb"]): each for each in known.get("runs", ())}
    for rows in map(int, given.rows):
        with tempfile.TemporaryDirectory(prefix="bench-scale-", dir=given.folder) as folder:
            sample.fill_generated(Store(folder), rows, 7, lines=0)
            command = [sys.executable, "-m", "bench.scale", "one", folder, str(rows), str(given.store_mb)]
            if given.here:
                each = one_run(folder, rows, given.store_mb)
            else:
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                each = json.loads(done.stdout.splitlines()[-1])
        first, second = each["first"], each["second"]
        print(f"{rows:,} reviews: first run {first['wall']} s ({first['cpu']} s of the processor), driver "
              f"{first['driver_mb']} MB, all processes {each['memory_mb']} MB, object store {each['object_store_mb']} "
              f"MB; a run with nothing to do {second['wall']} s", flush=True)  # fmt: skip
        measured[rows, given.store_mb] = each
        save({**stamp("scale", argv), "unit": "reviews", "runs": [measured[n] for n in sorted(measured)]}, path)


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the command line names: run, tables or one (a single size, called by `run`)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("rows", nargs="+")
    run.add_argument("--json", type=Path, default=None, help="where the figures go; sizes that are there are kept")
    run.add_argument("--folder", default=None, help="where the warehouses are made, and removed again")
    run.add_argument("--store-mb", type=int, default=1024, help="memory of Ray's object store")
    run.add_argument("--here", action="store_true", help="in this process")
    tables = commands.add_parser("tables")
    tables.add_argument("--page", nargs="?", type=Path, const=PAGE, default=None, help="write them into the page")
    tables.add_argument("--results", type=Path, default=RESULTS)
    one = commands.add_parser("one")
    one.add_argument("warehouse")
    one.add_argument("rows", type=int)
    one.add_argument("store_mb", type=int)
    given = parser.parse_args(argv)
    if given.command == "one":
        print(json.dumps(one_run(given.warehouse, given.rows, given.store_mb)))
    elif given.command == "run":
        runs(given, argv)
    else:
        print(page_of(given.results, given.page))


if __name__ == "__main__":
    main()
