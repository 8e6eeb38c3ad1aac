"""Computes contents that have no result yet: cuts them into units and streams the units through Ray Data workers.

`run.py` calls `cut_units` and `stream`. A unit is a table of pending rows that one worker computes in one call. For
each file of results that a worker has written, `stream` yields a receipt. The work of a worker on one unit is in
`unit.py`.
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
    """Cut the pending rows of one part of the source into units of work, in the order of their positions.

    Args:
        part: The part of the source.
        limit: Greatest number of rows to use. If there are more, those with the fewest attempts are used; among equal
            ones, those with the lowest positions.
        unit_rows: Desired number of rows of a unit.
        pieces: The part's pending rows, one table per hash shard, with the columns pos (position in the part), hi, lo
            (content hash) and attempt (from 1).

    Returns:
        [number of rows, unit 0, unit 1, ...]. A unit is a table with the columns of `pieces` and `part` (its number).
    """
    # rows with the fewest attempts first: a run that is stopped during retries does not begin with the same rows again
    rows = gather(pieces).sort("attempt", "pos").head(limit).sort("pos")
    rows = rows.with_columns(pl.lit(part.number, dtype=pl.Int32).alias("part"))
    ends = unit_ends(rows["pos"].to_numpy(), unit_rows, part.group_ends())
    return [len(rows), *(to_arrow(rows.slice(a, b - a)) for a, b in pairwise([0, *ends]))]


def unit_ends(positions: np.ndarray, unit_rows: int, group_ends: np.ndarray) -> list[int]:
    """Choose where to cut pending rows into units: every `unit_rows` rows, or where a Parquet row group ends nearby.

    A cut moves to the end of a row group only if that is less than half a unit away. A unit that ends inside a row
    group makes the next unit read the row group again; the move avoids this. It does not change the number of units.

    Args:
        positions: Positions of the pending rows in the part, ascending; at least one.
        unit_rows: Desired number of rows of a unit. A unit may get nearly twice as many, or only a few.
        group_ends: Positions in the part at which its row groups end.

    Returns:
        For each unit the index into `positions` behind its last row; the last value is `len(positions)`.
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
    """Cut the pending rows into units of work for the workers, in source order.

    Units are small enough that every worker gets several. They are large enough for an engine to sort the rows of a
    unit by length, and to keep row groups from being read too often, because each unit reads the row groups of its
    rows.

    Args:
        parts: The parts of the source.
        pending: The pending rows.
        limit: Greatest number of rows to compute.
        config: Settings of the job.
        stateless: Whether the stage runs in Ray tasks instead of actors.

    Returns:
        References to the units: tables with the columns pos (position in the part), hi, lo (content hash), attempt
        (from 1) and part (its number).
    """
    rows = min(pending.total, limit)
    workers = config.workers or int(cluster_cpus())
    unit_rows = max(-(-rows // (workers * UNITS_PER_WORKER)), min(SORT_WINDOW, -(-rows // workers)))
    if stateless:  # it may compute faster than a row group is read again
        unit_rows = max(unit_rows, min(GROUP_ROWS, -(-rows // (2 * workers))))
    if stateless and unit_rows > config.flush_rows:  # whole files: most of the time is spent writing
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
    """Return the number of workers: `config.workers` or one per CPU, but no more than there are units."""
    return min(config.workers or int(cluster_cpus()), len(units))


def stream(task: Task, units: ObjectRefs) -> Iterator[Receipt]:
    """Compute the units on Ray Data workers, and yield a receipt as soon as a worker has written a file of results.

    Args:
        task: The data that every worker gets: the job, its settings, the source, and where to write.
        units: References to the units, as `cut_units` returns them.

    Yields:
        The receipt of one memo file: its path and the counts that the driver needs to commit and report it.
    """
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
    # Ray Data 2.60 takes a second to learn its budget of resources, and until then gives work to one worker only. No
    # budget is needed here: there is one operator, its pool has a fixed size, and receipts take no memory.
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
    """Compute one unit in a Ray Data task and yield its receipts as tables of one row.

    `stream` uses it for stages that cost nothing to open (`Stage.stateless`), and `Worker` for all others.

    Args:
        unit: The pending rows (pos, hi, lo, attempt, part).
        task: Reference to the `Task` of the run.
    """
    yield from Worker(task, first=False)(unit)  # each unit has a worker of its own


class Worker:
    """A Ray Data actor: opens the stage once, then computes one unit per call."""

    def __init__(self, task: ObjectRef, first: bool = True) -> None:
        import ray

        guard_logs()
        self.task: Task = ray.get(task)
        self.scorer = Deferred(self.task.spec.stage.open)
        self.watchdog = Watchdog(self.task.config.timeout_seconds)
        self.first = first  # whether the next unit is the first one

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        """Compute one unit (columns pos, hi, lo, attempt, part) and yield its receipts as tables of one row."""
        scorer = self.scorer.get()
        if unit.num_rows == 0:
            return
        first, self.first = self.first, False
        yield from UnitRun(self.task, scorer, self.watchdog, unit, first).run()
