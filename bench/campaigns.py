"""Measure how long the three campaign jobs take: measure_campaigns, train_uplift and plan_campaigns.

They run on one generated experiment without any effect.

    python -m bench.campaigns [USERS]    USERS: 500,000 by default; each has 10 daily tiles

Prints CPU seconds, seconds and peak memory of each job.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from bench.side_by_side import benchmark

from shopbatch.capabilities.marketing.campaigns.config import MeasureConfig
from shopbatch.capabilities.marketing.campaigns.run import measure_campaigns
from shopbatch.capabilities.marketing.plan.config import PlanConfig
from shopbatch.capabilities.marketing.plan.run import plan_campaigns
from shopbatch.capabilities.marketing.uplift.config import TrainUpliftConfig
from shopbatch.capabilities.marketing.uplift.run import train_uplift
from shopbatch.runs.report import Report
from shopbatch.tables import TABLES
from shopbatch.tables.schema import TIMESTAMP
from shopbatch.warehouse.store import Store

TILES = 10


def put(store: Store, name: str, rows: int, columns: Mapping[str, Any], number: int = 0) -> None:
    """Append one file of rows to a table of the warehouse.

    Columns that are not given are null, or 0 where the table allows no null.

    Args:
        store: The warehouse.
        name: The table.
        rows: Number of rows.
        columns: Values of the given columns, each with `rows` entries.
        number: Number of the file within the table; every file needs another one.
    """
    table = TABLES[name]
    filled = {
        c.name: columns[c.name]
        if c.name in columns
        else pa.nulls(rows, c.type)
        if c.nullable
        else pa.array(np.zeros(rows, np.int64)).cast(c.type)
        for c in table.columns
    }
    data = pa.table(filled, schema=table.file_schema())
    file = store.write_file(table, data, f"run-{name}-{number}", number)
    store.commit(table, [file], "append", f"key-{name}-{number}")


def fill(store: Store, users: int) -> None:
    """Write daily tiles, an experiment with two arms, and consent for `users` generated users."""
    draw = np.random.default_rng(0)
    ids, one = pa.array([f"u{n:08d}" for n in range(users)]), pa.array(np.ones(users, np.int64))
    for number in range(TILES):
        day = pa.array(np.datetime64("2026-01-01") + draw.integers(0, 100, users)).cast(pa.date32())
        cents = pa.array(draw.integers(100, 9_000, users))
        tile = {"baskets": one, "lines": one, "sales_cents": cents, "purchase_cents": cents}
        put(store, "user_daily", users, {"user_id": ids, "day": day, **tile}, number)
    arm = pa.array(np.where(draw.random(users) < 0.5, "email", "control"))
    at = pa.repeat(pa.scalar(datetime(2026, 2, 20, tzinfo=UTC), TIMESTAMP), users)
    drawn = {
        "experiment_id": pa.repeat("e", users),
        "arm": arm,
        "probability": pa.repeat(0.5, users),
        "assigned_at": at,
    }
    put(store, "experiments", users, {"user_id": ids, **drawn})
    put(
        store,
        "users",
        users,
        {"user_id": ids, "email_consent": pa.repeat(True, users), "market": pa.repeat("US", users)},
    )


def timed(name: str, job: Callable[[Report], None]) -> None:
    """Run a job, and print its CPU seconds, its seconds, the process's peak memory so far, and the report's highlights.

    Args:
        name: Name of the job, for the report and the output.
        job: Runs the job with a report.
    """
    wall, cpu = time.monotonic(), time.process_time()
    job(report := Report(name))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{name:18} {time.process_time() - cpu:6.1f} s CPU {time.monotonic() - wall:6.1f} s, at most {most:,} MB so far"
    )
    print(f"    {report.highlights}", flush=True)


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Fill a temporary warehouse and run the three jobs."""
    users = int((argv or ["500000"])[0])
    mail = {"name": "a", "channel": "email", "cost": "0.01", "budget": str(users // 200)}
    plan = PlanConfig.model_validate(
        {"campaigns": [mail], "caps": [{"messages": 2, "days": 7}], "gates": {"unproven": True}}
    )
    learn = TrainUpliftConfig.model_validate({"choice": {"families": ["linear"], "draws": 100}})
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/warehouse")
        fill(store, users)
        timed("measure_campaigns", lambda report: measure_campaigns(MeasureConfig(), store, report))
        timed("train_uplift", lambda report: train_uplift(learn, store, report))
        timed("plan_campaigns", lambda report: plan_campaigns(plan, store, report))


if __name__ == "__main__":
    main(sys.argv[1:])
