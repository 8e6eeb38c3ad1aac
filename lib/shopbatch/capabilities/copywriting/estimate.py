"""Estimates the rows, tokens, time and cost of a run of describe_products from a small timed sample.

A dry run calls this. The copy of the sample is discarded, because a dry run changes nothing.
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

_Z = 1.96  # half width of a 95 % interval in standard errors
_SEED = 7
_WARM_UP = 2  # prompts that each worker answers before the clock starts, to load the model and fill caches
_OTHER_WORK = 0.1  # share of the time by which other work of the machine may shift the estimate


@dataclass(frozen=True)
class _Sample:
    """Measurements of the timed sample of n products.

    Attributes:
        tokens: Prompt tokens (row 0) and answer tokens (row 1) of each product, float64 [2, n].
        refused_share: Share (0 to 1) of first attempts that the checks refuse.
        startup: Seconds from the start of the estimate until all workers were ready.
        seconds: Seconds that writing the sample took after that.
    """

    tokens: np.ndarray
    refused_share: float
    startup: float
    seconds: float


def estimate(config: Config, store: Store) -> dict[str, Any]:
    """Estimate what a run would compute, by language, and return it as a dictionary for the dry run.

    - Generated copy: {rows, sampled, tokens_in, tokens_out, seconds, cost}. The last four are {estimate, low, high}
      with the bounds of a 95 % interval; cost also has the currency. It is {rows: 0} if nothing is pending.
    - Planned copy: {rows, writer}, with the rows of the whole table. It needs no model and no tokens, and Ray is not
      started.

    `seconds` is the time on this machine with as many workers as the run would have, from reading the source to the
    last row. Each attempt starts its workers again; this is assumed to take as long as in this dry run. Errors are
    those that `run.describe` raises before it publishes.

    Args:
        config: Settings of describe_products.
        store: The warehouse.
    """
    report = Report(job="describe_products")
    if isinstance(config.engine, PlanConfig):
        rows = store.require(PRODUCTS, PRODUCTS.key).rows
        rows = rows if config.limit is None else min(rows, config.limit)
        return {p.language: {"rows": rows, "writer": PLAN} for p in language_specs(config, store, report)}
    start_ray()
    return {p.language: _estimate_language(config, store, p.spec) for p in language_specs(config, store, report)}


def _estimate_language(config: Config, store: Store, spec: Spec) -> dict[str, Any]:
    """Estimate the run of one language.

    Pending rows are counted as first attempts. The number of later attempts follows from the share of refused texts.
    """
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
    """Draw `sample` of the pending rows with a fixed seed and return their content columns.

    Args:
        spec: The inference job.
        parts: The parts of the source table.
        units: Tables of pending rows, with the columns part (number in `parts`) and pos (row number in the part).
        sample: Number of rows to draw.
        schema: The content columns as the source stores them.
    """
    pending = pa.concat_tables(units)
    drawn = np.sort(np.random.default_rng(_SEED).choice(pending.num_rows, sample, replace=False))
    numbers, positions = pending["part"].to_numpy()[drawn], pending["pos"].to_numpy()[drawn]
    tables = [schema.empty_table()]
    for number in np.unique(numbers):
        tables += [rows for _, rows in parts[number].read(schema, positions[numbers == number])]
    return pa.concat_tables(tables).combine_chunks()


def _time(config: Config, spec: Spec, content: pa.Table, started: float) -> _Sample:
    """Write copy for the sample, with as many Ray workers as a run would have, and return the measurements.

    Args:
        config: Settings of describe_products.
        spec: The inference job of a language.
        content: The content columns of the sample, [n].
        started: When the estimate began, by `time.monotonic`; start-up time counts from here.
    """
    workers, gpus = min(config.workers or int(cluster_cpus()), content.num_rows), spec.stage.gpus
    if gpus:
        workers = max(1, min(workers, int(ray.cluster_resources().get("GPU", 0) // gpus)))
    shares = [content.take(pa.array(np.arange(content.num_rows)[i::workers])) for i in range(workers)]
    actor = ray.remote(num_cpus=0.0 if gpus else actor_cpus(workers), num_gpus=gpus)(_TimedWriter)
    writers = [actor.remote(spec) for _ in shares]
    ray.get([w.warm_up.remote(content.slice(0, _WARM_UP)) for w in writers])  # the workers run in parallel, as in a run
    began = time.monotonic()
    results = ray.get([w.run.remote(share) for w, share in zip(writers, shares, strict=True)])
    seconds = time.monotonic() - began
    for writer in writers:
        ray.kill(writer)
    tokens = np.concatenate([tokens for tokens, _ in results], axis=1).astype(np.float64)
    refused = np.concatenate([refused for _, refused in results])
    return _Sample(tokens, float(refused.mean()), began - started, seconds)


class _TimedWriter:
    """A Ray actor that writes copy to measure time and tokens, and discards the texts."""

    def __init__(self, spec: Spec) -> None:
        self.stage, self.scorer = spec.stage, spec.stage.open()

    def warm_up(self, content: pa.Table) -> None:
        """Write a few rows before the clock starts, so that models are loaded and caches are filled."""
        self._write(content)

    def run(self, content: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Write copy for a share of the sample.

        Returns:
            The tokens of prompts (row 0) and answers (row 1), int32 [2, n]; and a boolean mask [n] of the texts that
            the checks refuse.
        """
        raw = self._write(content)
        refused = np.array([r is not None for r in self.stage.judge(raw.drop_columns(["tokens"])).to_pylist()])
        return np.stack([raw["tokens"].to_numpy(), raw["tokens_out"].to_numpy()]), refused

    def _write(self, content: pa.Table) -> pa.Table:
        """Write the first attempt at each product and return the raw outputs."""
        return self.scorer.run(content, np.ones(content.num_rows, np.int8))


def _extrapolate(config: Config, rows: int, sample: _Sample) -> dict[str, Any]:
    """Return the estimate of all pending rows from the measurements of the sample, see `estimate`.

    Args:
        config: Settings of describe_products, with price and number of attempts.
        rows: Number of pending rows.
        sample: The measurements.
    """
    n = sample.tokens.shape[1]
    refused = sample.refused_share if config.attempts > 1 else 0.0
    attempts = sum(refused**number for number in range(config.attempts))  # mean number of attempts per row
    startup = sample.startup * (config.attempts if refused else 1)
    mean = sample.tokens.mean(axis=1)
    deviation = sample.tokens.std(axis=1, ddof=1) if n > 1 else mean
    # the last factor corrects for sampling without replacement: if all rows are sampled, there is no error
    error = deviation * attempts / np.sqrt(n) * np.sqrt(max(0.0, 1 - n / rows))
    tokens_in, tokens_out = (rows * mean * attempts).tolist()
    price = config.price
    # time is assumed to be proportional to the answers' tokens, and to vary as they do
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
    """Return {estimate, low, high}, rounded to `digits`, for a value and the half width of its interval.

    `low` is at least 0.
    """
    return {
        "estimate": round(float(middle), digits),
        "low": round(max(0.0, float(middle - half)), digits),
        "high": round(float(middle + half), digits),
    }
