"""What a run shows while it goes on: a line per stage and one bar on a terminal, lines of JSON on a pipe.

Everything goes to standard error, since standard output belongs to the report. It holds counts, rates and names of
stages, no customer's data. `runs.job` begins a display; `Report.stage` and `core.progress` use the current one.
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
    """Shows the stages of a run. This one, which is current where no run is, shows nothing.

    Attributes:
        log: Is called with each line that also belongs into the run's log.
        stage_name, done, total: The stage that is under way and how far it is, for the run's heartbeat.
        beats: Whether progress is written as lines of JSON: whatever reads a pipe has no bar.
    """

    beats = True

    def __init__(self) -> None:
        self.log: Callable[[str], None] = lambda line: None
        self.stage_name, self.done = "", 0
        self.total: int | None = None

    def begin(self, job: str, run_id: str, warehouse: str) -> None:
        """Show which run begins."""

    def stage_begins(self, name: str) -> None:
        """Show that a stage has begun."""
        self.stage_name, self.done, self.total = name, 0, None
        self.log(f"{name} begins")

    def stage_ends(self, name: str, seconds: float, rows: int | None) -> None:
        """Show how long a stage took, and the rows that it processed if it processes rows."""
        self.log(f"{name} took {seconds:.1f} s" + ("" if rows is None else f", {rows:,} rows"))

    def note(self, text: str) -> None:
        """Show a line that a person should know of while the run goes on: cut if it is long, without personal data."""
        line = clean(bounded(text))
        self.log(line)
        self._show_note(line)

    def _show_note(self, line: str) -> None:
        """Show a line of `note`."""

    def advance(self, stage: str, done: int, total: int | None, rejects: int) -> None:
        """Show how far a stage is."""
        self.done, self.total = done, total

    def close(self) -> None:
        """Remove what is not to stay on the screen."""


class Quiet(Display):
    """Shows nothing at all."""

    beats = False


class Lines(Display):
    """One line of JSON per event."""

    def begin(self, job: str, run_id: str, warehouse: str) -> None:
        super().begin(job, run_id, warehouse)
        self._write({"event": "start", "job": job, "run_id": run_id})

    def stage_begins(self, name: str) -> None:
        super().stage_begins(name)
        self._write({"event": "stage", "stage": name})

    def _show_note(self, line: str) -> None:
        self._write({"event": "note", "text": line})

    def _write(self, event: dict[str, Any]) -> None:
        with suppress(OSError, ValueError):  # a closed pipe ends the events, never the run
            print(json.dumps(event), file=sys.stderr, flush=True)


class Terminal(Display):
    """A line for each finished stage, and below them the stage under way with its bar."""

    beats = False

    def __init__(self) -> None:
        from rich.console import Console

        super().__init__()
        self._console = Console(stderr=True, highlight=False)  # asks for sys.stderr anew with each line
        self._bars: Bars | None = None

    def begin(self, job: str, run_id: str, warehouse: str) -> None:
        super().begin(job, run_id, warehouse)
        self._print(f"{job}  run {run_id} in {warehouse}")

    def stage_begins(self, name: str) -> None:
        super().stage_begins(name)
        self._remove_bar()
        self._bars = _bars(self._console, name)

    def stage_ends(self, name: str, seconds: float, rows: int | None) -> None:
        super().stage_ends(name, seconds, rows)
        self._remove_bar()
        counted = "" if rows is None else f"{rows:,} rows"
        label = name.replace("_", " ")
        self._print(f"  {label:<16}{clock_time(seconds):>9}  {counted:>18}".rstrip())

    def _show_note(self, line: str) -> None:
        self._print(f"  {line}")

    def advance(self, stage: str, done: int, total: int | None, rejects: int) -> None:
        super().advance(stage, done, total, rejects)
        if self._bars is None:  # progress outside of a stage, as a training loop has it
            self._bars = _bars(self._console, stage)
        label = stage.replace("_", " ") or self.stage_name
        self._bars.update(self._bars.task_ids[0], description=label, completed=done, total=total, rejects=rejects)

    def close(self) -> None:
        self._remove_bar()

    def _print(self, line: str) -> None:
        try:
            self._console.print(line, markup=False, overflow="ellipsis", no_wrap=True)
        except (OSError, ValueError):  # the terminal has gone; the run goes on
            self._console.quiet = True

    def _remove_bar(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def _bars(console: Any, name: str) -> Bars:
    """Start the line of a stage: a spinner and the time at first, a bar once the number of rows is known."""
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
    """Say how far a stage is: 1,449 of 2,899  72/s  0:20 left."""
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
    """Format a duration as 0.4 s, 7 s, 3:05 or 2:10:00."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


_NONE = Display()
_current: list[Display] = []


def current() -> Display:
    """Return the display of the run under way in this process, or one that shows nothing."""
    return _current[-1] if _current else _NONE


_DISPLAYS = {"terminal": Terminal, "lines": Lines, "quiet": Quiet}


@contextmanager
def showing(mode: Mode) -> Iterator[Display]:
    """Make a display the current one inside the block."""
    display: Display = _DISPLAYS[mode]()
    _current.append(display)
    try:
        yield display
    finally:
        display.close()
        _current.remove(display)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Show a stage that the report does not time, such as the start of Ray."""
    start = time.monotonic()
    current().stage_begins(name)
    try:
        yield
    finally:
        current().stage_ends(name, time.monotonic() - start, None)
