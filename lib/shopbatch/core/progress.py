"""Counts the rows that a stage has finished, and shows the count as a bar on a terminal, otherwise as lines of JSON.

A line of JSON (a heartbeat) is written every few seconds to standard error, since standard output is for the report.
Heartbeats contain counts and rates only, no customer's data. `core.display` decides between bar and heartbeats.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from shopbatch.core import display

WINDOW = 60.0  # seconds over which the rate is measured, so that a slow start stops affecting the estimate


class Progress:
    """Counts finished rows and reports them from its own thread, so that heartbeats continue during a slow batch.

    Use it as a context manager; leaving it writes the last heartbeat. An output stream that fails ends the heartbeats,
    never the run.

    Args:
        total: Number of rows to do; None if unknown.
        stream: Where to write the heartbeats; None for standard error.
        every: Seconds between two heartbeats.
        stage: Name of the stage. The attribute may be changed at any time.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        total: int | None,
        stream: TextIO | None = None,
        every: float = 5.0,
        *,
        stage: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.stage, self.rows, self.rejects = total, stage, 0, 0
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._beats = stream is not None or display.current().beats
        self._every = every
        self._start = clock()
        self._seen: deque[tuple[float, int]] = deque([(self._start, 0)])  # (time, rows) within the window
        self._counting = threading.Lock()
        self._writing = threading.Lock()  # a second lock, so that a blocked stream does not delay `advance`
        self._broken = False
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Progress:
        display.current().advance(self.stage, 0, self.total, 0)
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
        self.beat(final=True)

    def advance(self, rows: int, rejects: int = 0) -> None:
        """Count `rows` more finished rows, of which `rejects` have no result. May be called from any thread."""
        with self._counting:
            self.rows += rows
            self.rejects += rejects
        display.current().advance(self.stage, self.rows, self.total, self.rejects)

    def beat(self, final: bool = False) -> None:
        """Write a heartbeat now. The final one shows the average rate of the whole run instead of the current one."""
        if not self._beats:
            return
        if not self._writing.acquire(timeout=1.0):
            return
        try:
            text = self._text(final)
            if not self._broken:
                self._stream.write(text)
                self._stream.flush()
        except (OSError, ValueError):  # a closed pipe or file
            self._broken = True
        finally:
            self._writing.release()

    def _run(self) -> None:
        """Write a heartbeat every few seconds until the context is left; the body of the thread."""
        while not self._done.wait(self._every):
            self.beat()

    def _text(self, final: bool) -> str:
        """Return a heartbeat as a line of JSON, with the current rate and the estimated time to go."""
        with self._counting:
            now, rows = self._clock(), self.rows
            rate = self._rate(now, final)
        left = None if self.total is None else max(self.total - rows, 0)
        eta = None if left is None or (left and not rate) else left / rate if left else 0.0
        return self._line(now, rate, eta, final)

    def _rate(self, now: float, final: bool) -> float:
        """Return rows per second over the last WINDOW seconds; for the final heartbeat over the whole run."""
        self._seen.append((now, self.rows))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW:
            self._seen.popleft()
        then, rows = (self._start, 0) if final else self._seen[0]
        return (self.rows - rows) / (now - then) if now > then else 0.0

    def _line(self, now: float, rate: float, eta: float | None, final: bool) -> str:
        """Format a heartbeat as a line of JSON.

        Args:
            now: Time in seconds, by the clock.
            rate: Rows per second.
            eta: Estimated seconds to go; None if unknown.
            final: Whether it is the last heartbeat.
        """
        beat = {
            "event": "heartbeat",
            "stage": self.stage,
            "rows": self.rows,
            "total": self.total,
            "rejects": self.rejects,
            "rows_per_second": round(rate, 1),
            "eta_seconds": None if eta is None else round(eta),
            "elapsed_seconds": round(now - self._start, 1),
        }
        return json.dumps({**beat, "final": True} if final else beat) + "\n"
