"""How far a run is: a bar on a terminal, else a line of JSON every few seconds. Both go to standard error.

Used by jobs around their long stage. Standard output stays the report's. Counts and rates only: no customer's data.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

WINDOW = 60.0  # seconds over which the rate is taken, so that a slow start does not spoil the estimate for long
_REDRAW = 0.5  # seconds between two drawings of a bar


class Progress:
    """Counts rows as they are done and says so, from a thread of its own: a slow batch still beats.

    total: rows to do (None: unknown). stream: where to write (None: standard error). every: seconds between two
    heartbeats. stage: what is being done; may be set anew at any time. Use as a context manager; the last heartbeat
    is written on leaving it. A stream that breaks ends the heartbeats, never the run.
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
        self._bar = self._stream.isatty()
        self._every = _REDRAW if self._bar else every
        self._start = clock()
        self._seen: deque[tuple[float, int]] = deque([(self._start, 0)])  # (time, rows) of the window
        self._counting = threading.Lock()
        self._writing = threading.Lock()  # apart: a stream that blocks must not hold up `advance`
        self._broken = False
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Progress:
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
        """`rows` more are done, `rejects` of them without a result. Safe from any thread."""
        with self._counting:
            self.rows += rows
            self.rejects += rejects

    def beat(self, final: bool = False) -> None:
        """Writes a heartbeat now. The final one gives the rate of the whole run, and ends a bar's line."""
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
        while not self._done.wait(self._every):
            self.beat()

    def _text(self, final: bool) -> str:
        with self._counting:
            now, rows = self._clock(), self.rows
            rate = self._rate(now, final)
        left = None if self.total is None else max(self.total - rows, 0)
        eta = None if left is None or (left and not rate) else left / rate if left else 0.0
        return self._draw(rate, eta, final) if self._bar else self._line(now, rate, eta, final)

    def _rate(self, now: float, final: bool) -> float:
        """Rows a second: of the last WINDOW seconds, or of all when it is over."""
        self._seen.append((now, self.rows))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW:
            self._seen.popleft()
        then, rows = (self._start, 0) if final else self._seen[0]
        return (self.rows - rows) / (now - then) if now > then else 0.0

    def _line(self, now: float, rate: float, eta: float | None, final: bool) -> str:
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

    def _draw(self, rate: float, eta: float | None, final: bool) -> str:
        """The bar's line, drawn over the one before: compute ━━━━────  40%  4,000 of 10,000  812 rows/s  7 s left."""
        parts = [f"{self.rows:,}" if self.total is None else f"{self.rows:,} of {self.total:,}", f"{rate:,.0f} rows/s"]
        if self.rejects:
            parts.append(f"{self.rejects:,} rejected")
        if eta is not None and not final:
            parts.append(f"{_clock_time(eta)} left")
        if self.total is not None:
            share = min(self.rows / self.total, 1.0) if self.total else 1.0
            full = int(24 * share)
            parts.insert(0, f"{'━' * full}{'─' * (24 - full)} {share:4.0%}")
        text = "  ".join([self.stage, *parts] if self.stage else parts)
        width = shutil.get_terminal_size().columns - 1
        encoding = self._stream.encoding or "ascii"
        text = text[:width].encode(encoding, "replace").decode(encoding)  # a terminal without ━ shows ?
        return f"\r\x1b[K{text}" + ("\n" if final else "")


def _clock_time(seconds: float) -> str:
    """7 s, 3:05, 2:10:00."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
