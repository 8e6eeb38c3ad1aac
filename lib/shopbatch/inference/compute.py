"""Pending contents through the stage: Ray Data streams units of them to workers, which return receipts.

Called by `run.py`. What a worker does with its unit is in `unit.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow as pa

from shopbatch.core.deferred import Deferred
from shopbatch.core.privacy import guard_logs
from shopbatch.core.sessions import actor_cpus, cluster_cpus
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.pending import Pending
from shopbatch.inference.receipt import Receipt
from shopbatch.inference.refs import ObjectRef, ObjectRefs, scatter
from shopbatch.inference.shards import gather, to_arrow
from shopbatch.inference.unit import Task, UnitRun
from shopbatch.inference.watchdog import Watchdog

UNITS_PER_WORKER = 8
SORT_WINDOW = 2_048  # rows that an engine should see at once, so that it can batch rows of like length


def cut_pending(part: int, limit: int, unit_rows: int, *pieces: pa.Table) -> list[Any]:
    """Cut the first `limit` pending rows of a part, by position, into units: [number of rows, unit 0, 1, ...].

    Args:
        part: The part's number.
        limit: Greatest number of rows.
        unit_rows: Rows of a unit.
        pieces: The part's pending rows, one table per shard.
    """
    # rows with the fewest attempts first: a run that is stopped during retries does not begin with the same rows again
    rows = gather(pieces).sort("attempt", "pos").head(limit).sort("pos")
    rows = rows.with_columns(pl.lit(part, dtype=pl.Int32).alias("part"))
    return [len(rows), *(to_arrow(rows.slice(start, unit_rows)) for start in range(0, len(rows), unit_rows))]


def cut_units(pending: Pending, limit: int, config: InferenceConfig, stateless: bool) -> ObjectRefs:
    """Cut the pending rows into units of work, in source order.

    A unit is small enough that every worker gets several, but large enough to be worth sorting, since the row groups
    that it lies in are read again for each unit.

    Args:
        pending: What is to be computed.
        limit: Greatest number of rows.
        config: The job's configuration.
        stateless: Whether the stage runs in tasks.

    Returns:
        References to tables with the columns part, pos, hi, lo, attempt.
    """
    rows = min(pending.total, limit)
    workers = config.workers or int(cluster_cpus())
    unit_rows = max(-(-rows // (workers * UNITS_PER_WORKER)), min(SORT_WINDOW, -(-rows // workers)))
    if stateless:  # units of whole files: such a stage spends most of its time writing them
        unit_rows = -(-unit_rows // config.flush_rows) * config.flush_rows
    units: ObjectRefs = []
    for number, count in enumerate(pending.counts):
        take = min(count, limit)
        limit -= take
        if take:
            shards = (shard[number] for shard in pending.shards)
            units += scatter(cut_pending, -(-take // unit_rows), number, take, unit_rows, *shards).pieces
    return units


def worker_count(config: InferenceConfig, units: ObjectRefs) -> int:
    """Return the number of workers: no more than there are units."""
    return min(config.workers or int(cluster_cpus()), len(units))


def stream(task: Task, units: ObjectRefs) -> Iterator[Receipt]:
    """Run the units through the workers; yields a receipt as soon as its file is written."""
    import ray
    import ray.data

    workers = worker_count(task.config, units)
    task_ref = ray.put(task)  # held until the last receipt: a restarted worker reads it again
    shared: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow", "num_cpus": actor_cpus(workers)}
    source = ray.data.from_arrow_refs(units)
    context = source.context  # the options of this dataset alone
    context.target_max_block_size = 1  # a receipt is a block, so it reaches the driver as soon as it is made
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # a long engine call is no deadlock; the watchdog bounds it
    if task.spec.stage.stateless:
        pool = ray.data.TaskPoolStrategy(size=workers)
        receipts = source.map_batches(compute_unit, fn_args=(task_ref,), compute=pool, **shared)
    else:
        # one unit at a time: otherwise the first actor to be ready takes two of a few large units, and others get none
        actors = ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1)
        if task.spec.stage.gpus:
            shared["num_gpus"] = task.spec.stage.gpus
        receipts = source.map_batches(Worker, fn_constructor_args=(task_ref,), compute=actors, **shared)
    for block in receipts.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for row in block.to_pylist():
            yield Receipt(**row)


def compute_unit(unit: pa.Table, task: ObjectRef) -> Iterator[pa.Table]:
    """Compute one unit in a Ray Data task, with a stage that costs nothing to open."""
    yield from Worker(task)(unit)


class Worker:
    """A Ray Data actor: opens the stage once; `__call__` computes one unit and yields receipts."""

    def __init__(self, task: ObjectRef) -> None:
        import ray

        guard_logs()
        self.task: Task = ray.get(task)
        self.scorer = Deferred(self.task.spec.stage.open)
        self.watchdog = Watchdog(self.task.config.timeout_seconds)

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        """Compute a unit (part, pos, hi, lo, attempt). Yields receipts as tables of one row."""
        scorer = self.scorer.get()
        if unit.num_rows == 0:
            return
        yield from UnitRun(self.task, scorer, self.watchdog, unit).run()
