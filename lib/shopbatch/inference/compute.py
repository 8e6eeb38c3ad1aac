"""Pending contents through the stage: Ray Data streams units of them to workers, which return receipts.

Called by `run.py`. What a worker does with its unit is in `unit.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import ray
import ray.data

from shopbatch.core.errors import UserError
from shopbatch.core.privacy import guard_logs
from shopbatch.inference.source import Index, Refs
from shopbatch.inference.spec import InferenceConfig
from shopbatch.inference.unit import Task, UnitRun, Watchdog
from shopbatch.warehouse.files import DataFile

UNITS_A_WORKER = 8
SORT_WINDOW = 2_048  # rows that an engine should see at once, to put like lengths together


@ray.remote
def cut_pending(part: int, limit: int, chunk_rows: int, *pieces: pa.Table) -> list[Any]:
    """[rows, chunk 0, 1, ...]: the first `limit` pending rows of a part, by position, as units of work."""
    # the least tried first, so that a run that is stopped while it retries does not begin with the same rows again
    rows = pl.concat([pl.DataFrame(p) for p in pieces]).sort("attempt", "pos").head(limit).sort("pos")
    rows = rows.with_columns(pl.lit(part, dtype=pl.Int32).alias("part"))
    chunks = [
        rows.slice(start, chunk_rows).to_arrow(compat_level=pl.CompatLevel.oldest())
        for start in range(0, len(rows), chunk_rows)
    ]
    return [len(rows), *chunks]


def cut_units(
    index: Index, pending: list[Refs], counts: list[int], limit: int, config: InferenceConfig, light: bool
) -> Refs:
    """Units of work (references to tables part, pos, hi, lo, attempt), at most `limit` rows, in source order.

    A unit is small enough that every worker gets several, if each is worth sorting, and no smaller: the row groups it
    lies in are read again for each.
    """
    rows = min(sum(counts), limit)
    workers = config.workers or int(ray.cluster_resources().get("CPU", 1))
    chunk_rows = max(-(-rows // (workers * UNITS_A_WORKER)), min(SORT_WINDOW, -(-rows // workers)))
    if light:  # whole files: here writing them is what takes the time
        chunk_rows = -(-chunk_rows // config.flush_rows) * config.flush_rows
    units: Refs = []
    for number, count in enumerate(counts):
        take = min(count, limit)
        limit -= take
        if take:
            chunks = -(-take // chunk_rows)
            cut = cut_pending.options(num_returns=1 + chunks)
            units += cut.remote(number, take, chunk_rows, *(shard[number] for shard in pending))[1:]
    return units


def stream(task: Task, units: Refs) -> Iterator[tuple[DataFile, dict[str, Any]]]:
    """Run the units through the workers; yields a receipt as soon as its file is written."""
    cpus = float(ray.cluster_resources().get("CPU", 1))
    workers = min(task.config.workers or int(cpus), len(units))
    task_ref = ray.put(task)  # held until the last receipt: a restarted worker reads it again
    # Less than a CPU each, so that the workers can not take every slot and starve the tasks that feed them.
    shared: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow", "num_cpus": min(1.0, 0.9 * cpus / workers)}
    source = ray.data.from_arrow_refs(units)
    context = source.context  # of this dataset alone
    context.target_max_block_size = 1  # a receipt is a block: it reaches the driver when it is made
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # one long engine call is no deadlock; the watchdog bounds it
    if task.spec.stage.light:
        pool = ray.data.TaskPoolStrategy(size=workers)
        receipts = source.map_batches(compute_unit, fn_args=(task_ref,), compute=pool, **shared)
    else:
        # one unit at a time: of a few large ones, the first actor to be ready would else take two, and others none
        actors = ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1)
        if task.spec.stage.gpus:
            shared["num_gpus"] = task.spec.stage.gpus
        receipts = source.map_batches(Worker, fn_constructor_args=(task_ref,), compute=actors, **shared)
    for block in receipts.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for row in block.to_pylist():
            partition = {"recipe": task.spec.recipe}
            yield DataFile(row["path"], row["size"], row["rows"], row["stats"], partition), row


def compute_unit(unit: pa.Table, task: Any) -> Iterator[pa.Table]:
    """A Ray Data task: one unit, by a stage that costs nothing to open."""
    yield from Worker(task)(unit)


class Worker:
    """A Ray Data actor: one stage, made ready once; `__call__` computes one unit and yields receipts."""

    def __init__(self, task: Any) -> None:
        guard_logs()
        self.task: Task = ray.get(task)
        self.mistake: UserError | None = None
        try:
            self.scorer = self.task.spec.stage.open()
        except UserError as error:  # of a constructor that fails Ray tells the text alone
            self.mistake = error
        self.watchdog = Watchdog(self.task.config.timeout_seconds)

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        """unit: part, pos, hi, lo, attempt. Yields one-row tables of RECEIPT."""
        if self.mistake is not None:
            raise self.mistake
        if unit.num_rows == 0:
            return
        yield from UnitRun(self.task, self.scorer, self.watchdog, unit).run()
