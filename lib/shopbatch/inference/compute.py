"""Pending contents through the stage: Ray Data streams units of them to workers, which return receipts.

Called by `run.py`. What a worker does with its unit is in `unit.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.core.deferred import Deferred
from shopbatch.core.privacy import guard_logs
from shopbatch.core.sessions import actor_cpus, cluster_cpus
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.parts import Part
from shopbatch.inference.pending import Pending
from shopbatch.inference.receipt import Receipt
from shopbatch.inference.refs import ObjectRef, ObjectRefs, scatter
from shopbatch.inference.shards import gather, to_arrow
from shopbatch.inference.unit import Task, UnitRun
from shopbatch.inference.watchdog import Watchdog
from shopbatch.warehouse.files import ROW_GROUP

UNITS_PER_WORKER = 8
GROUP_ROWS = ROW_GROUP // 2  # pending rows of a row group, if half of its rows are new
SORT_WINDOW = 2_048  # rows that an engine should see at once, so that it can batch rows of like length


def cut_pending(part: Part, limit: int, unit_rows: int, *pieces: pa.Table) -> list[Any]:
    """Cut the first `limit` pending rows of a part, by position, into units: [number of rows, unit 0, 1, ...].

    Args:
        part: The part.
        limit: Greatest number of rows.
        unit_rows: Rows of a unit.
        pieces: The part's pending rows, one table per shard.
    """
    # rows with the fewest attempts first: a run that is stopped during retries does not begin with the same rows again
    rows = gather(pieces).sort("attempt", "pos").head(limit).sort("pos")
    rows = rows.with_columns(pl.lit(part.number, dtype=pl.Int32).alias("part"))
    ends = unit_ends(rows["pos"].to_numpy(), unit_rows, part.group_ends())
    return [len(rows), *(to_arrow(rows.slice(a, b - a)) for a, b in pairwise([0, *ends]))]


def unit_ends(positions: np.ndarray, unit_rows: int, group_ends: np.ndarray) -> list[int]:
    """Say where units end, as numbers of rows: every `unit_rows`, or where a row group ends, if that is near.

    A unit that begins within a row group has it read once more. So if row groups are no larger than units, all units
    end with one; there are as many units as without row groups.

    Args:
        positions: Positions in the part of at least one row, ascending.
        unit_rows: Rows of a unit; one may have nearly twice as many, or few.
        group_ends: Positions in the part at which its row groups end.
    """
    ends = np.arange(unit_rows, len(positions), unit_rows)
    groups = np.searchsorted(positions, group_ends)
    groups = groups[groups < len(positions)]
    if len(groups):
        nearest = groups[np.abs(groups[:, None] - ends).argmin(axis=0)]
        ends = np.where(2 * np.abs(nearest - ends) < unit_rows, nearest, ends)
    return [*ends.tolist(), len(positions)]


def cut_units(
    parts: Sequence[Part], pending: Pending, limit: int, config: InferenceConfig, stateless: bool
) -> ObjectRefs:
    """Cut the pending rows into units of work, in source order.

    A unit is small enough that every worker gets several, but large enough to be worth sorting, since the row groups
    that it lies in are read again for each unit.

    Args:
        parts: The parts of the source.
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
    if stateless:  # it may take less time than reading a row group again
        unit_rows = max(unit_rows, min(GROUP_ROWS, -(-rows // (2 * workers))))
    if stateless and unit_rows > config.flush_rows:  # units of whole files: it spends most of its time writing them
        unit_rows = -(-unit_rows // config.flush_rows) * config.flush_rows
    units: ObjectRefs = []
    for number, count in enumerate(pending.counts):
        take = min(count, limit)
        limit -= take
        if take:
            shards = (shard[number] for shard in pending.shards)
            units += scatter(cut_pending, -(-take // unit_rows), parts[number], take, unit_rows, *shards).pieces
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
    # Ray Data 2.60 takes a second to hear what its budget is, and gives one worker work until then; ours needs none,
    # since there is one operator, whose pool has a size, and a receipt takes no memory
    context.op_resource_reservation_enabled = False
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
    yield from Worker(task, first=False)(unit)  # each unit has a worker of its own


class Worker:
    """A Ray Data actor: opens the stage once; `__call__` computes one unit and yields receipts."""

    def __init__(self, task: ObjectRef, first: bool = True) -> None:
        import ray

        guard_logs()
        self.task: Task = ray.get(task)
        self.scorer = Deferred(self.task.spec.stage.open)
        self.watchdog = Watchdog(self.task.config.timeout_seconds)
        self.first = first  # whether the next unit is the first one

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        """Compute a unit (part, pos, hi, lo, attempt). Yields receipts as tables of one row."""
        scorer = self.scorer.get()
        if unit.num_rows == 0:
            return
        first, self.first = self.first, False
        yield from UnitRun(self.task, scorer, self.watchdog, unit, first).run()
