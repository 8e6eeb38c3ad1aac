"""Compute the tables of docs/evidence/scale.md: time, memory, files and logs of a large shop, from measured constants.

The constants come from the files in bench/results; nothing is run here. The model of time: a constant start, and CPU
time that grows with the rows and is spread over all cores. A straight line through two measured sizes gives both
constants, and the other measured sizes check it. `bench/scale.py tables` uses this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REVIEWS, PRODUCTS, LINES = 100_000_000, 10_000_000, 1_000_000_000
CORES, NODES = 16, (1, 4, 16)
SHARD_ROWS, MAX_SHARDS, PART_ROWS = 524_288, 64, 262_144
# assumed, not measured: the vendors' peak rates in bf16 without sparsity, and the share of them that short texts reach
GPUS = {"GPUs of 121 TFLOP/s (L4)": 121.0, "GPUs of 312 TFLOP/s (A100)": 312.0}
USED = 0.3
DISTINCT = 0.8  # share of distinct texts among the generated reviews
START = 10.0  # seconds until workers run, assumed to be the same on many nodes as on one machine
BEGIN, END = "<!-- made by `python -m bench.scale tables --page`, from here -->", "<!-- to here -->"


@dataclass(frozen=True)
class Line:
    """A straight line over the number of rows: at + slope * rows."""

    at: float
    slope: float

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> Line:
        """Return the line through the first and last point (rows, value); for one point, the line from 0 to it."""
        (a, x), (b, y) = points[0], points[-1]
        if a == b:
            return cls(0.0, x / a)
        slope = (y - x) / (b - a)
        return cls(x - slope * a, slope)

    def __call__(self, rows: float) -> float:
        """Return the value of the line at a number of rows."""
        return self.at + self.slope * rows


@dataclass(frozen=True)
class Machinery:
    """The measured cost of an inference run without its model, each figure as a line over the number of rows.

    Attributes:
        busy: Share of its cores that the largest run used, 0 to 1.
        cpu: CPU seconds of a first run.
        wall: Wall-clock seconds of a first run.
        driver_mb: Peak memory of the driver, in MB.
        store_mb: Peak size of Ray's object store, in MB.
        bytes_of: Bytes of data, by table (source, memo, sink).
        log_of: Bytes of the Delta log, by table.
        files_of: Number of data files, by table.
    """

    busy: float
    cpu: Line
    wall: Line
    driver_mb: Line
    store_mb: Line
    bytes_of: Mapping[str, Line]
    log_of: Mapping[str, Line]
    files_of: Mapping[str, Line]

    @classmethod
    def of(cls, runs: Sequence[Mapping[str, Any]]) -> Machinery:
        """Fit the lines through the first and the last of the runs, which are sorted by their number of rows."""

        def line(value: Any) -> Line:
            return Line.through([(float(r["rows"]), float(value(r))) for r in runs])

        tables = runs[0]["tables"]
        last = runs[-1]
        return cls(
            busy=min(1.0, last["first"]["cpu"] / last["first"]["wall"] / last["cpus"]),
            cpu=line(lambda r: r["first"]["cpu"]),
            wall=line(lambda r: r["first"]["wall"]),
            driver_mb=line(lambda r: r["first"]["driver_mb"]),
            store_mb=line(lambda r: r["object_store_mb"]),
            bytes_of={n: line(lambda r, n=n: r["tables"][n]["bytes"]) for n in tables},
            log_of={n: line(lambda r, n=n: r["tables"][n]["log_bytes"]) for n in tables},
            files_of={n: line(lambda r, n=n: r["tables"][n]["files"]) for n in tables},
        )


def load(results: Path, name: str) -> dict[str, Any] | None:
    """Return the figures of a benchmark from `results/NAME.json`; None if it was not run."""
    path = results / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def page_of(results: Path, page: Path | None) -> str:
    """Return the tables as Markdown, and write them into a page.

    Args:
        results: Folder with the figures.
        page: The page whose marked part is replaced; None writes no page.

    Raises:
        FileNotFoundError: There is no `scale.json` in `results`.
    """
    scale = load(results, "scale")
    if scale is None:
        raise FileNotFoundError(2, "no figures", str(results / "scale.json"))
    runs = scale["runs"]
    roomy = list({run["rows"]: run for run in runs}.values())  # per size the run with the largest object store
    parts = [measured(runs), checked(roomy), reviews(Machinery.of(roomy[-2:]), results), others(results)]
    text = "\n\n".join(part for part in parts if part)
    if page is not None:
        old = page.read_text("utf-8")
        before, after = old[: old.index(BEGIN) + len(BEGIN)], old[old.index(END) :]
        page.write_text("\n\n".join([before, text, after]), "utf-8")
    return text


def measured(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of all measured runs (time, memory and files by number of reviews) as Markdown."""
    lines = [
        "### What was run",
        "",
        "| reviews | object store, limit | first run | processor time | driver | all processes "
        "| put into the store | memo files | table files | nothing to do |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for run in runs:
        first, tables = run["first"], run["tables"]
        lines.append(
            f"| {run['rows']:,} | {run['object_store_limit_mb']:,} MB | {first['wall']:,.0f} s | {first['cpu']:,.0f} s "
            f"| {first['driver_mb']:,} MB | {run['memory_mb']:,} MB | {run['object_store_mb']:,} MB "
            f"| {tables['memo']['files']:,} "
            f"| {tables['sink']['files']:,} | {run['second']['wall']:.1f} s |"
        )
    lines += [
        "",
        f"{runs[0]['cpus']} CPUs, which other work shared. What does not fit into the store goes to the disk.",
    ]
    return "\n".join(lines)


def checked(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table of the model's forecast for the largest run beside its measured figures.

    The model is fitted to the smaller runs only. With fewer than 3 runs the result is "".
    """
    if len(runs) < 3:
        return ""
    *known, last = runs
    model = Machinery.of(known)
    rows = float(last["rows"])
    pairs = [
        ("processor time, s", model.cpu(rows), last["first"]["cpu"]),
        ("by the clock, s", model.wall(rows), last["first"]["wall"]),
        ("driver, MB", model.driver_mb(rows), last["first"]["driver_mb"]),
        ("object store, MB", model.store_mb(rows), last["object_store_mb"]),
        *((f"{n}, MB", model.bytes_of[n](rows) / 1e6, last["tables"][n]["bytes"] / 1e6) for n in last["tables"]),
        *((f"files of the {n}", model.files_of[n](rows), last["tables"][n]["files"]) for n in last["tables"]),
    ]
    lines = [
        f"### What the smaller runs foretold of {last['rows']:,} reviews",
        "",
        "| what | foretold | measured | off by |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {what} | {said:,.0f} | {was:,.0f} | {(said / was - 1) if was else 0:+.0%} |" for what, said, was in pairs
    ]
    return "\n".join(lines)


def reviews(model: Machinery, results: Path) -> str:
    """Return the tables for 100 million reviews as Markdown: time by number of nodes, time on GPUs, and sizes.

    Args:
        model: The measured cost of the machinery.
        results: Folder with the figures, for the speed of the encoder.
    """
    cpu = model.cpu(REVIEWS)
    sentiment = load(results, "sentiment")
    engine, gflop = _engine(sentiment)
    lines = [
        f"### {REVIEWS:,} reviews, computed",
        "",
        f"| nodes of {CORES} cores | machinery | with the encoder on the cores | object store a node |",
        "| --- | --- | --- | --- |",
    ]
    for nodes in NODES:
        cores = nodes * CORES
        bare = START + cpu / cores / model.busy
        whole = hours(bare + REVIEWS * DISTINCT * engine / cores) if engine else "not measured"
        lines.append(f"| {nodes} | {hours(bare)} | {whole} | {model.store_mb(REVIEWS) / nodes / 1024:,.1f} GB |")
    lines += [""]
    if gflop:
        lines += ["| with the encoder on | reviews a second, assumed | 80 million distinct texts on 8 of them |",
                  "| --- | --- | --- |"]  # fmt: skip
        for name, peak in GPUS.items():
            pace = peak * 1000 * USED / gflop
            lines.append(f"| {name} | {pace:,.0f} | {hours(DISTINCT * REVIEWS / pace / 8)} |")
        lines += [""]
    shards = min(MAX_SHARDS, 1 << max(0, (REVIEWS - 1) // SHARD_ROWS).bit_length())
    pieces = -(-REVIEWS // PART_ROWS) * shards
    lines += ["| what | size |", "| --- | --- |"]
    for name, line in model.bytes_of.items():
        log, files = model.log_of[name](REVIEWS) / 1e6, model.files_of[name](REVIEWS)
        lines.append(f"| {name}: data, files, log | {line(REVIEWS) / 1e9:,.1f} GB, {files:,.0f}, {log:,.1f} MB |")
    lines += [
        f"| driver | {model.driver_mb(REVIEWS):,.0f} MB |",
        f"| parts, shards, pieces of each kind that the driver has references to | {-(-REVIEWS // PART_ROWS):,}, "
        f"{shards}, {pieces:,} |",
        f"| rows of a shard, which one task holds | {REVIEWS // shards:,} |",
    ]
    return "\n".join(lines)


def _engine(sentiment: Mapping[str, Any] | None) -> tuple[float, float]:
    """Return the CPU seconds and the GFLOP of the encoder per review; 0 for both where they were not measured."""
    if sentiment is None:
        return 0.0, 0.0
    side = next(s for s in sentiment["sides"] if s["name"] == "engine")
    cpu = sorted(side["cpu"])[len(side["cpu"]) // 2]
    return cpu / sentiment["units"], sentiment["notes"]["gflop"] / sentiment["units"]


def others(results: Path) -> str:
    """Return the table for 10 million products and a billion transactions, from the figures of their benchmarks."""
    lines = ["### Products and transactions, computed", "", "| what | figure |", "| --- | --- |"]
    search = load(results, "search_scale")
    if search is not None:
        side = search["sides"][0]
        size = int(search["command"].split("--products ")[1].split()[0]) if "--products" in search["command"] else 1e6
        cost = sorted(side["cpu"])[len(side["cpu"]) // 2] / search["units"]
        lines += [
            f"| the index of {PRODUCTS:,} products with 384 dimensions (8 bits and 16 bits each) | "
            f"{PRODUCTS * 384 * 3 / 2**30:,.1f} GB in the memory of each process that answers |",
            f"| a query on it, vectors alone, exact | {cost * PRODUCTS / size * 1000:,.0f} ms of one core |",
        ]
    recommended = load(results, "recommendations")
    if recommended is not None:
        side = recommended["sides"][0]
        cost = sorted(side["cpu"])[len(side["cpu"]) // 2] / recommended["units"]
        lines.append(
            f"| the 50 best of {PRODUCTS:,} products for 10 million users, at the cost of a million products for each "
            f"million (at most) | {hours(cost * 10 * 1e7 / (16 * CORES))} on 16 nodes of {CORES} cores |"
        )
    lines.append(
        f"| the profiles of {LINES:,} transaction lines, at 27 microseconds of processor time a line "
        f"(50 million lines, `python -m bench.user_profiles growth --rows 50000000`) | "
        f"{hours(LINES * 27e-6 / (4 * CORES))} on 4 nodes of {CORES} cores; one new day of {LINES // 365:,} lines "
        f"{hours(LINES / 365 * 27e-6 / CORES)} on one |"
    )
    return "\n".join(lines)


def hours(seconds: float) -> str:
    """Format seconds in the unit that fits: 45 -> "45 s", 600 -> "10 min", 7200 -> "2.0 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
