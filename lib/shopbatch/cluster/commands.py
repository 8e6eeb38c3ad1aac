"""The functions behind `shopbatch submit`, `status`, `logs` and `cancel`: each prints and returns an exit code.

The exit codes are those of a run: 0 done, 2 the user's mistake, 3 a gate refused, 4 stopped and resumable, 1 anything
else.
"""

from __future__ import annotations

import json
import sys

from shopbatch.cluster import attempts
from shopbatch.cluster import submit as submission
from shopbatch.cluster.attempts import Attempt, Place
from shopbatch.cluster.jobs import Jobs, Unreachable, submission_id
from shopbatch.cluster.submit import Request
from shopbatch.core import config
from shopbatch.core.errors import UserError, one_line
from shopbatch.core.privacy import clean
from shopbatch.runs.outcomes import DONE, FAILED, MISTAKE, REFUSED, STOPPED
from shopbatch.runs.run_key import RunKey


def submit(request: Request, wait: bool) -> int:
    """Start a run on the cluster, unless its run key is running or done already, and print the newest attempt as JSON.

    Args:
        request: The job and its command line.
        wait: Whether to wait until the run has ended, and then print its report and return its exit code instead.
    """
    attempt, place = submission.submit(request)
    how = "submitted" if attempt.started else "attached to" if attempt.running else "done already"
    _print_note(f"{how}: {attempt.key}, attempt {attempt.number}")
    return _follow(place, attempt) if wait else _print_attempt(attempt)


def status(env: str, key: str | None, wait: bool) -> int:
    """Print the newest attempt at a run key as one line of JSON, with its state.

    Args:
        env: Name of the environment.
        key: The run key; None prints a line for every run that the cluster knows.
        wait: Whether to wait until the run has ended, and then print its report and return its exit code instead.

    Raises:
        UserError: Nothing was submitted under this key.
    """
    place = _place(env)
    if key is None:
        for job in place.cluster.all():
            known = {name: job.metadata.get(name) for name in ("run_key", "attempt", "job")}
            print(json.dumps({**known, "submission_id": job.id, "state": job.state.lower()}))
        return DONE
    attempt = _newest(place, key)
    return _follow(place, attempt) if wait else _print_attempt(attempt)


def logs(env: str, key: str, attempt: int | None) -> int:
    """Print the output of an attempt's driver so far, without secrets and personal data.

    Args:
        env: Name of the environment.
        key: The run key.
        attempt: Number of the attempt; None for the newest.

    Raises:
        UserError: The cluster has no such attempt.
    """
    place = _place(env)
    newest = _newest(place, key)
    number = attempt or newest.number
    identifier = submission_id(newest.key, number)
    if place.cluster.info(identifier) is None:
        raise UserError(f"the cluster has no logs of attempt {number} at {newest.key}")
    print(clean(place.cluster.logs(identifier)), end="")
    return DONE


def cancel(env: str, key: str) -> int:
    """Stop the running attempt at a run key cleanly, and print the attempt as one line of JSON.

    The results that it has written are kept for the next attempt.

    Returns:
        The exit code 0.

    Raises:
        UserError: Nothing was submitted under this key.
    """
    place = _place(env)
    attempt = attempts.cancel(Place(place.warehouse, place.cluster), str(RunKey.parse(key)))
    if attempt is None:
        raise UserError(f"nothing was ever submitted as {key}")
    return _print_attempt(attempt)


def _place(env: str) -> Place:
    """Return the warehouse of an environment and its cluster's Jobs API, which is None if it does not answer."""
    platform = config.platform(env)
    warehouse = submission.shared_root(platform)
    try:
        return Place(warehouse, Jobs(platform))
    except Unreachable:
        return Place(warehouse, None)


def _newest(place: Place, key: str) -> Attempt:
    """Return the newest attempt at a run key.

    Raises:
        UserError: Nothing was submitted under this key.
    """
    attempt = attempts.latest(place, str(RunKey.parse(key)))
    if attempt is None:
        raise UserError(f"nothing was ever submitted as {key} (warehouse {place.warehouse})")
    return attempt


def _follow(place: Place, attempt: Attempt) -> int:
    """Wait for an attempt to end, print its report, and return its exit code.

    If the driver died without a report, print what the cluster knows about it. Ctrl-C ends the waiting, not the run.
    """
    try:
        attempt = attempts.wait(place, attempt)
    except KeyboardInterrupt:
        _print_note(f"the run goes on without you: the same command attaches, `shopbatch cancel {attempt.key}` ends it")
        return STOPPED
    if attempt.report is not None:
        print(json.dumps(attempt.report, separators=(",", ":")), flush=True)
        return int(STOPPED if attempt.report["exit_code"] is None else attempt.report["exit_code"])
    job = attempt.job
    why = one_line(job.message if job is not None else "the cluster has forgotten it", 300)
    _print_note(
        f"{attempt.key}, attempt {attempt.number}, ended without a report ({why}); "
        f"`shopbatch logs {attempt.key}` has more, the same command goes on from here"
    )
    # killed, stopped or forgotten runs are resumable; otherwise the driver's exit code is known without its report
    return job.exit_code if job is not None and job.exit_code in (FAILED, MISTAKE, REFUSED) else STOPPED


def _print_attempt(attempt: Attempt) -> int:
    """Print an attempt as one line of JSON and return the exit code 0."""
    print(json.dumps(attempt.to_dict()), flush=True)
    return DONE


def _print_note(text: str) -> None:
    """Print a message for a person on standard error, since standard output holds only JSON."""
    print(f"shopbatch: {clean(text)}", file=sys.stderr, flush=True)
