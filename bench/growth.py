"""Evaluate the growth jobs: the accuracy of measure_growth, the choices of choose_inviters, and the speed of both.

    python -m bench.growth estimates [400]          bias and coverage on generated data with known truth, with intervals
    python -m bench.growth reach [100000]           expected new users if the chosen inviters invite, on two graphs;
                                                    beside two simpler ways of choosing
    python -m bench.growth scale 1000000 10000000   seconds of both jobs by the number of events

`estimates` takes the number of generated processes, `reach` the number of persons. `reach` chooses by a sample of
random reverse reachable sets (each set: the persons whose invitations would reach one random person). It evaluates all
choices on a second sample, because the first one would give too high a figure to the choice made by it.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
from bench.side_by_side import benchmark, cpu_seconds

from shopbatch.capabilities.growth import choose, reach
from shopbatch.capabilities.growth.cells import Children, People, add_children, add_people, grid, nothing
from shopbatch.capabilities.growth.factors import Counts, Factors, estimate
from shopbatch.capabilities.growth.forecast import forecast
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
from shopbatch.evaluation.proportions import score_interval
from shopbatch.runs.report import Report
from shopbatch.sample.referrals import Grown, Truth, grow, referral_events
from shopbatch.sample.shop import Shop, users
from shopbatch.tables.referral_events import REFERRAL_EVENTS
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store

SEEDS, DAYS, AHEAD, RESAMPLES = 2_000, 60.0, 28, 200
TRUTH = Truth()
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
CHANNELS = len(TRUTH.channels)


def counts_of(grown: Grown, days: float, resamples: int = RESAMPLES) -> Counts:
    """Count the joins and invitations of a generated process up to a day, as measure_growth would then see them.

    Args:
        grown: The referral process: who joined when, by which channel, invited by whom.
        days: Days since its beginning; later joins are not counted.
        resamples: Number of bootstrap resamples.

    Returns:
        The counts from which `estimate` computes the referral factors.
    """
    cells = grid(datetime(2026, 1, 1, tzinfo=UTC), int(days // 7) + 2)
    there = grown.joined < days
    root = (grown.root.astype(np.uint64) + np.uint64(1)) * GOLDEN
    age = days - grown.joined
    counts = nothing(cells, CHANNELS + 1, CHANNELS, resamples)
    add_people(counts, cells, People(root[there], grown.channel[there], age[there]))
    child = np.flatnonzero(there & (grown.parent >= 0))
    parent = grown.parent[child]
    delay = grown.joined[child] - grown.joined[parent]
    add_children(counts, cells, Children(root[child], grown.channel[parent], age[parent], grown.channel[child], delay))
    return counts


def one_draw(seed: int) -> dict[str, np.ndarray]:
    """Generate one referral process, estimate its growth after DAYS days, and forecast the next AHEAD days.

    Args:
        seed: Seed of the process.

    Returns:
        The estimates with their intervals and the forecast, as the dict that `_flat` describes.
    """
    seeds = int(SEEDS * (DAYS + AHEAD) / DAYS)
    grown = grow(TRUTH, seed, seeds, DAYS + AHEAD, np.arange(seeds) % CHANNELS)
    counts = counts_of(grown, DAYS)
    factors = estimate(counts)
    own = (grown.parent < 0) & (grown.joined < DAYS) & (grown.joined >= DAYS - 28)
    alone = np.zeros((28, CHANNELS + 1))
    np.add.at(alone, (np.floor(grown.joined[own] - DAYS + 28).astype(int), grown.channel[own]), 1)
    fan = forecast(counts, factors, alone, AHEAD, seed)
    came = float(((grown.joined >= DAYS) & (grown.joined < DAYS + AHEAD)).sum())
    return _flat(factors, fan.totals[:, -1], fan.total[-1], came)


def share_interval(hits: float, draws: int) -> tuple[float, float]:
    """Return the 95 % interval of the share `hits / draws`, rounded to three decimals."""
    low, high = score_interval(np.array([hits]), np.array([float(draws)]), 0.95)
    return round(float(low[0]), 3), round(float(high[0]), 3)


def _flat(factors: Factors, ends: np.ndarray, expected: float, came: float) -> dict[str, np.ndarray]:
    """Collect the estimates and the forecast for one generated process in a dict of arrays.

    Args:
        factors: The estimated factors.
        ends: Ends of the forecast's 95 % and 80 % intervals: low 95, low 80, high 80, high 95.
        expected: The forecast number of joins.
        came: The number of joins that really followed.

    Returns:
        `K` (users whom one user brings, by channel), `eigenvalue` (growth factor of the whole system, n is 1) and
        `cycle` (mean days from a user's join to a join that this user brought, by channel): value, low end and high
        end, [3, n] each. `naive`: users brought so far per user, by channel, [n]; too low, since young users will bring
        more. `fan`: `expected`, `came`, and 1 or 0 for whether the 95 % and the 80 % interval contain `came`, [4].
    """

    def rows(name: str, most: int) -> np.ndarray:
        estimated = getattr(factors, name)
        return np.stack([estimated.value[:most], estimated.low[:most], estimated.high[:most]])

    return {
        "K": rows("channels", CHANNELS),
        "eigenvalue": rows("system", 1),
        "cycle": rows("cycle", CHANNELS),
        "naive": factors.naive[:CHANNELS],
        "fan": np.array([expected, came, ends[0] <= came <= ends[3], ends[1] <= came <= ends[2]]),
    }


def estimates(draws: int) -> None:
    """Print bias and coverage of all estimates as JSON lines, each with its interval.

    Args:
        draws: Number of generated processes.
    """
    start = time.process_time()
    drawn = [one_draw(seed) for seed in range(draws)]
    truths = {"K": TRUTH.factors[:CHANNELS], "eigenvalue": np.array([TRUTH.system]), "cycle": np.array(TRUTH.delays)}
    for name, truth in truths.items():
        values = np.stack([f[name] for f in drawn])  # [draws, 3, n]
        error = values[:, 0] - truth
        inside = ((values[:, 1] <= truth) & (truth <= values[:, 2])).sum(axis=0)
        for n in range(len(truth)):
            print(json.dumps({
                "what": name, "of": TRUTH.channels[n] if len(truth) > 1 else "system",
                "truth": round(float(truth[n]), 4), "bias": round(float(error[:, n].mean()), 4),
                "bias_95": round(1.96 * float(error[:, n].std() / draws**0.5), 4),
                "sd": round(float(error[:, n].std()), 4), "coverage": round(inside[n] / draws, 3),
                "coverage_95": share_interval(float(inside[n]), draws),
            }))  # fmt: skip
    naive = np.stack([f["naive"] for f in drawn]).mean(axis=0) - truths["K"]
    fan = np.stack([f["fan"] for f in drawn])
    print(json.dumps({"what": "naive", "bias": naive.round(3).tolist()}))
    shares = {
        s: [round(float(fan[:, c].mean()), 3), *share_interval(float(fan[:, c].sum()), draws)]
        for s, c in ((95, 2), (80, 3))
    }
    print(json.dumps({"what": f"joins of the next {AHEAD} days", "mean": round(float(fan[:, 1].mean()), 1),
                      "bias": round(float((fan[:, 0] - fan[:, 1]).mean()), 2), "coverage": shares}))  # fmt: skip
    print(json.dumps({"draws": draws, "cpu_seconds": round(time.process_time() - start, 1)}))


def graphs(persons: int) -> dict[str, reach.Graph]:
    """Return two random graphs of possible invitations, by name: "unequal" and "grouped".

    In "unequal", few persons have most of the arcs. In "grouped", 90 % of the arcs stay within groups of 50 persons.

    Args:
        persons: Number of nodes of "grouped"; "unequal" has twice as many.
    """
    draw = np.random.default_rng(7)
    n, arcs = 2 * persons, 10 * persons
    spread = np.minimum((n * draw.random(arcs) ** 4).astype(np.int64), n - 1)
    unequal = reach.graph(n, spread, draw.integers(0, n, arcs), draw.choice([0.02, 0.05, 0.1], arcs))
    n, arcs, size = persons, 6 * persons, 50
    tail = draw.integers(0, n, arcs)
    near = tail // size * size + draw.integers(0, size, arcs)
    head = np.where(draw.random(arcs) < 0.9, near, draw.integers(0, n, arcs))
    # some groups are linked far more closely than others, so their members reach the same persons
    close = draw.gamma(0.5, 2.0, n // size)[tail // size]
    grouped = reach.graph(n, tail, head, np.clip(0.08 * close, 0, 0.6))
    return {"unequal": unequal, "grouped": grouped}


def reaches(persons_of: int = 100_000, asked: int = 100, sets: int = 2_000_000) -> None:
    """Print the expected new users for three ways of choosing inviters, on two graphs, as JSON lines.

    The ways: by reach (as choose_inviters does), by the sum of the probabilities that the invited join, and by
    out-degree. All are evaluated on a sample of random reverse reachable sets (see the module) that was not used for
    choosing.

    Args:
        persons_of: Number of persons of the graphs.
        asked: Number of inviters to choose.
        sets: Number of random sets in each of the two samples, one for choosing and one for evaluating.
    """
    for name, arcs in graphs(persons_of).items():
        start = time.process_time()
        persons = np.arange(arcs.nodes)
        sample, fresh = (reach.draw_sets(arcs, persons, sets, seed) for seed in (1, 2))
        drawn = time.process_time() - start
        all_of = choose.Candidates(persons, np.ones(arcs.nodes), persons)
        limits = choose.Limits(asked, asked, np.inf, 0.0)
        direct = reach.direct_reach(arcs, persons)
        start = time.process_time()
        ours = choose.by_reach(all_of, reach.index(sample, arcs.nodes), direct, 1.0, limits)
        chosen = time.process_time() - start
        theirs = choose.by_sum(all_of, direct, 1.0, limits)
        degree = choose.by_sum(all_of, np.bincount(arcs.tail, minlength=arcs.nodes).astype(float), 1.0, limits)
        figures = {n: choose.expected(fresh, all_of, c, arcs.nodes) for n, c in
                   (("reach", ours), ("sum of p", theirs), ("out-degree", degree))}  # fmt: skip
        more = choose.difference(fresh, all_of, ours, theirs, arcs.nodes)
        print(json.dumps({
            "graph": name, "nodes": arcs.nodes, "arcs": len(arcs.tail), "sets": sets, "cpu_draw_two": round(drawn, 2),
            "cpu_choose": round(chosen, 2), **{n: round(f.users, 1) for n, f in figures.items()},
            "reach - sum": [round(more.users - 1.96 * more.error, 1), round(more.users + 1.96 * more.error, 1)],
        }), flush=True)  # fmt: skip


def fill(store: Store, events: int) -> None:
    """Write about `events` generated referral events (2.6 for each user) and the users into a warehouse."""
    shop, written = Shop(100, 100, max(int(events / 2.6), 256), 1), []
    step = 1 << 18
    for number, first in enumerate(range(0, shop.users, step)):
        data = referral_events(shop, first, min(step, shop.users - first))
        written.append(store.write_file(REFERRAL_EVENTS, data, "bench", number))
    store.commit(REFERRAL_EVENTS, written, "replace", "bench")
    store.commit(USERS, [store.write_file(USERS, users(shop, 0, shop.users), "bench", 0)], "replace", "bench")


def measured(warehouse: str, small: str) -> dict[str, Any]:
    """Run the jobs measure_growth and choose_inviters once each, and return the seconds of both.

    A small run of measure_growth before them warms Spark up.

    Args:
        warehouse: The warehouse to measure on.
        small: The warehouse for the warm-up.

    Returns:
        `measure_growth` and `choose_inviters`: seconds of each job. Of measure_growth also `cpu_seconds`, `stages`
        (seconds by stage) and `cascades` (number of rows published).
    """
    from shopbatch.capabilities.growth.config import InviterConfig, MeasureConfig
    from shopbatch.capabilities.growth.inviters import choose_inviters
    from shopbatch.capabilities.growth.measure import measure_growth

    out: dict[str, Any] = {}
    with spark_session(Platform(spark=Spark(memory="4g"))) as spark:
        measure_growth(spark, MeasureConfig(), Store(small), Report(job="measure_growth"))
        report, start, used = Report(job="measure_growth"), time.monotonic(), cpu_seconds()
        measure_growth(spark, MeasureConfig(), Store(warehouse), report)
        out["measure_growth"] = round(time.monotonic() - start, 1)
        out["cpu_seconds"] = round(cpu_seconds() - used, 1)
        out["stages"] = {name: round(stage.seconds, 1) for name, stage in report.stages.items()}
        out["cascades"] = report.rows.published
    report, start = Report(job="choose_inviters"), time.monotonic()
    choose_inviters(InviterConfig(), Store(warehouse), report)
    out["choose_inviters"] = round(time.monotonic() - start, 1)
    return out


def scale(sizes: list[int]) -> None:
    """Measure both jobs for each number of events, in its own process, and print a JSON line per size."""
    for size in sizes:
        folder = tempfile.mkdtemp(prefix="bench-growth-")
        try:
            stores = [Store(f"{folder}/{name}") for name in ("whole", "small")]
            for store, events in zip(stores, (size, min(size, 20_000)), strict=True):
                fill(store, events)
            rows = stores[0].snapshot(REFERRAL_EVENTS.name).rows
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                result = pool.submit(measured, *(store.root for store in stores)).result()
        finally:
            shutil.rmtree(folder)
        print(json.dumps({"events": rows, **result}), flush=True)


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first word names: estimates (the default), reach or scale."""
    what, *rest = argv or ["estimates"]
    if what == "estimates":
        estimates(int(rest[0]) if rest else 400)
    elif what == "reach":
        reaches(*map(int, rest))
    else:
        scale([int(word) for word in rest] or [1_000_000, 10_000_000])


if __name__ == "__main__":
    main(sys.argv[1:])
