"""What a run of `describe_products` would compute: rows, tokens, time and money, from a small sample that is timed.

Called for a dry run. The sample's copy is thrown away: a dry run changes nothing.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.run import Part, parts
from shopbatch.inference.compute import cut_units
from shopbatch.inference.memo import Again, Memo
from shopbatch.inference.run import InferenceRun, find_live
from shopbatch.inference.source import Part as Rows
from shopbatch.inference.source import build_index
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

_Z = 1.96  # of a 95 % interval
_SEED = 7
_STARTUP = 2  # of the sample's prompts are asked first and not timed: they load and fill caches


def estimate(config: Config, store: Store) -> dict[str, Any]:
    """{language: {rows, sampled, tokens_in, tokens_out, seconds, cost}}, each figure {estimate, low, high} (95 %).

    seconds: on this machine with as many workers as the run would have, from the index to the last row. Each attempt
    starts workers, in the time that this dry run needed for it. Raises as `describe` does.
    """
    told = Report(job="describe_products")
    return {part.language: _of(config, store, part) for part in parts(config, store, told)}


def _of(config: Config, store: Store, part: Part) -> dict[str, Any]:
    """One language. The first attempts are counted; those that the checks will refuse are tried again besides."""
    spec, started = part.spec, time.monotonic()
    source = store.require(spec.source, spec.columns)
    report = Report(job=spec.job)
    index = build_index(spec, source)
    memo = Memo(store, spec, report.run_id, index.shards)
    run = InferenceRun(spec, config, store, report, source, find_live(spec, store), index, memo)
    memo.load()
    run.find_pending(Again(rejects=config.retry_rejects, attempts=config.attempts))
    pending = sum(run.counts)
    rows = pending if config.limit is None else min(pending, config.limit)
    if not rows:
        return {"rows": 0}
    units = ray.get(cut_units(index, run.pending, run.counts, rows, config, light=True))
    content = _sampled(spec, index.parts, units, min(config.sample, rows), source.select(spec.stage.content))
    workers = min(config.workers or int(ray.cluster_resources().get("CPU", 1)), content.num_rows)
    if spec.stage.gpus:
        workers = max(1, min(workers, int(ray.cluster_resources().get("GPU", 0) // spec.stage.gpus)))
    shares = [np.arange(content.num_rows)[i::workers] for i in range(workers)]
    gpus = spec.stage.gpus
    cpus = 0.0 if gpus else min(1.0, 0.9 * float(ray.cluster_resources().get("CPU", 1)) / workers)
    actor = ray.remote(num_cpus=cpus, num_gpus=gpus)(_Timed)
    timed = [actor.remote(spec) for _ in shares]
    ray.get([t.ready.remote(content.slice(0, _STARTUP)) for t in timed])  # all of them work at once, as in a run
    began = time.monotonic()
    found = ray.get([t.run.remote(content.take(pa.array(s))) for t, s in zip(timed, shares, strict=True)])
    seconds = time.monotonic() - began
    for worker in timed:
        ray.kill(worker)
    tokens = np.concatenate([f[0] for f in found], axis=1).astype(np.float64)
    again = float(np.mean(np.concatenate([f[1] for f in found]))) if config.attempts > 1 else 0.0
    startup = (began - started) * (config.attempts if again else 1)
    attempts = sum(again**n for n in range(config.attempts))
    return _figures(config, rows, tokens, (startup, seconds), attempts)


def _sampled(spec: Spec, parts: list[Rows], units: list[pa.Table], sample: int, schema: pa.Schema) -> pa.Table:
    """The content of `sample` of the rows to compute, drawn by a fixed seed."""
    todo = pa.concat_tables(units)
    drawn = np.sort(np.random.default_rng(_SEED).choice(todo.num_rows, sample, replace=False))
    numbers, positions = todo["part"].to_numpy()[drawn], todo["pos"].to_numpy()[drawn]
    tables = [schema.empty_table()]
    for number in np.unique(numbers):
        mine, first = positions[numbers == number].astype(np.int64), 0
        for piece in parts[number].slices:
            for group, rows in piece.groups:
                here = mine[(mine >= first) & (mine < first + rows)] - first
                if len(here):
                    data = files.read(piece.file.uri, schema, piece.file.partition, [group])
                    tables.append(data.take(pa.array(here)))
                first += rows
    return pa.concat_tables(tables).combine_chunks()


class _Timed:
    """An actor that writes copy and keeps nothing."""

    def __init__(self, spec: Spec) -> None:
        self.stage, self.scorer = spec.stage, spec.stage.open()

    def ready(self, content: pa.Table) -> None:
        self._written(content)

    def run(self, content: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """tokens [2, n] of prompts and answers; bool [n]: which the checks refuse."""
        raw = self._written(content)
        refused = np.array([r is not None for r in self.stage.judge(raw.drop_columns(["tokens"])).to_pylist()])
        return np.stack([raw["tokens"].to_numpy(), raw["tokens_out"].to_numpy()]), refused

    def _written(self, content: pa.Table) -> pa.Table:
        return self.scorer.run(content, np.ones(content.num_rows, np.int8))


def _figures(
    config: Config, rows: int, tokens: np.ndarray, seconds: tuple[float, float], attempts: float
) -> dict[str, Any]:
    """All rows from a sample's tokens [2, n]. seconds: of starting, and of the sample. attempts: at a row, the mean."""
    n = tokens.shape[1]
    mean = tokens.mean(axis=1) * attempts
    deviation = tokens.std(axis=1, ddof=1) if n > 1 else tokens.mean(axis=1)
    error = deviation * attempts / np.sqrt(n) * np.sqrt(max(0.0, 1 - n / rows))
    cost = np.array([config.price.tokens_in, config.price.tokens_out]) / 1e6
    # the time goes into tokens of answers: its rate is the sample's, and it varies as they do
    spread = float(_Z * deviation[1] / (np.sqrt(n) * tokens[1].mean())) if tokens[1].mean() else 0.0
    startup, timed = seconds
    whole = timed / n * rows * attempts
    return {
        "rows": rows,
        "sampled": n,
        "tokens_in": _interval(rows * mean[0], rows * _Z * error[0]),
        "tokens_out": _interval(rows * mean[1], rows * _Z * error[1]),
        "seconds": _interval(startup + whole, whole * (spread + 0.1)),  # a tenth for what else the machine does
        "cost": {"currency": config.price.currency}
        | _interval(float(rows * mean @ cost), float(rows * _Z * error @ cost), 4),
    }


def _interval(middle: float, half: float, digits: int = 1) -> dict[str, float]:
    return {
        "estimate": round(float(middle), digits),
        "low": round(max(0.0, float(middle - half)), digits),
        "high": round(float(middle + half), digits),
    }
