"""How a job runs: command line -> configuration -> session -> run -> report -> exit code.

A file in jobs/ needs `Job`, which declares the job, and `main`, which runs it with command-line arguments. This is the
one place where a run ends, whatever the error is; `outcomes.py` says what the codes mean.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shopbatch.core import config
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import GateRefused, Stopped, UserError
from shopbatch.core.privacy import clean, guard_logs, redact_config
from shopbatch.runs.command import run_command
from shopbatch.runs.declaration import Job, Keyed, find, names
from shopbatch.runs.invoke import invoke
from shopbatch.runs.outcomes import (
    DONE,
    FAILED,
    MISTAKE,
    REFUSED,
    RESUME,
    STOPPED,
    classify,
    report_user_error,
    user_error_line,
)
from shopbatch.runs.report import Report
from shopbatch.runs.signals import ignore_signals, restore_signals, stop_on_signals

if TYPE_CHECKING:
    from shopbatch.warehouse.store import Store

__all__ = ["DONE", "FAILED", "MISTAKE", "REFUSED", "STOPPED", "Job", "Keyed", "dry_run", "find", "main", "names", "run"]


def main(job: Job | str, argv: Sequence[str] | None = None) -> int:
    """Run a job with command-line arguments and return the exit code.

    The last line on standard output is the run's report as JSON.

    Args:
        job: The job or its name.
        argv: The arguments after the job's name; None takes those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(job, str):
        return invoke(run_command(execute), [job, *words], "shopbatch run")
    return invoke(run_command(execute, job), words, f"shopbatch run {job.name}")


def execute(job: Job, settings: JobConfig, env: str, keyed: Keyed | None, only_dry: bool) -> int:
    """Do what a command line asks for, `run` or `dry_run`, and return the exit code."""
    return dry_run(job, settings) if only_dry else run(job, settings, env, keyed)


def dry_run(job: Job, settings: JobConfig) -> int:
    """Print the resolved configuration, and on a second line what a run would cost if the job can estimate that."""
    print(json.dumps(redact_config(settings.model_dump(mode="json")), ensure_ascii=False))
    if job.estimate is not None:
        from shopbatch.core.sessions import ray_session
        from shopbatch.warehouse.store import Store

        store = Store(settings.platform.warehouse)  # a mistake in it is reported before Ray starts
        with ray_session(settings.platform):
            estimate = job.estimate(settings, store)
            print(json.dumps({"estimate": estimate}), flush=True)
    return DONE


def run(job: Job, settings: JobConfig, env: str, keyed: Keyed | None = None) -> int:
    """Run a job with a resolved configuration and return the exit code.

    Args:
        job: The job.
        settings: Its configuration.
        env: Name of the environment, for the report.
        keyed: The run key under which the outcome is also kept; None for a run that was not submitted.
    """
    guard_logs()
    with restore_signals():
        return _run(job, settings, env, keyed)


def _run(job: Job, settings: JobConfig, env: str, keyed: Keyed | None) -> int:
    from shopbatch.core.sessions import ray_session, spark_session
    from shopbatch.warehouse.store import Store

    report = Report(job=job.name, env=env, config=settings.model_dump(mode="json"))
    if keyed is not None:
        report.run_key, report.attempt = keyed.key, keyed.attempt
    signals: list[str] = []
    code: int | None = None
    try:
        store = Store(settings.platform.warehouse)
    except UserError as error:
        return report_user_error(error)
    try:
        store.check_writable()
        if keyed is not None:
            _refuse_skew(settings)
        if job.check is not None:
            job.check(settings, store)
        with (ray_session if job.session == "ray" else spark_session)(settings.platform):
            signals = stop_on_signals()
            job.run(settings, store, report)
            code = DONE
    except UserError as error:
        return _end_with_mistake(store, report, error)
    except GateRefused as error:
        code, report.outcome, report.message = REFUSED, "refused", str(error)
    except (Stopped, KeyboardInterrupt) as error:
        if code is None:  # otherwise the work was done and only the session was being closed
            code, report.outcome = STOPPED, "stopped"
            report.message = f"{str(error) or (signals[0] if signals else 'interrupted')}; {RESUME}"
    except Exception as error:  # noqa: BLE001  whatever the error is, the report and the exit code must say so
        code, report.outcome, report.message = classify(error, signals)
    assert code is not None
    ignore_signals()  # the rest takes a moment, and records how the run ended
    return _end(store, report, code)


def _end(store: Store, report: Report, code: int) -> int:
    """Save and print the report; return the exit code."""
    report.finish(report.outcome, code, report.message)
    if report.message:
        print(f"shopbatch: {report.outcome}: {clean(report.message)}", file=sys.stderr)
    if not _save(store, report):
        print(f"shopbatch: the report could not be written to {store.root}", file=sys.stderr)
        if report.run_key is not None:  # whoever waits for the report must not take the run for done
            code = code or STOPPED
    print(report.line(), flush=True)
    return code


def _end_with_mistake(store: Store, report: Report, error: UserError) -> int:
    """Print the user's mistake. It leaves no report, but a run key keeps it for whoever waits for the run."""
    code = report_user_error(error)
    if report.run_key is not None:
        report.finish("failed", code, user_error_line(error))
        _save(store, report)
    return code


def _save(store: Store, report: Report) -> bool:
    """Save the report, and before it the record under the run key, which says that the run has ended.

    Returns False if the warehouse cannot be written to any more.
    """
    try:
        if report.run_key is not None and report.attempt is not None:
            from shopbatch.runs.run_key import write_record

            write_record(store.root, report.run_key, report.attempt, report.line())
        report.save(store.root)
    except OSError:
        return False
    return True


def _refuse_skew(settings: JobConfig) -> None:
    """Raise UserError if the cluster's libraries are not those of the lock file."""
    from shopbatch.runs.environment import differences

    lock = config.root() / "requirements.lock"
    if not settings.platform.allow_skew and lock.is_file() and (different := differences(lock)):
        raise UserError(
            f"the cluster's image does not have the locked versions: {', '.join(different)}; "
            "build the image again, or set platform.allow_skew=true"
        )
