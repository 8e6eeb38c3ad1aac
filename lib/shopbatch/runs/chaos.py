"""Tests whether a job loses data when a process is killed; the command is `shopbatch chaos`.

First the job runs undisturbed on a copy of the warehouse, which records the crash points (named places in the code)
that it passes. Then each seed draws one crash point and one process (the victim). The run stops at the crash point
(SIGSTOP), the victim is killed, and what is left of the run continues. The job is then run again until it is done, and
its published rows are compared with those of the undisturbed run.
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
# victim -> expected exit codes: Ray replaces a worker, and a process that dies late may not be needed any more
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
_LINKED = 2**18  # bytes; larger files are linked, not copied, since existing files never change

State = Mapping[tuple[str, ...], Counter[Any]]  # (table, values of its partition) -> rows by hash


@dataclass(frozen=True)
class Kill:
    """The fault that one seed of `shopbatch chaos` draws: where the run stops, and which process is killed there.

    Attributes:
        place: Name of the crash point.
        count: At which of several passes through the crash point the run stops (1: the first).
        victim: The process to kill, such as "driver" or "worker"; VICTIMS lists them.
    """

    place: str
    count: int
    victim: str

    @classmethod
    def draw(cls, seed: int, places: Mapping[str, int], session: str) -> Kill:
        """Draw a crash point and a victim at random.

        Args:
            seed: Equal seeds draw equal faults.
            places: For each crash point, how often the undisturbed run passed it.
            session: "ray" or "spark", which decides what processes a run has.
        """
        drawn = random.Random(seed)
        place = drawn.choice(sorted(places))
        return cls(place, drawn.randint(1, places[place]), drawn.choice(VICTIMS[session]))


@dataclass
class Trial:
    """The result of one seed of `shopbatch chaos`: a run with a fault, its reruns, and how their result differs.

    Attributes:
        seed: The seed.
        kill: Which process was killed, and where.
        codes: The exit codes: of the run with the fault, then of each rerun.
        reached: False if nothing was killed: the run did not reach the crash point, or had no process such as the
            victim.
        lost: Number of rows that only the undisturbed run has.
        double: Number of surplus copies of rows that the undisturbed run also has.
        other: Number of rows, or of live models, that the undisturbed run does not have.
        half: Number of tables or partitions that were half-written after the kill: neither as before the run nor as
            after the undisturbed run.
        seconds: Wall-clock time of the trial.
        reasons: The last message of each rerun that failed.
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
        """Whether the first and last exit codes are as expected, and the undisturbed run had the same result."""
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
        """Run the job once without a fault, and store its result in `wanted` and its crash points in `places`.

        Returns:
            The seconds that the run took.

        Raises:
            UserError: The run fails, publishes nothing, or passes no crash point.
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
        """Run the job with the fault that a seed draws, rerun it until it is done, and compare the result.

        It is rerun at least once and at most RERUNS times.
        """
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
        """Copy the warehouse, without the tables, memo and checkpoints of the job and without reports.

        Returns:
            The folder of the copy, `folder`/`name`.
        """
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
        """Start a run of the job and yield its process; whatever still runs at the end of the block is killed.

        Args:
            warehouse: The copy on which the job runs.
            variables: Environment variables of the run, for its crash points.
        """
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
        """Wait until a process of the run has stopped at the crash point, and return its id.

        Args:
            run: The first process of the run.
            once: The file into which the stopped process writes its id.

        Returns:
            None if the run ends, or `timeout` passes, before a process stops.
        """
        until = time.monotonic() + self.timeout
        while time.monotonic() < until and run.poll() is None:
            text = once.read_text("utf-8") if once.exists() else ""
            if text and processes.is_stopped(int(text)):
                return int(text)
            time.sleep(0.05)
        return None

    def _wait(self, run: subprocess.Popen[bytes]) -> int:
        """Wait for the end of a run and return its exit code; a run that hangs is killed."""
        try:
            return run.wait(self.timeout)
        except subprocess.TimeoutExpired:
            _kill("all processes", run.pid, run.pid)
            return run.wait()


def _kill(victim: str, supervisor: int, stopped: int) -> bool:
    """Kill the victim, then let the process that stopped at the crash point continue.

    Args:
        victim: Which process of the run to kill, such as "driver" or "all processes"; VICTIMS lists them.
        supervisor: Id of the run's first process.
        stopped: Id of the process that has stopped at the crash point.

    Returns:
        False if the run has no process that fits `victim`, so that nothing was killed.
    """
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
    """Copy a small file; hard-link a large one, which is quicker."""
    if os.path.getsize(source) >= _LINKED:
        with suppress(OSError):  # the copy is on another disk
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def state(warehouse: Path) -> State:
    """Return the visible rows of every table that jobs write, for a comparison of two runs.

    Columns that only record how a row came about (run id, time) are left out. Each live model counts as a row of a
    table named `_models`.

    Returns:
        {(table, partition values...): {hash of a row: how often the row occurs}}.
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
    """Compare the rows after a run (`now`) with those after the undisturbed run (`wanted`), table by table.

    Returns:
        Three numbers of rows: those that only `wanted` has, surplus copies of rows that `wanted` also has, and those
        that only `now` has.
    """
    have, want = (sum((Counter({(k[0], r): n for r, n in c.items()}) for k, c in s.items()), Counter[Any]())
                  for s in (now, wanted))  # fmt: skip
    more = have - want
    double = sum(n for row, n in more.items() if row in want)
    return sum((want - have).values()), double, sum(more.values()) - double


def _half_visible(now: State, before: State, wanted: State) -> int:
    """Count the tables or partitions after a kill (`now`) that are half-written.

    That is, their rows equal neither those before the run nor those after the undisturbed run (`wanted`).
    """
    none = Counter[Any]()
    keys = {*now, *before, *wanted}  # also what is gone
    return sum(now.get(key, none) not in (before.get(key, none), wanted.get(key, none)) for key in keys)


def _last_line(warehouse: Path) -> str:
    """Return the last message of a run (a line "shopbatch: ..." in the log file of the copy on which the job ran).

    Without messages it is the log's last line, or "".
    """
    lines = warehouse.with_suffix(".log").read_text("utf-8", "replace").splitlines()
    said = [line for line in lines if line.startswith("shopbatch: ")]
    return (said or lines or [""])[-1]


def describe(trial: Trial) -> str:
    """Return the line that `shopbatch chaos` prints for a seed, and one more line for each rerun that failed."""
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
    """Yield the last lines that `shopbatch chaos` prints: equal seeds, kills by victim, and sums of differing rows."""
    equal = sum(t.is_equal for t in trials)
    victims = Counter(t.kill.victim for t in trials if t.reached)
    yield f"{equal} of {len(trials)} seeds published what the undisturbed run published"
    yield "killed: " + (", ".join(f"{victim} {n}" for victim, n in sorted(victims.items())) or "nothing")
    for name in ("lost", "double", "other", "half"):
        yield f"{'half-visible' if name == 'half' else name}: {sum(getattr(t, name) for t in trials)}"
