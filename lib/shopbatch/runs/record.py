"""Writes the files of a run while it is under way: a report with the outcome `running`, a heartbeat, and the log.

`<warehouse>/_runs/<job>/<run_id>/` holds `report.json` from the start, `heartbeat.json` until the run ends, and
`log.txt`. If the heartbeat is old, or the process has gone, `history` reports the run as lost.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from shopbatch.core import display
from shopbatch.core.errors import bounded_lines
from shopbatch.core.privacy import clean
from shopbatch.runs.report import Report, run_folder

BEAT = 10.0  # seconds between two heartbeats
TAIL = 15  # number of log lines that the report of a failed run shows


class Record:
    """Writes report, heartbeat and log of a run under way into its folder. A context manager: leaving it ends them.

    Args:
        report: The run's report. It is written at once in its present state, with the outcome `running`.
        warehouse: The folder or URI of the warehouse.

    Raises:
        OSError: The warehouse cannot be written.
    """

    def __init__(self, report: Report, warehouse: str) -> None:
        self._folder = run_folder(warehouse, report.job, report.run_id)
        self.is_remote = "://" in warehouse
        if self.is_remote:  # an object cannot be appended to: the log is uploaded when the run ends
            self.log_path = Path(tempfile.mkstemp(prefix="shopbatch-", suffix=".log")[1])
        else:
            self.log_path = Path(self._folder) / "log.txt"
        report.host, report.pid = socket.gethostname(), os.getpid()
        report.save_as_running(warehouse)
        self._log: TextIO = self.log_path.open("a", encoding="utf-8", buffering=1)
        self._stopped, self._wake = False, threading.Event()
        self._thread = threading.Thread(target=self._beats, name="heartbeat", daemon=True)
        self._thread.start()

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._wake.set()
        self._thread.join(timeout=BEAT)
        with suppress(OSError):  # a full disk or a lost warehouse: the exit code still tells it
            self._log.close()
            end_record(self._folder, self.log_path, self.is_remote)

    def log(self, line: str) -> None:
        """Append text to the log, behind the time of day. Secrets and personal data are removed, long lines cut."""
        with suppress(OSError, ValueError):  # a full disk must not end a run that may still commit what it has
            print(f"{datetime.now(UTC):%H:%M:%S} {clean(bounded_lines(line))}", file=self._log)
        self._wake.set()

    def tail(self) -> list[str]:
        """Return the last lines of the log (at most TAIL), without secrets and personal data."""
        return log_tail(self.log_path)

    def _beats(self) -> None:
        """Write a heartbeat every BEAT seconds and after each log line, until the run ends; the body of the thread."""
        while not self._stopped:
            self._beat()
            self._wake.wait(BEAT)
            self._wake.clear()

    def _beat(self) -> None:
        """Write heartbeat.json: the time, the stage, the rows done and in total, and the host."""
        now = display.current()
        beat = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "stage": now.stage_name}
        from shopbatch.warehouse import files

        with suppress(OSError):  # a store that does not answer now may answer the next heartbeat
            text = json.dumps({**beat, "done": now.done, "total": now.total, "host": socket.gethostname()})
            files.write_bytes(f"{self._folder}/heartbeat.json", text.encode(), durable=False)


def end_record(folder: str, log: Path, is_remote: bool) -> None:
    """Remove the heartbeat of a run that has ended, and upload the log to the warehouse if it is a temporary file.

    Args:
        folder: The run's folder or URI.
        log: The log file.
        is_remote: Whether the warehouse is an object store, so that the log is a temporary file.
    """
    from shopbatch.warehouse import files

    files.remove(f"{folder}/heartbeat.json")
    if is_remote and log.exists():
        files.write_bytes(f"{folder}/log.txt", log.read_bytes())
        log.unlink()


def log_tail(path: Path) -> list[str]:
    """Return the last lines of a log (at most TAIL), without secrets and personal data, cut to 500 characters each.

    Output of native code is in the log as it was written, so that secrets must be removed when the log is read.

    Returns:
        The lines; [] if the log cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [clean(line)[:500] for line in lines[-TAIL:]]


@contextmanager
def native_output_to(path: Path) -> Iterator[None]:
    """Redirect what native code (Ray's core, the JVM) writes to standard error into a file, inside the block.

    Python's own `sys.stderr` still writes to the original standard error.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    python = sys.stderr
    if _writes_to_2(python):
        sys.stderr = os.fdopen(os.dup(kept), "w", encoding=python.encoding, errors="backslashreplace", buffering=1)
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 2)
    os.close(log)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        if sys.stderr is not python:
            sys.stderr.flush()
            sys.stderr = python


def _writes_to_2(stream: Any) -> bool:
    """Return True if a stream writes to file descriptor 2, standard error."""
    try:
        return bool(stream.fileno() == 2)
    except (OSError, AttributeError, ValueError):  # such as a stream of a test or of a notebook
        return False
