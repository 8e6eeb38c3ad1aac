"""What all benchmarks of speed share: sides that take turns, medians with their spread, the machine, and the JSON.

Each side does the same work. They run one after another, in a new order every round, so that other work on the machine
meets all of them. What is compared is a pair of runs of one round: its ratio says more than the seconds, and the
processor's time more than the clock's. The processor's time is that of this process and of all that it has started.
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
    """One way to do the work.

    Attributes:
        name: How the table calls it.
        run: Does the whole work once. What it returns is kept, to be compared with the other sides'.
        ours: Whether it is this project's; the others are peers.
        before: Called before each run, and not measured.
        share: The share of the work that it does, where it would take too long otherwise.
    """

    name: str
    run: Callable[[], Any]
    ours: bool = False
    before: Callable[[], None] = lambda: None
    share: float = 1.0


@dataclass
class Taken:
    """What a side took in each round that counts: seconds of the clock and of the processor, and memory in MB."""

    name: str
    ours: bool
    share: float
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    returned: Any = None

    def as_json(self) -> dict[str, Any]:
        """The figures alone."""
        rounded = {"wall": [round(s, 4) for s in self.wall], "cpu": [round(s, 4) for s in self.cpu]}
        return {"name": self.name, "ours": self.ours, "share": self.share, **rounded, "peak_mb": round(self.peak_mb)}


def alternate(sides: Sequence[Side], rounds: int, warm: int = 1) -> dict[str, Taken]:
    """Run every side once a round, in an order that turns from round to round.

    Args:
        sides: The sides.
        rounds: Rounds that count.
        warm: Rounds before them that do not: they load, compile and fill caches.

    Returns:
        What each side took, by its name.
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
            )  # a tick of the system may be missing
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
    """The median, the least and the greatest of some values."""
    return {
        name: round(of(values), digits) for name, of in (("median", statistics.median), ("low", min), ("high", max))
    }


def pace(ours: Taken, peer: Taken) -> dict[str, Any]:
    """How many times as fast one side is as another one, by pairs of the same round; above 1 the first is faster."""
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


_seen: dict[tuple[int, float], float] = {}  # seconds of each process that was started here, when it was last seen


def cpu_seconds() -> float:
    """Seconds of the processor that this process and all that it has started have used so far, as far as was seen.

    A process that has ended counts as it was last seen: nobody says afterwards what a worker of Ray's has used.
    """
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            used = process.cpu_times()
            _seen[process.pid, process.create_time()] = used.user + used.system
    return time.process_time() + sum(_seen.values())


@contextmanager
def watched(every: float = 0.25) -> Iterator[None]:
    """Look at the processes from time to time inside the block, since some end before it does."""
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
    """Let the system forget how much memory this process has had at most, where it can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The most memory that this process has had since `reset_peak`, in MB; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text("utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def machine() -> dict[str, Any]:
    """The machine, and how busy it is now."""
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
    """The versions of the libraries that are compared."""
    known = {}
    for name in VERSIONS:
        with suppress(importlib.metadata.PackageNotFoundError):
            known[name] = importlib.metadata.version(name)
    return known


class Missing(SystemExit):
    """What a benchmark needs is not here: one line, and exit code 2."""

    def __init__(self, what: str) -> None:
        print(f"not run: {what}", file=sys.stderr)
        super().__init__(2)


Main = TypeVar("Main", bound=Callable[..., Any])


def benchmark(main: Main) -> Main:
    """Let a benchmark that lacks a file, a model or a package say so in one line, and end with exit code 2."""

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
    """Make a parser with the options that all have: --rows, --rounds and --json."""
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
    """Compare ours with every peer, print it, and write the figures as JSON.

    Args:
        question: The name of the file in bench/.
        unit: What is counted, such as texts.
        units: How many of them each side works on.
        taken: What each side took.
        path: Where the JSON goes; None: nowhere.
        argv: The command line behind the module's name.
        more: Further figures: agreement, bound, not_run, notes.
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
    """What every file of figures says: the command, the date, the machine and the versions."""
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
    """Write figures as JSON; None: nowhere."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
