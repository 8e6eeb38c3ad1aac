"""Shows what a run is doing: one line per stage and a progress bar on a terminal, or lines of JSON on a pipe.

Everything goes to standard error, since standard output is for the report. The output contains counts, rates and names
of stages, but no customer's data. `runs.job` opens a display for each run; `Report.stage` and `core.progress` write to
the current display.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from shopbatch.core.errors import bounded
from shopbatch.core.privacy import clean

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import Task

Mode = Literal["terminal", "lines", "quiet"]


class Display:
    """Base class of the displays of a run's stages. It shows nothing itself; outside of runs it is the current display.

    Attributes:
        log: Function that is called with each line that is also written to the run's log.
        stage_name: Name of the stage under way, for the run's heartbeat.
        done: Rows or steps of this stage that are finished.
        total: Rows or steps of this stage in all; None if unknown.
        beats: Whether `Progress` writes lines of JSON: True unless the display draws a bar or is quiet.
    """

    beats = True

    def __init__(self) -> None:
        self.log: Callable[[str], None] = lambda line: None
        self.stage_name, self.done = "", 0
        self.total: int | None = None

    def begin(self, job: str, run_id: str, warehouse: str) -> None:
        """Do nothing; displays that show the begin of a run override this.

        Args:
            job: The job's name.
            run_id: The run's id.
            warehouse: The folder or URI of the warehouse.
        """

    def stage_begins(self, name: str) -> None:
        """Log that a stage has begun; derived displays also show it."""
        self.stage_name, self.done, self.total = name, 0, None
        self.log(f"{name} begins")

    def stage_ends(self, name: str, seconds: float, rows: int | None) -> None:
        """Log how long a stage took; derived displays also show it.

        Args:
            name: The stage's name.
            seconds: Its duration.
            rows: How many rows it processed; None if it counts no rows.
        """
        self.log(f"{name} took {seconds:.1f} s" + ("" if rows is None else f", {rows:,} rows"))

    def note(self, text: str) -> None:
        """Show and log a line that a person should read during the run, cut if it is long and without personal data."""
        line = clean(bounded(text))
        self.log(line)
        self._show_note(line)

    def _show_note(self, line: str) -> None:
        """Do nothing; displays that show the line of `note` override this."""

    def advance(self, stage: str, done: int, total: int | None, rejects: int) -> None:
        """Store how far a stage is, for the run's heartbeat; derived displays also show it.

        `Progress` calls it each time that rows are finished.

        Args:
            stage: The stage's name.
            done: Finished rows or steps.
            total: Rows or steps in all; None if unknown.
            rejects: Finished rows that have no result.
        """
        self.done, self.total = done, total

    def close(self) -> None:
        """Remove from the screen everything that must not stay there when the run has ended."""


class Quiet(Display):
    """Display of a run with `--quiet`: shows nothing and writes no heartbeats; the run's log still gets its lines."""

    beats = False


class Lines(Display):
    """Display for a pipe: writes one line of JSON per event to standard error."""

    def begin(self, job: str, run_id: str, warehouse: str) -> None:
        """Write the event `start` with the job and the run id."""
        super().begin(job, run_id, warehouse)
        self._write({"event": "start", "job": job, "run_id": run_id})

    def stage_begins(self, name: str) -> None:
        """Write the event `stage` with the stage's name."""
        super().stage_begins(name)
        self._write({"event": "stage", "stage": name})

    def _show_note(self, line: str) -> None:
        self._write({"event": "note", "text": line})

    def _write(self, event: dict[str, Any]) -> None:
        """Print an event as one line of JSON on standard error."""
        with suppress(OSError, ValueError):  # a closed pipe ends the events, never the run
            print(json.dumps(event), file=sys.stderr, flush=True)


class Terminal(Display):
    """Display for a terminal: a line for each finished stage, and below them the current stage with a progress bar."""

    beats = False

    def __init__(self) -> None:
        from rich.console import Console

        super().__init__()
        self._console = Console(stderr=True, highlight=False)  # looks up sys.stderr for each line
        self._bars: Bars | None = None

    def begin(self, job: str, run_id: str, warehouse: str) -> None:
        """Print the job, the run id and the warehouse."""
        super().begin(job, run_id, warehouse)
        self._print(f"{job}  run {run_id} in {warehouse}")

    def stage_begins(self, name: str) -> None:
        """Draw the line of a new stage: a spinner, then a bar."""
        super().stage_begins(name)
        self._remove_bar()
        self._bars = _bars(self._console, name)

    def stage_ends(self, name: str, seconds: float, rows: int | None) -> None:
        """Replace the bar of a stage by a line with its time and its rows."""
        super().stage_ends(name, seconds, rows)
        self._remove_bar()
        counted = "" if rows is None else f"{rows:,} rows"
        label = name.replace("_", " ")
        self._print(f"  {label:<16}{clock_time(seconds):>9}  {counted:>18}".rstrip())

    def _show_note(self, line: str) -> None:
        self._print(f"  {line}")

    def advance(self, stage: str, done: int, total: int | None, rejects: int) -> None:
        """Move the bar of the current stage. If there is no stage, as in a training loop, a bar is started first."""
        super().advance(stage, done, total, rejects)
        if self._bars is None:  # progress outside of a stage, as in a training loop
            self._bars = _bars(self._console, stage)
        label = stage.replace("_", " ") or self.stage_name
        self._bars.update(self._bars.task_ids[0], description=label, completed=done, total=total, rejects=rejects)

    def close(self) -> None:
        """Remove the bar."""
        self._remove_bar()

    def _print(self, line: str) -> None:
        """Print a line above the bar, cut to the width of the terminal."""
        try:
            self._console.print(line, markup=False, overflow="ellipsis", no_wrap=True)
        except (OSError, ValueError):  # the terminal has gone; the run goes on
            self._console.quiet = True

    def _remove_bar(self) -> None:
        """Stop drawing the bar, if there is one."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def _bars(console: Any, name: str) -> Bars:
    """Start drawing the line of a stage on a terminal, and return the `rich` object that updates it.

    The line shows a spinner and the time at first, and a bar once the total number of rows is known.
    """
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn
    from rich.table import Column
    from rich.text import Text

    class Counts(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            return Text(counts(task))

    class KnownBar(BarColumn):
        def render(self, task: Task) -> Any:
            return Text("") if task.total is None else super().render(task)

    bars = Progress(
        SpinnerColumn("line"),
        "{task.description:<14}",
        KnownBar(bar_width=16),
        Counts(table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=True,
        refresh_per_second=4,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bars.add_task(name.replace("_", " "), total=None, rejects=0)
    bars.start()
    return bars


def counts(task: Task) -> str:
    """Format the progress of a stage for its line on the terminal: "1,449 of 2,899  72/s  0:20 left"."""
    elapsed = clock_time(task.elapsed or 0)
    if task.total is None and not task.completed:
        return elapsed
    parts = [f"{task.completed:,.0f}" + ("" if task.total is None else f" of {task.total:,.0f}")]
    if task.speed:
        parts.append(f"{task.speed:,.0f}/s" if task.speed >= 10 else f"{task.speed:.1f}/s")
    if task.fields.get("rejects"):
        parts.append(f"{task.fields['rejects']:,} rejected")
    remaining = task.time_remaining
    parts.append(elapsed if remaining is None else f"{clock_time(remaining)} left")
    return "  ".join(parts)


def clock_time(seconds: float) -> str:
    """Format a duration in seconds as "0.4 s", "12 s", "3:05" (minutes) or "2:10:00" (hours)."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


_NONE = Display()
_current: list[Display] = []


def current() -> Display:
    """Return the display of the run under way in this process, or a display that shows nothing if none is."""
    return _current[-1] if _current else _NONE


_DISPLAYS = {"terminal": Terminal, "lines": Lines, "quiet": Quiet}


@contextmanager
def showing(mode: Mode) -> Iterator[Display]:
    """Make a new display the current one inside the block, and yield it.

    Args:
        mode: "terminal" (progress bar), "lines" (lines of JSON) or "quiet".
    """
    display: Display = _DISPLAYS[mode]()
    _current.append(display)
    try:
        yield display
    finally:
        display.close()
        _current.remove(display)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Show, inside the block, a stage that the report does not time, such as the start of Ray."""
    start = time.monotonic()
    current().stage_begins(name)
    try:
        yield
    finally:
        current().stage_ends(name, time.monotonic() - start, None)
