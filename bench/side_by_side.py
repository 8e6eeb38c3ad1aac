"""Tools that all benchmarks of speed share: run competitors in turn, compare their times, write the figures as JSON.

A "side" is one competitor (this project, or a peer such as Hugging Face); all sides do the same work. They run one
after another, in a new order every round, so that other load on the machine affects all of them alike. The comparison
is by pairs of runs in the same round: their ratio is more reliable than the seconds, and CPU time is more reliable than
wall-clock time. CPU time is that of this process and of all processes that it has started.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeVar, cast

import psutil

from shopbatch.core.errors import UserError, one_line

RESULTS = Path(__file__).parent / "results"
VERSIONS = ("torch", "transformers", "openvino", "openvino-genai", "ray", "pyspark", "duckdb", "polars", "pyarrow",
            "deltalake", "numpy")  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One competitor of a benchmark: a function that does the whole work once.

    Attributes:
        name: Its name in the tables.
        run: Does the whole work once. The returned value is stored, to compare it with that of the other sides.
        ours: True if it is this project's code; the others are peers.
        before: Called before each run, and not measured.
        share: The share of the work that `run` does, 0 to 1; below 1 where all of it would take too long.
    """

    name: str
    run: Callable[[], Any]
    ours: bool = False
    before: Callable[[], None] = lambda: None
    share: float = 1.0


@dataclass
class Taken:
    """The measurements of one side (one competitor of a benchmark).

    Attributes:
        name: Name of the side.
        ours: True if the side is this project's code.
        share: The share of the work that the side does, 0 to 1.
        wall: Wall-clock seconds of each counted round.
        cpu: CPU seconds of each counted round.
        peak_mb: The most memory that this process had in a counted round, in MB.
        returned: The value that the side's last run returned.
    """

    name: str
    ours: bool
    share: float
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    returned: Any = None

    def as_json(self) -> dict[str, Any]:
        """Return the figures as a dict for the JSON file, without the returned value."""
        rounded = {"wall": [round(s, 4) for s in self.wall], "cpu": [round(s, 4) for s in self.cpu]}
        return {"name": self.name, "ours": self.ours, "share": self.share, **rounded, "peak_mb": round(self.peak_mb)}


def alternate(sides: Sequence[Side], rounds: int, warm: int = 1) -> dict[str, Taken]:
    """Run every side once per round, in an order that rotates from round to round, and measure each run.

    Args:
        sides: The competitors.
        rounds: Number of measured rounds.
        warm: Number of rounds before them that are not measured: they load, compile and fill caches.

    Returns:
        The measurements of each side, by its name.
    """
    taken = {side.name: Taken(side.name, side.ours, side.share) for side in sides}
    for number in range(-warm, rounds):
        turn = number % len(sides)
        for side in [*sides[turn:], *sides[:turn]]:
            side.before()
            gc.collect()
            reset_peak()
            cpu, began = cpu_seconds(), time.perf_counter()
            with watched():
                returned = side.run()
            wall, cpu = (
                time.perf_counter() - began,
                max(1e-6, cpu_seconds() - cpu),
            )  # not 0: the system counts CPU time in ticks
            one = taken[side.name]
            one.returned = returned
            shown = "warm-up" if number < 0 else f"round {number + 1}"
            memory = peak_mb()
            print(f"{shown}: {side.name}: {wall:.2f} s, {cpu:.2f} s of the processor, {memory:.0f} MB", flush=True)
            if number >= 0:
                one.wall.append(wall)
                one.cpu.append(cpu)
                one.peak_mb = max(one.peak_mb, memory)
    return taken


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Return the median, the lowest and the highest of some values, rounded to `digits` (keys median, low, high)."""
    return {
        name: round(of(values), digits) for name, of in (("median", statistics.median), ("low", min), ("high", max))
    }


def pace(ours: Taken, peer: Taken) -> dict[str, Any]:
    """Return how many times as fast `ours` is as `peer`, by pairs of runs of the same round; above 1 `ours` is faster.

    Returns:
        The names (of, beside), and the `spread` of the ratios by wall-clock time (wall) and CPU time (cpu).
    """
    return {
        "of": ours.name,
        "beside": peer.name,
        **{
            clock: spread([
                (theirs / peer.share) / (own / ours.share)
                for own, theirs in zip(getattr(ours, clock), getattr(peer, clock), strict=True)
            ])
            for clock in ("wall", "cpu")
        },
    }  # fmt: skip


_seen: dict[tuple[int, float], float] = {}  # last observed CPU seconds of each child process by pid and start time


def cpu_seconds() -> float:
    """Return the CPU seconds that this process and all processes that it started have used so far.

    A process that has ended counts with its last observed value, since nothing reports afterwards how much a Ray worker
    has used. `watched` therefore calls this function regularly.
    """
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            used = process.cpu_times()
            _seen[process.pid, process.create_time()] = used.user + used.system
    return time.process_time() + sum(_seen.values())


@contextmanager
def watched(every: float = 0.25) -> Iterator[None]:
    """Record the CPU time of all child processes every `every` seconds inside the block.

    Without this, the CPU time of processes that end before the block does would be lost.
    """
    over = Event()

    def look() -> None:
        while not over.wait(every):
            cpu_seconds()

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def reset_peak() -> None:
    """Reset the peak memory that the operating system keeps for this process; does nothing where the system cannot."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """Return the peak memory of this process since `reset_peak`, in MB; 0 where the system does not report it."""
    status = Path("/proc/self/status")
    lines = status.read_text("utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def machine() -> dict[str, Any]:
    """Describe the machine: processor, number of CPUs, memory in GB, Python version, load of the last minute."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": models[0] if models else platform.machine(),
        "cpus": os.cpu_count(),
        "memory_gb": round(memory),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def versions() -> dict[str, str]:
    """Return the versions of the compared libraries by package name; libraries that are not installed are left out."""
    known = {}
    for name in VERSIONS:
        with suppress(importlib.metadata.PackageNotFoundError):
            known[name] = importlib.metadata.version(name)
    return known


class Missing(SystemExit):
    """Raised when a benchmark lacks something that it needs: prints one line and ends the process with exit code 2."""

    def __init__(self, what: str) -> None:
        print(f"not run: {what}", file=sys.stderr)
        super().__init__(2)


Main = TypeVar("Main", bound=Callable[..., Any])


def benchmark(main: Main) -> Main:
    """Decorate the `main` of a benchmark: a missing file, model or package ends it with one line and exit code 2."""

    @wraps(main)
    def run(*arguments: Any, **named: Any) -> Any:
        try:
            return main(*arguments, **named)
        except FileNotFoundError as error:
            raise Missing(f"there is no {error.filename or one_line(error, 300)}") from None
        except ModuleNotFoundError as error:
            raise Missing(f"the package {error.name} is not installed") from None
        except UserError as error:
            raise Missing(one_line(error, 300)) from None

    return cast(Main, run)


def parser(doc: str | None, rows: int, rounds: int = 3) -> argparse.ArgumentParser:
    """Return an argument parser with the options that all benchmarks of speed have: --rows, --rounds and --json.

    Args:
        doc: The description of the command, usually the module's docstring.
        rows: Default of --rows, the size of the work.
        rounds: Default of --rounds.
    """
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rows", type=int, default=rows, help=f"size of the work ({rows:,})")
    made.add_argument("--rounds", type=int, default=rounds, help="rounds that count")
    made.add_argument("--json", type=Path, default=None, help="where the figures go, such as bench/results/NAME.json")
    return made


def record(
    question: str,
    unit: str,
    units: float,
    taken: Mapping[str, Taken],
    path: Path | None,
    argv: Sequence[str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Compare each side of this project with every peer; print the comparison, and write and return all figures.

    Args:
        question: Name of the benchmark's file in bench/, without `.py`.
        unit: The unit of the work in the plural, such as texts.
        units: Number of units that each side works on.
        taken: The measurements of each side, from `alternate`.
        path: The JSON file to write; None writes none.
        argv: The arguments of the command line; None means those of this process.
        **more: Further figures for the JSON: agreement, bound, not_run, notes.
    """
    ours = [t for t in taken.values() if t.ours]
    peers = [t for t in taken.values() if not t.ours]
    ratios = [pace(own, peer) for own in ours for peer in peers]
    figures = {
        **stamp(question, argv),
        "unit": unit,
        "units": units,
        "sides": [t.as_json() for t in taken.values()],
        "pace": ratios,
        **more,
    }
    for ratio in ratios:
        cpu, wall = ratio["cpu"], ratio["wall"]
        print(f"{ratio['of']} / {ratio['beside']}: {cpu['median']:.2f} times the pace ({cpu['low']:.2f} to "
              f"{cpu['high']:.2f}) in processor time, {wall['median']:.2f} by the clock")  # fmt: skip
    for name, value in more.items():
        print(f"{name}: {value}")
    save(figures, path)
    return figures


def stamp(question: str, argv: Sequence[str] | None) -> dict[str, Any]:
    """Return the fields that every file of figures begins with: question, command, date (UTC), machine and versions.

    Args:
        question: Name of the benchmark's file in bench/, without `.py`.
        argv: The arguments of the command line; None means those of this process. --json is left out.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    shown = [w for i, w in enumerate(words) if w != "--json" and (i == 0 or words[i - 1] != "--json")]
    return {
        "question": question,
        "command": shlex.join(["python", "-m", f"bench.{question}", *shown]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
    }


def save(figures: Mapping[str, Any], path: Path | None) -> None:
    """Write figures as JSON to `path`, creating its folder; do nothing if `path` is None."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
