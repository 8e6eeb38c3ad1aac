"""Estimates what a run of describe_products would compute: rows, tokens, time and money, from a small timed sample.

A dry run calls this. The sample's copy is thrown away, because a dry run changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from shopbatch.capabilities.copywriting.config import Config, PlanConfig
from shopbatch.capabilities.copywriting.run import language_specs
from shopbatch.capabilities.copywriting.writer import PLAN
from shopbatch.core.sessions import actor_cpus, cluster_cpus, start_ray
from shopbatch.inference.compute import cut_units
from shopbatch.inference.memo import Memo
from shopbatch.inference.parts import Part
from shopbatch.inference.pending import RetryPolicy, all_pending
from shopbatch.inference.source import build_index
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.store import Store

_Z = 1.96  # standard errors on either side of a 95 % interval
_SEED = 7
_WARM_UP = 2  # prompts of the sample that each worker answers before the clock starts, to load models and fill caches
_OTHER_WORK = 0.1  # share of the time by which the machine's other work may shift the estimate


@dataclass(frozen=True)
class _Sample:
    """What the timed sample showed.

    tokens: of prompts and answers, float64 [2, n]. refused_share: of first attempts that the checks refuse.
    startup: seconds until all workers were ready. seconds: how long the sample then took.
    """

    tokens: np.ndarray
    refused_share: float
    startup: float
    seconds: float


def estimate(config: Config, store: Store) -> dict[str, Any]:
    """Return {language: {rows, sampled, tokens_in, tokens_out, seconds, cost}}.

    The last four are {estimate, low, high}, with the bounds of a 95 % interval. Planned copy needs no model and no
    tokens: its estimate is {rows, writer}, with the rows of the whole table, and is made without Ray.

    seconds: on this machine with as many workers as the run would have, from reading the source to the last row. Each
    attempt starts its workers again; this is assumed to take as long as it took in this dry run. Raises what
    `describe` raises.
    """
    report = Report(job="describe_products")
    if isinstance(config.engine, PlanConfig):
        rows = store.require(PRODUCTS, PRODUCTS.key).rows
        rows = rows if config.limit is None else min(rows, config.limit)
        return {p.language: {"rows": rows, "writer": PLAN} for p in language_specs(config, store, report)}
    start_ray()
    return {p.language: _estimate_language(config, store, p.spec) for p in language_specs(config, store, report)}


def _estimate_language(config: Config, store: Store, spec: Spec) -> dict[str, Any]:
    """Estimate one language: first attempts are counted, later ones are estimated from the share that is refused."""
    started = time.monotonic()
    source = store.require(spec.source, spec.columns)
    report = Report(job=spec.job)
    index = build_index(spec, source)
    memo = Memo(store, spec, report.run_id, index.shards)
    memo.load()
    policy = RetryPolicy(rejects=config.retry_rejects, attempts=config.attempts)
    pending = all_pending(spec, index, memo, policy)
    rows = pending.total if config.limit is None else min(pending.total, config.limit)
    if not rows:
        return {"rows": 0}
    units = ray.get(cut_units(index.parts, pending, rows, config, stateless=True))
    content = _draw(spec, index.parts, units, min(config.sample, rows), source.select(spec.stage.content))
    return _extrapolate(config, rows, _time(config, spec, content, started))


def _draw(spec: Spec, parts: list[Part], units: list[pa.Table], sample: int, schema: pa.Schema) -> pa.Table:
    """Return the content of `sample` pending rows, drawn with a fixed seed."""
    pending = pa.concat_tables(units)
    drawn = np.sort(np.random.default_rng(_SEED).choice(pending.num_rows, sample, replace=False))
    numbers, positions = pending["part"].to_numpy()[drawn], pending["pos"].to_numpy()[drawn]
    tables = [schema.empty_table()]
    for number in np.unique(numbers):
        tables += [rows for _, rows in parts[number].read(schema, positions[numbers == number])]
    return pa.concat_tables(tables).combine_chunks()


def _time(config: Config, spec: Spec, content: pa.Table, started: float) -> _Sample:
    """Write copy for the sample with as many workers as a run would have."""
    workers, gpus = min(config.workers or int(cluster_cpus()), content.num_rows), spec.stage.gpus
    if gpus:
        workers = max(1, min(workers, int(ray.cluster_resources().get("GPU", 0) // gpus)))
    shares = [content.take(pa.array(np.arange(content.num_rows)[i::workers])) for i in range(workers)]
    actor = ray.remote(num_cpus=0.0 if gpus else actor_cpus(workers), num_gpus=gpus)(_TimedWriter)
    writers = [actor.remote(spec) for _ in shares]
    ray.get([w.warm_up.remote(content.slice(0, _WARM_UP)) for w in writers])  # all work at the same time, as in a run
    began = time.monotonic()
    results = ray.get([w.run.remote(share) for w, share in zip(writers, shares, strict=True)])
    seconds = time.monotonic() - began
    for writer in writers:
        ray.kill(writer)
    tokens = np.concatenate([tokens for tokens, _ in results], axis=1).astype(np.float64)
    refused = np.concatenate([refused for _, refused in results])
    return _Sample(tokens, float(refused.mean()), began - started, seconds)


class _TimedWriter:
    """An actor that writes copy for the measurement and discards it."""

    def __init__(self, spec: Spec) -> None:
        self.stage, self.scorer = spec.stage, spec.stage.open()

    def warm_up(self, content: pa.Table) -> None:
        self._write(content)

    def run(self, content: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens of prompts and answers, [2, n], and which answers the checks refuse, bool [n]."""
        raw = self._write(content)
        refused = np.array([r is not None for r in self.stage.judge(raw.drop_columns(["tokens"])).to_pylist()])
        return np.stack([raw["tokens"].to_numpy(), raw["tokens_out"].to_numpy()]), refused

    def _write(self, content: pa.Table) -> pa.Table:
        return self.scorer.run(content, np.ones(content.num_rows, np.int8))


def _extrapolate(config: Config, rows: int, sample: _Sample) -> dict[str, Any]:
    """Extrapolate the figures of all rows from those of the sample."""
    n = sample.tokens.shape[1]
    refused = sample.refused_share if config.attempts > 1 else 0.0
    attempts = sum(refused**number for number in range(config.attempts))  # mean per row
    startup = sample.startup * (config.attempts if refused else 1)
    mean = sample.tokens.mean(axis=1)
    deviation = sample.tokens.std(axis=1, ddof=1) if n > 1 else mean
    # the last factor corrects for sampling without replacement: a sample of all rows has no error
    error = deviation * attempts / np.sqrt(n) * np.sqrt(max(0.0, 1 - n / rows))
    tokens_in, tokens_out = (rows * mean * attempts).tolist()
    price = config.price
    # time is assumed to be proportional to the tokens of answers, at the sample's rate, and to vary as they do
    spread = float(_Z * deviation[1] / (np.sqrt(n) * mean[1])) if mean[1] else 0.0
    seconds = sample.seconds / n * rows * attempts
    half_in, half_out = (rows * _Z * error).tolist()
    return {
        "rows": rows,
        "sampled": n,
        "tokens_in": _interval(tokens_in, half_in),
        "tokens_out": _interval(tokens_out, half_out),
        "seconds": _interval(startup + seconds, seconds * (spread + _OTHER_WORK)),
        "cost": {"currency": price.currency}
        | _interval(price.cost(tokens_in, tokens_out), price.cost(half_in, half_out), 4),
    }


def _interval(middle: float, half: float, digits: int = 1) -> dict[str, float]:
    return {
        "estimate": round(float(middle), digits),
        "low": round(max(0.0, float(middle - half)), digits),
        "high": round(float(middle + half), digits),
    }
