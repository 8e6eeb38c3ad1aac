"""Measure the whole job build_user_profiles on a generated shop of a given size: seconds, memory, spilled bytes.

bench/user_profiles.py calls this module (mode `growth`).
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from bench.profile_tools import build, cpu_seconds, fresh, java_pid, peak_mb, spilled

from shopbatch import sample
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
from shopbatch.tables.events import EVENTS
from shopbatch.warehouse.store import Store

WARM_LINES = 20_000


def measure(store: Store, rows: int, memory: str) -> None:
    """Generate the shop, run the job in its own process (to measure its memory), and print the figures, JSON last.

    Args:
        store: The warehouse to fill.
        rows: Number of transaction lines.
        memory: Heap of the JVM, such as "4g".
    """
    filled = sample.fill_generated(store, rows=1_000, lines=rows)
    print(
        "\n".join(line for line in filled.lines() if line.startswith(("transactions", "events", "sample"))), flush=True
    )
    fresh(store)
    with tempfile.TemporaryDirectory(prefix="bench-small-") as small:
        sample.fill_generated(Store(small), rows=1_000, lines=min(rows, WARM_LINES))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            result = pool.submit(run, store.root, small, memory).result()
    counts = {"lines": rows, "events": store.snapshot(EVENTS.name).rows}
    seconds = result["seconds"]
    tiles = sum(s for name, s in seconds.items() if name.startswith("tiles"))
    per_line = {"tiles": tiles, "profiles": seconds["profiles"], "whole": result["whole"], "cpu": result["cpu"]}
    micros = {name: round(s / rows * 1e6, 3) for name, s in per_line.items()}
    print(f"{rows:,} lines: whole {result['whole']:.2f} s, processor time {result['cpu']:.0f} s, {seconds}")
    print(f"microseconds per line: {micros}; {result['users']:,} users")
    print(
        f"peak memory: driver {result['driver_mb']:.0f} MB, JVM {result['java_mb']:.0f} MB (heap at most {memory}); "
        f"spilled: {result['spilled_memory'] / 2**20:.0f} MB of memory as {result['spilled_disk'] / 2**20:.0f} MB"
    )
    print(json.dumps({**counts, **result, "micros_per_line": micros, "heap": memory}))


def run(warehouse: str, small: str, memory: str) -> dict[str, Any]:
    """Run the job on the small warehouse to warm Spark up, then measure it on the large one.

    Args:
        warehouse: The warehouse to measure on.
        small: The warehouse for the warm-up.
        memory: Heap of the JVM, such as "4g".

    Returns:
        A dict: `whole` (seconds), `cpu` (CPU seconds), `seconds` (dict by stage), `users` (number), `driver_mb` and
        `java_mb` (peak memory of this process and of the JVM, in MB), `spilled_memory` and `spilled_disk` (what Spark
        spilled, in bytes: size in memory, size on disk).
    """
    conf = {"spark.ui.retainedStages": "100000"}  # keep all stages, to add up what they spilled
    with spark_session(Platform(spark=Spark(memory=memory, conf=conf))) as spark:
        build(spark, Store(small))
        before, cpu = spilled(spark), cpu_seconds(spark)
        whole, report = build(spark, Store(warehouse))
        cpu = cpu_seconds(spark) - cpu
        after = spilled(spark)
        return {
            "whole": round(whole, 3),
            "cpu": round(cpu, 1),
            "seconds": {name: round(stage.seconds, 3) for name, stage in report.stages.items()},
            "users": report.stages["profiles"].rows,
            "driver_mb": round(peak_mb(), 1),
            "java_mb": round(peak_mb(java_pid(spark)), 1),
            "spilled_memory": after[0] - before[0],
            "spilled_disk": after[1] - before[1],
        }
