"""`shopbatch submit`, `status`, `logs` and `cancel`: arguments in, a line of JSON and an exit code out.

Called by `cli.py`. Exit codes are those of the run: 0 done, 2 the user's mistake, 3 a gate refused, 4 stopped and
resumable, 1 anything else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from shopbatch.cluster import submit as door
from shopbatch.cluster.jobs import Jobs, Unreachable, submission_id
from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import clean
from shopbatch.runs.job import DONE, FAILED, MISTAKE, REFUSED, STOPPED
from shopbatch.runs.run_key import RunKey

_SUBMIT = """\
Run a job on a cluster, once: the same job, configuration and date attach to the run that is there, or give its report.
A run that failed is submitted again as the key's next attempt.
"""


def submit_parser() -> argparse.ArgumentParser:
    """Arguments of `shopbatch submit`: those of `shopbatch run`, and the date."""
    parser = argparse.ArgumentParser("shopbatch submit", description=_SUBMIT)
    parser.add_argument("job")
    parser.add_argument("--env", default="prod", help="which conf/<env> says where it runs (default: prod)")
    parser.add_argument("--with", dest="overlay", metavar="FILE", help="a YAML file laid over the conf")
    parser.add_argument("--date", help="logical date or time, ISO (default: today, UTC); a part of the run key")
    parser.add_argument("--rerun", metavar="NAME", help="do once more what is done: another run key, of that name")
    parser.add_argument("--wait", action="store_true", help="wait for the report, print it, exit with the run's code")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="override one value of the conf")
    return parser


def submit(argv: Sequence[str]) -> int:
    """Submit, or attach; with --wait until the run has ended. Returns the exit code."""
    given = submit_parser().parse_intermixed_args(argv)
    request = door.Request(given.job, given.env, tuple(given.overrides), given.overlay, given.date, given.rerun)
    attempt, place = door.submit(request)
    how = "submitted" if attempt.started else "attached to" if attempt.running else "done already"
    _tell(f"{how}: {attempt.key}, attempt {attempt.number}")
    return _follow(place, attempt) if given.wait else _print(attempt)


def status(arguments: argparse.Namespace) -> int:
    """One line of JSON for the newest attempt at a run key, or for every run that the cluster knows.

    With --wait: the report of that attempt, when it has ended, and the exit code of the run.
    """
    place = _place(arguments.env)
    if arguments.key is None:
        for job in place.cluster.all():
            told = {name: job.metadata.get(name) for name in ("run_key", "attempt", "job")}
            print(json.dumps({**told, "submission_id": job.id, "state": job.state.lower()}))
        return DONE
    attempt = _newest(place, arguments.key)
    return _follow(place, attempt) if arguments.wait else _print(attempt)


def logs(arguments: argparse.Namespace) -> int:
    """What the driver of an attempt has printed, without secrets and personal data."""
    place = _place(arguments.env)
    cluster, attempt = place.cluster, _newest(place, arguments.key)
    number = arguments.attempt or attempt.number
    if cluster.info(submission_id(attempt.key, number)) is None:
        raise UserError(f"the cluster has no logs of attempt {number} at {attempt.key}")
    print(clean(cluster.logs(submission_id(attempt.key, number))), end="")
    return DONE


def cancel(arguments: argparse.Namespace) -> int:
    """End the run of a key in good order; what it wrote is kept, and the key's next attempt goes on from there."""
    place = _place(arguments.env)
    attempt = door.cancel(door.Place(place.warehouse, place.cluster), str(RunKey.parse(arguments.key)))
    if attempt is None:
        raise UserError(f"nothing was ever submitted as {arguments.key}")
    return _print(attempt)


def _place(env: str) -> door.Place:
    """The warehouse of an environment, and its cluster unless that is silent."""
    platform = config.platform(env)
    warehouse = door.shared_root(platform)
    try:
        return door.Place(warehouse, Jobs(platform))
    except Unreachable:
        return door.Place(warehouse, None)


def _newest(place: door.Place, key: str) -> door.Attempt:
    attempt = door.latest(place, str(RunKey.parse(key)))
    if attempt is None:
        raise UserError(f"nothing was ever submitted as {key} (warehouse {place.warehouse})")
    return attempt


def _follow(place: door.Place, attempt: door.Attempt) -> int:
    """Wait for the report of an attempt and print it; where its driver died without one, what is known of that."""
    try:
        attempt = door.wait(place, attempt)
    except KeyboardInterrupt:
        _tell(f"the run goes on without you: the same command attaches, `shopbatch cancel {attempt.key}` ends it")
        return STOPPED
    if attempt.report is not None:
        print(json.dumps(attempt.report, separators=(",", ":")), flush=True)
        return int(attempt.report["exit_code"])
    job = attempt.job
    why = " ".join((job.message if job is not None else "the cluster has forgotten it").split())
    _tell(
        f"{attempt.key}, attempt {attempt.number}, ended without a report ({why[:300]}); "
        f"`shopbatch logs {attempt.key}` has more, the same command goes on from here"
    )
    # killed, stopped or forgotten: resumable; else the driver's own word, though it could not leave a report
    return job.exit_code if job is not None and job.exit_code in (FAILED, MISTAKE, REFUSED) else STOPPED


def _print(attempt: door.Attempt) -> int:
    print(json.dumps(attempt.to_dict()), flush=True)
    return DONE


def _tell(text: str) -> None:
    print(f"shopbatch: {clean(text)}", file=sys.stderr, flush=True)
