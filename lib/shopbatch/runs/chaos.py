"""A job whose processes are killed at places drawn by a seed, and run again: is what it publishes still the same?

An undisturbed run of a copy of the warehouse traces which crash points it passes. Each seed draws one of them and a
victim: the run stops there (SIGSTOP), the victim is killed, and the run goes on, or is run again until it is done.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shopbatch.core.errors import UserError
from shopbatch.runs import processes
from shopbatch.runs.outcomes import DONE, STOPPED

VICTIMS = {
    "ray": ("driver", "supervisor", "worker", "all processes", "raylet", "gcs"),
    "spark": ("driver", "supervisor", "jvm", "all processes"),
}
# how the command may end whose run lost a process: a worker is replaced, and what dies late may not be needed any more
CODES: dict[str, tuple[int, ...]] = {
    "driver": (STOPPED,),
    "supervisor": (-signal.SIGKILL,),
    "all processes": (-signal.SIGKILL,),
    "worker": (DONE, STOPPED),
    "raylet": (STOPPED, DONE),
    "gcs": (STOPPED, DONE),
    "jvm": (STOPPED, DONE),
}
RERUNS = 5
_LINKED = 2**18  # files from this size on are linked, not copied: nothing writes into a file that exists

State = Mapping[tuple[str, ...], Counter[Any]]  # (table, values of its partition) -> rows by hash


@dataclass(frozen=True)
class Kill:
    """Where a run stops, and which process is killed then."""

    place: str
    count: int
    victim: str

    @classmethod
    def draw(cls, seed: int, places: Mapping[str, int], session: str) -> Kill:
        """Draw a place that the undisturbed run has passed, how often it is passed before, and a victim."""
        drawn = random.Random(seed)
        place = drawn.choice(sorted(places))
        return cls(place, drawn.randint(1, places[place]), drawn.choice(VICTIMS[session]))


@dataclass
class Trial:
    """What became of one seed.

    Attributes:
        seed: The seed.
        kill: What was killed, and where.
        codes: The exit codes of the command, the last one of the run that was done.
        reached: Whether the run reached the place and had such a process.
        lost: Rows that the undisturbed run has and this one lacks.
        double: Rows that this one has more often.
        other: Rows, or models, that the undisturbed run does not have.
        half: Tables or partitions that were visible after the kill and are neither as before nor as in the end.
        seconds: How long it took.
        reasons: What a run said that nobody disturbed and that was not done.
    """

    seed: int
    kill: Kill
    codes: list[int] = field(default_factory=list)
    reached: bool = True
    lost: int = 0
    double: int = 0
    other: int = 0
    half: int = 0
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether every exit code was as expected, and the result is that of the undisturbed run."""
        first = CODES[self.kill.victim] if self.reached else (DONE,)
        clean = not (self.lost or self.double or self.other or self.half)
        return clean and self.codes[0] in first and self.codes[-1] == DONE


@dataclass
class Chaos:
    """A job under test.

    Attributes:
        job: Its name.
        session: Its session, `ray` or `spark`.
        arguments: The words after `shopbatch run JOB`.
        source: The warehouse that is copied; nothing is written there.
        folder: Where the copies are made.
        makes: Names of the models that it publishes; the copies have none of these names.
        timeout: Seconds after which a run counts as hung, and is ended.
    """

    job: str
    session: str
    arguments: Sequence[str]
    source: Path
    folder: Path
    makes: Sequence[str] = ()
    timeout: float = 1800.0
    places: dict[str, int] = field(default_factory=dict)
    before: State = field(default_factory=dict)
    wanted: State = field(default_factory=dict)

    def undisturbed(self) -> float:
        """Run the job once without a fault, and keep its result and the crash points that it passes.

        Returns:
            How many seconds it took.

        Raises:
            UserError: It does not publish anything, or passes no crash point.
        """
        warehouse, trace, began = self._copy("undisturbed"), self.folder / "trace", time.monotonic()
        self.before = state(warehouse)
        with self._running(warehouse, SHOPBATCH_CRASH_TRACE=str(trace)) as run:
            code = self._wait(run)
        if code != DONE:
            raise UserError(f"the undisturbed run ended with exit code {code}: {_last_line(warehouse)}")
        self.wanted = state(warehouse)
        if self.wanted == self.before:
            raise UserError("the undisturbed run published nothing, so that there is nothing to compare")
        for line in trace.read_text("utf-8").splitlines() if trace.exists() else []:
            place, _, count = line.rpartition(" ")
            self.places[place] = max(self.places.get(place, 0), int(count))
        if not self.places:
            raise UserError(f"job {self.job} passes no place at which a process can be killed")
        shutil.rmtree(warehouse)
        return time.monotonic() - began

    def trial(self, seed: int) -> Trial:
        """Run the job with one fault, again until it is done, and compare."""
        kill = Kill.draw(seed, self.places, self.session)
        trial, began = Trial(seed, kill), time.monotonic()
        warehouse = self._copy(f"seed-{seed}")
        once = warehouse.with_suffix(".once")
        variables = {
            "SHOPBATCH_CRASH_AT": kill.place,
            "SHOPBATCH_CRASH_COUNT": str(kill.count),
            "SHOPBATCH_CRASH_SIGNAL": "SIGSTOP",
            "SHOPBATCH_CRASH_ONCE": str(once),
        }
        with self._running(warehouse, **variables) as run:
            stopped = self._stopped(run, once)
            trial.reached = stopped is not None and _kill(kill.victim, run.pid, stopped)
            trial.codes.append(self._wait(run))
        trial.half = _half_visible(state(warehouse), self.before, self.wanted)
        while (trial.codes[-1] != DONE or len(trial.codes) == 1) and len(trial.codes) <= RERUNS:
            with self._running(warehouse) as run:
                trial.codes.append(self._wait(run))
            if trial.codes[-1] != DONE:
                trial.reasons.append(_last_line(warehouse))
        trial.lost, trial.double, trial.other = _compare(state(warehouse), self.wanted)
        trial.seconds = time.monotonic() - began
        if trial.is_equal:
            shutil.rmtree(warehouse)
        return trial

    def _copy(self, name: str) -> Path:
        """Copy the warehouse without what the job has made before."""
        from shopbatch.tables import TABLES

        own = {t.name for t in TABLES.values() if t.job == self.job} | {f"{self.job}_memo", "_runs"}
        left_out = {".": own, "_training": {self.job}, "_models": {*self.makes}}
        target = self.folder / name

        def leave_out(folder: str, names: list[str]) -> set[str]:
            return left_out.get(Path(folder).relative_to(self.source).as_posix(), set())

        shutil.copytree(self.source, target, ignore=leave_out, copy_function=_link)
        return target

    @contextmanager
    def _running(self, warehouse: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """A run of the job. What still goes on at the end of the block, such as after Ctrl-C, is killed."""
        command = [sys.executable, "-m", "shopbatch", "run", self.job, *self.arguments]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SHOPBATCH_CRASH_", "RAY_ADDRESS"))}
        with warehouse.with_suffix(".log").open("ab") as log:
            run = subprocess.Popen(
                [*command, f"platform.warehouse={warehouse}"],
                env=environment | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield run
        finally:
            if run.poll() is None:
                _kill("all processes", run.pid, run.pid)
                run.wait()

    def _stopped(self, run: subprocess.Popen[bytes], once: Path) -> int | None:
        """Wait until a process of the run has stopped at the crash point; None if the run ends before."""
        until = time.monotonic() + self.timeout
        while time.monotonic() < until and run.poll() is None:
            text = once.read_text("utf-8") if once.exists() else ""
            if text and processes.is_stopped(int(text)):
                return int(text)
            time.sleep(0.05)
        return None

    def _wait(self, run: subprocess.Popen[bytes]) -> int:
        """Wait for the end of a run and return its exit code; one that hangs is ended."""
        try:
            return run.wait(self.timeout)
        except subprocess.TimeoutExpired:
            _kill("all processes", run.pid, run.pid)
            return run.wait()


def _kill(victim: str, supervisor: int, stopped: int) -> bool:
    """Kill a process of a run, or all of them, and let the one that has stopped go on. False: there is none."""
    below = processes.descendants(supervisor)
    if victim == "supervisor":
        targets = [supervisor]
    elif victim == "driver":
        targets = below[:1]
    elif victim == "all processes":
        targets = [supervisor, *below]
    else:
        targets = processes.named(victim, supervisor)[:1]
        if victim == "worker" and processes.title(stopped).startswith("ray::"):
            targets = [stopped]
    for process in targets:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(stopped, signal.SIGCONT)
    return bool(targets)


def _link(source: str, target: str) -> None:
    """Copy a small file; link a large one."""
    if os.path.getsize(source) >= _LINKED:
        with suppress(OSError):  # another disk
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def state(warehouse: Path) -> State:
    """Return the visible rows of every table that a job has made, without what only says how they came to be.

    A live model is a row of the table `_models`.
    """
    import polars as pl

    from shopbatch.models import registry
    from shopbatch.tables import TABLES
    from shopbatch.warehouse.store import Store

    store, rows = Store(str(warehouse)), dict[tuple[str, ...], Counter[Any]]()
    for table in TABLES.values():
        if table.job and (snapshot := store.find(table.name)) is not None:
            frame = pl.DataFrame(snapshot.read([c.name for c in table.columns if not c.machinery]))
            hashes = frame.hash_rows(seed=7).to_list() if len(frame) else []
            places = frame.select(pl.col(table.partition_by).cast(pl.String)).rows() if table.partition_by else None
            for number, row in enumerate(hashes):
                key = (table.name, *(str(v) for v in places[number])) if places else (table.name,)
                rows.setdefault(key, Counter())[row] += 1
    models = [
        reference
        for manifest, live in registry.listed(f"{warehouse}/_models")
        if live
        for reference in [registry.reference(manifest)]
    ]
    rows["_models",] = Counter(models)
    return rows


def _compare(now: State, wanted: State) -> tuple[int, int, int]:
    """Count the rows that are lost, there too often, and unknown to the undisturbed run."""
    have, want = (sum((Counter({(k[0], r): n for r, n in c.items()}) for k, c in s.items()), Counter[Any]())
                  for s in (now, wanted))  # fmt: skip
    more = have - want
    double = sum(n for row, n in more.items() if row in want)
    return sum((want - have).values()), double, sum(more.values()) - double


def _half_visible(now: State, before: State, wanted: State) -> int:
    """Count the tables, or partitions of them, that are neither as before nor as the undisturbed run leaves them."""
    return sum(rows not in (before.get(key, Counter()), wanted.get(key, Counter())) for key, rows in now.items())


def _last_line(warehouse: Path) -> str:
    """What the last run of a copy has said last, apart from its report."""
    lines = warehouse.with_suffix(".log").read_text("utf-8", "replace").splitlines()
    said = [line for line in lines if line.startswith("shopbatch: ")]
    return (said or lines or [""])[-1]


def describe(trial: Trial) -> str:
    """Return the line of a seed."""
    kill, codes = trial.kill, ", ".join(map(str, trial.codes))
    where = (
        f"{kill.victim} killed at {kill.place}:{kill.count}"
        if trial.reached
        else f"no {kill.victim} at {kill.place}:{kill.count}"
    )
    rows = f"lost {trial.lost}, double {trial.double}, other {trial.other}, half-visible {trial.half}"
    end = "equal" if trial.is_equal else "NOT EQUAL"
    return "\n  run again: ".join(
        [f"seed {trial.seed:<4} {where:<48} exit {codes:<9} {rows}  {trial.seconds:.0f} s  {end}", *trial.reasons]
    )


def summarise(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the lines of the summary."""
    equal = sum(t.is_equal for t in trials)
    victims = Counter(t.kill.victim for t in trials if t.reached)
    yield f"{equal} of {len(trials)} seeds published what the undisturbed run published"
    yield "killed: " + (", ".join(f"{victim} {n}" for victim, n in sorted(victims.items())) or "nothing")
    for name in ("lost", "double", "other", "half"):
        yield f"{'half-visible' if name == 'half' else name}: {sum(getattr(t, name) for t in trials)}"
