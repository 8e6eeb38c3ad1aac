"""Defines the exit codes of all commands, and maps exceptions to them.

Exit codes: 0 done, 2 the user's mistake, 3 a gate refused, 4 stopped but resumable, 1 anything else.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shopbatch.core.errors import LONGEST_MESSAGE, Stopped, UserError, bounded_lines, one_line
from shopbatch.core.privacy import clean
from shopbatch.runs.report import Outcome

DONE, FAILED, MISTAKE, REFUSED, STOPPED = 0, 1, 2, 3, 4
RESUME = "the same command goes on from here"

# Spark's messages about a missing data file
_GONE = re.compile(r"FAILED_READ_FILE\.FILE_NOT_EXIST|(PATH_NOT_FOUND|java\.io\.FileNotFoundException).*\.parquet")
# errors of Ray and its cluster after which a new attempt can succeed
_LOST = {
    "NodeDiedError", "LocalRayletDiedError", "ActorUnavailableError", "WorkerCrashedError", "ObjectLostError",
    "OutOfDiskError", "OutOfMemoryError", "RpcError",
}  # fmt: skip
# part of an error's message -> what the environment did, and what to do
_ENVIRONMENT = {
    "timed out during startup": "Ray did not start in time: the machine is too busy, wait or end other work",
    "Too many open files": "too many open files: raise the limit (ulimit -n 65536)",
}


def report_errors(call: Callable[[], int]) -> int:
    """Call a command that leaves no report and return its exit code; print expected errors as one line.

    Expected errors are the user's mistake, an interruption, a full disk and a lost connection; the line goes to
    standard error. Every other exception is raised again.
    """
    with _Ending() as ending:
        ending.code = call()
    return ending.code


@dataclass
class _Ending:
    """Context manager that catches expected errors, prints each as one line, and keeps the exit code in `code`.

    All other errors pass through.
    """

    code: int = DONE

    def __enter__(self) -> _Ending:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, KeyboardInterrupt):
            print("shopbatch: interrupted", file=sys.stderr)
            self.code = STOPPED
            return True
        if not isinstance(error, Exception):
            return False
        if (mistake := find_user_error(error)) is not None:
            self.code = report_user_error(mistake)
            return True
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # the name came from the command line
            self.code = report_user_error(UserError(f"the name of a file is too long: {error.filename}"))
            return True
        temporary = [each for each in _causes(error) if isinstance(each, Stopped) or _is_temporary(each)]
        if temporary:
            print(f"shopbatch: stopped: {clean(one_line(temporary[-1]))}; {RESUME}", file=sys.stderr)
            self.code = STOPPED
        return bool(temporary)


def report_user_error(error: UserError) -> int:
    """Print the user's mistake as one line on standard error and return the exit code 2."""
    print(f"shopbatch: {clean(user_error_line(error))}", file=sys.stderr)
    return MISTAKE


def user_error_line(error: UserError) -> str:
    """Return the message of a UserError as one line.

    The message of an error from a Ray task is a remote traceback; then the message of its cause is returned.
    """
    cause = getattr(error, "cause", None)
    return one_line(cause if isinstance(cause, UserError) else error, LONGEST_MESSAGE)


def find_user_error(error: BaseException) -> UserError | None:
    """Return the innermost UserError in an error's chain of causes, or None if there is none."""
    return next((each for each in reversed(list(_causes(error))) if isinstance(each, UserError)), None)


def classify(error: BaseException, signals: Sequence[str]) -> tuple[int, Outcome, str]:
    """Return exit code, outcome and message for an error that is no UserError, GateRefused, Stopped or Ctrl-C.

    Errors that the environment caused (a full disk, a lost node), or that followed a signal, count as stopped (4); all
    others are defects (1).

    Args:
        error: The error that the run raised.
        signals: Names of the signals that arrived during the run.
    """
    if signals:  # the bridge to Spark's JVM replaces the signal handler's exception by one of its own
        return STOPPED, "stopped", f"{signals[0]}; {RESUME}"
    if temporary := [each for each in _causes(error) if _is_temporary(each)]:
        # the longer messages hold the remote traceback of the shortest one
        shortest = min(temporary, key=lambda each: len(str(each)))
        said = next((text for sign, text in _ENVIRONMENT.items() if sign in str(shortest)), None)
        return STOPPED, "stopped", f"{said or _temporary_line(shortest)}; {RESUME}"
    cause = getattr(error, "cause", None)
    # Ray wraps the error of a worker; its own hints come before the last line
    lines = str(cause or error).strip().splitlines() or [""]
    return FAILED, "failed", f"{type(cause or error).__name__}: {lines[0 if cause else -1]}"


def trace(error: BaseException) -> str:
    """Return the traceback of an error as text, without secrets and personal data, with long lines cut."""
    return clean(bounded_lines("".join(traceback.format_exception(error))))


def exit_with(code: int) -> None:
    """Flush the output and end the process at once, because some native libraries abort during their own shutdown."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _is_temporary(error: BaseException) -> bool:
    """Return True if the environment caused an error: a full disk, a lost node, no open-file slots, a silent store.

    A data file that a VACUUM has removed during the run also counts.
    """
    from shopbatch.warehouse.files import is_full, is_lost_connection

    lost = not _LOST.isdisjoint(kind.__name__ for kind in type(error).__mro__)
    starved = getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE) or "timed out during startup" in str(error)
    return lost or starved or is_full(error) or is_lost_connection(error) or _is_gone(error)


def _is_gone(error: BaseException) -> bool:
    """Return True if an error says that a data file is missing, which mostly happens after a VACUUM during the run.

    The file belongs to a pinned table version, or this run wrote it.
    """
    if isinstance(error, FileNotFoundError):
        return ".parquet" in str(error)
    return _GONE.search(str(error)) is not None


def _temporary_line(error: BaseException) -> str:
    """Return an error that the environment caused as one line, with an explanation if a data file is missing."""
    line = one_line(f"{type(error).__name__}: {error}", 600)
    gone = "a data file is gone, as after a VACUUM in the middle of the run; if no VACUUM ran, restore the file"
    return f"{gone} ({line})" if _is_gone(error) else line


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on. Ray keeps a worker's error in the attribute `cause`."""
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__
