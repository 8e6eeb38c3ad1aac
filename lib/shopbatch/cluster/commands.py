"""`shopbatch submit`, `status`, `logs` and `cancel`: arguments in, a line of JSON and an exit code out.

Called by `cli.py`. Exit codes are those of the run: 0 done, 2 the user's mistake, 3 a gate refused, 4 stopped and
resumable, 1 anything else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from shopbatch import config
from shopbatch.cluster import submit as door
from shopbatch.cluster.jobs import Jobs, Unreachable, submission_id
from shopbatch.cluster.run_key import RunKey
from shopbatch.errors import Stopped, UserError
from shopbatch.job import DONE, STOPPED, mistake
from shopbatch.privacy import clean
from shopbatch.tables.store import Store

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
    try:
        attempt = door.submit(request)
        how = "submitted" if attempt.started else "attached to" if attempt.running else "done already"
        _tell(f"{how}: {attempt.key}, attempt {attempt.number}")
        if not given.wait:
            return _print(attempt, DONE)
        settings = request.resolve()[1]
        return _follow(Jobs(settings.platform), door.shared_root(settings.platform), attempt)
    except UserError as error:
        return mistake(error)
    except Unreachable as error:
        return _stopped(error)
    except KeyboardInterrupt:
        _tell("the run goes on without you: the same command attaches to it, `shopbatch cancel RUN_KEY` ends it")
        return STOPPED


def status(arguments: argparse.Namespace) -> int:
    """One line of JSON for the newest attempt at a run key, or for every run that the cluster knows.

    With --wait: the report of that attempt, when it has ended, and the exit code of the run.
    """
    jobs, warehouse = _where(arguments.env, needed=arguments.key is None or arguments.wait)
    if arguments.key is None:
        for job in jobs.all() if jobs is not None else ():
            told = {name: job.metadata.get(name) for name in ("run_key", "attempt", "job")}
            print(json.dumps({**told, "submission_id": job.id, "state": job.state.lower()}))
        return DONE
    attempt = _newest(jobs, warehouse, arguments.key)
    return _follow(jobs, warehouse, attempt) if arguments.wait and jobs is not None else _print(attempt, DONE)


def logs(arguments: argparse.Namespace) -> int:
    """What the driver of an attempt has printed, without secrets and personal data."""
    jobs, warehouse = _where(arguments.env, needed=True)
    attempt = _newest(jobs, warehouse, arguments.key)
    number = arguments.attempt or attempt.number
    assert jobs is not None
    if jobs.info(submission_id(attempt.key, number)) is None:
        raise UserError(f"the cluster has no logs of attempt {number} at {attempt.key}")
    print(clean(jobs.logs(submission_id(attempt.key, number))), end="")
    return DONE


def cancel(arguments: argparse.Namespace) -> int:
    """End the run of a key in good order; what it wrote is kept, and the key's next attempt goes on from there."""
    jobs, warehouse = _where(arguments.env, needed=True)
    assert jobs is not None
    attempt = door.cancel(jobs, warehouse, str(RunKey.parse(arguments.key)))
    if attempt is None:
        raise UserError(f"nothing was ever submitted as {arguments.key}")
    return _print(attempt, DONE)


def _where(env: str, needed: bool) -> tuple[Jobs | None, str]:
    """The cluster and the warehouse of an environment; no cluster where it is silent and not needed."""
    platform = config.platform(env)
    try:
        return Jobs(platform), door.shared_root(platform)
    except Unreachable:
        if needed:
            raise
        return None, Store(platform.warehouse).root


def _newest(jobs: Jobs | None, warehouse: str, key: str) -> door.Attempt:
    attempt = door.latest(jobs, warehouse, str(RunKey.parse(key)))
    if attempt is None:
        raise UserError(f"nothing was ever submitted as {key} (warehouse {warehouse})")
    return attempt


def _follow(jobs: Jobs, warehouse: str, attempt: door.Attempt) -> int:
    """Wait for the report of an attempt and print it; where its driver died without one, what is known of that."""
    attempt = attempt if attempt.report is not None else door.wait(jobs, warehouse, attempt)
    if attempt.report is not None:
        print(json.dumps(attempt.report, separators=(",", ":")), flush=True)
        return int(attempt.report["exit_code"])
    job = jobs.info(attempt.id)
    why = " ".join((job.message if job is not None else "the cluster has forgotten it").split())
    return _stopped(
        Stopped(
            f"{attempt.key}, attempt {attempt.number}, ended without a report ({clean(why)[:300]}); "
            f"`shopbatch logs {attempt.key}` has more"
        )
    )


def _stopped(error: Stopped) -> int:
    _tell(f"stopped: {error}; the same command goes on from here")
    return STOPPED


def _print(attempt: door.Attempt, code: int) -> int:
    print(json.dumps(attempt.to_dict()), flush=True)
    return code


def _tell(text: str) -> None:
    print(f"shopbatch: {text}", file=sys.stderr, flush=True)
