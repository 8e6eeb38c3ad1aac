"""Runs a job: command line -> configuration -> Ray or Spark session -> the job's code -> report -> exit code.

A file in jobs/ needs `Job`, which declares the job, and `main`, which runs it with command-line arguments. Every run
ends in this module, whatever error ended it; `outcomes.py` explains the exit codes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from shopbatch.core import config, display, notices
from shopbatch.core.config import JobConfig
from shopbatch.core.controls import one_printable_line, printable_json
from shopbatch.core.errors import GateRefused, Stopped, UserError
from shopbatch.core.privacy import clean, guard_logs, redact_config, redact_text
from shopbatch.runs import supervise
from shopbatch.runs.command import Call, run_command
from shopbatch.runs.declaration import Job, Keyed, find, later, names
from shopbatch.runs.formats import first_do
from shopbatch.runs.invoke import invoke
from shopbatch.runs.outcomes import (
    DONE,
    FAILED,
    MISTAKE,
    REFUSED,
    RESUME,
    STOPPED,
    classify,
    find_user_error,
    report_user_error,
    trace,
    user_error_line,
)
from shopbatch.runs.record import Record, native_output_to
from shopbatch.runs.report import Report
from shopbatch.runs.signals import ignore_signals, restore_signals, stop_on_signals
from shopbatch.runs.summary import summary

if TYPE_CHECKING:
    from shopbatch.warehouse.store import Store

__all__ = [
    "DONE", "FAILED", "MISTAKE", "REFUSED", "STOPPED", "Call", "Job", "Keyed",
    "dry_run", "find", "later", "main", "names", "run", "run_to_exit_code",
]  # fmt: skip


def main(job: Job | str, argv: Sequence[str] | None = None) -> int:
    """Run a job with command-line arguments and return the exit code.

    If standard output is not a terminal, its last line is the run's report as JSON.

    Args:
        job: The job or its name.
        argv: The arguments after the job's name; None takes those of the process.
    """
    words, own = list(sys.argv[1:] if argv is None else argv), argv is None
    if isinstance(job, str):
        return invoke(run_command(run_to_exit_code, dry_run), [job, *words], "shopbatch run", own)
    return invoke(run_command(run_to_exit_code, dry_run, job), words, f"shopbatch run {job.name}", own)


def dry_run(job: Job, settings: JobConfig) -> int:
    """Print the resolved configuration as JSON, and on a second line an estimate of the run if the job has one.

    Args:
        job: The job. Its `estimate` says what a run would compute and cost.
        settings: The job's configuration.

    Returns:
        The exit code, always 0.
    """
    print(printable_json(redact_config(settings.model_dump(mode="json"))))
    if job.estimate is not None:
        from shopbatch.core.sessions import late_ray_session, ray_session
        from shopbatch.warehouse.store import Store

        store = Store(settings.platform.warehouse)  # a wrong warehouse is reported before Ray starts
        late = partial(late_ray_session, settings.platform, nullcontext)
        session = late if job.session == "late ray" else partial(ray_session, settings.platform)
        with session() if job.estimate_in_session else nullcontext():
            if estimate := job.estimate(settings, store):
                print(json.dumps({"estimate": estimate}), flush=True)
    return DONE


@dataclass
class Ended:
    """How a run ended.

    Attributes:
        report: The run's report.
        code: The exit code.
        error: The error that ended the run early; None if it ended well.
        saved: Whether the report could be written to the warehouse.
    """

    report: Report
    code: int = DONE
    error: BaseException | None = None
    saved: bool = True


def run(job: Job, settings: JobConfig, call: Call | None = None) -> Report:
    """Run a job with a resolved configuration from a Python program, and return its report.

    Args:
        job: The job.
        settings: The job's configuration.
        call: How the run is called; None shows no progress.

    Returns:
        The report of a run that ended well: published, nothing to do, superseded or incomplete.

    Raises:
        UserError: The user made a mistake; nothing was written.
        GateRefused: A gate refused the result.
        Stopped: The run was stopped; the same call resumes it. Any other exception is a defect.
    """
    ended = perform(job, settings, call or Call(quiet=True))
    if ended.error is not None:
        raise ended.error
    return ended.report


def run_to_exit_code(job: Job, settings: JobConfig, call: Call) -> int:
    """Run a job with a resolved configuration from the command line: print how it ended, and return the exit code."""
    ended = perform(job, settings, call)
    try:
        _print_end(ended, settings, call)
    except BrokenPipeError:  # nobody reads the output; the result stays published
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    supervise.say(code=ended.code)
    return ended.code


def perform(job: Job, settings: JobConfig, call: Call) -> Ended:
    """Run a job, save its report, and return how it ended. An error of the run is returned in `Ended`, never raised."""
    guard_logs()
    report = Report(job=job.name, env=call.env, config=settings.model_dump(mode="json"), command=call.command)
    if call.keyed is not None:
        report.run_key, report.attempt = call.keyed.key, call.keyed.attempt
    if job.next:
        report.next_command = f"shopbatch {job.next}"
    ended = Ended(report)
    mode: display.Mode = "terminal" if sys.stderr.isatty() and not call.json else "lines"
    with restore_signals(), display.showing("quiet" if call.quiet else mode) as shown:
        _perform(job, settings, call, ended, shown)
    return ended


def _perform(job: Job, settings: JobConfig, call: Call, ended: Ended, shown: display.Display) -> None:
    """Check the job's inputs, begin the run's record, run the job, and save the report; the results go into `ended`.

    Args:
        job: The job.
        settings: The job's configuration.
        call: How the run is called.
        ended: Gets the report's content, the exit code and the error.
        shown: The display of the run.
    """
    from shopbatch.runs.needs import check_models
    from shopbatch.warehouse.store import Store

    report, signals = ended.report, list[str]()
    store: Store | None = None
    record: Record | None = None
    with ExitStack() as stack, notices.collected() as noted:
        try:
            begin = partial(shown.begin, job.name, report.run_id, redact_text(settings.platform.warehouse))
            if isinstance(shown, display.Terminal):
                begin()
            store = Store(settings.platform.warehouse)
            store.check_writable()
            if call.keyed is not None:
                _refuse_skew(settings)
            for table in settings.required_tables():
                store.snapshot(table)
            if job.check is not None:
                job.check(settings, store)
            check_models(settings, store)
            if not isinstance(shown, display.Terminal):  # on a pipe, a mistake found before must be the only line
                begin()
            record = stack.enter_context(_record(report, store, shown))
            if not call.verbose:
                stack.enter_context(native_output_to(record.log_path))
            _run_in_session(job, settings, store, report, signals)
        except BaseException as error:  # noqa: BLE001  whatever the error is, the report and the exit code must say so
            ended.error = error
            _classify(ended, error, signals)
        ignore_signals()  # the rest is quick, and records how the run ended
        report.message = notices.with_notices(report.message, noted)
        if record is not None and ended.error is not None:
            record.log(trace(ended.error) if ended.code == FAILED else f"{report.outcome}: {report.message}")
            report.log_tail = record.tail()[0 if ended.code == FAILED else -1 :]  # not failed: the last line
        # a mistake found before the run begins leaves no report, unless a submitter waits for it under a run key
        if store is not None and (record is not None or report.run_key is not None):
            report.finish(report.outcome, ended.code, report.message)
            if ended.code != DONE:  # the same command again, unless it would end in the same way
                report.next_command = "" if first_do(report.to_dict()) else report.command
            ended.saved = _save(store, report)


def _record(report: Report, store: Store, shown: display.Display) -> Record:
    """Begin the record of the run (report, heartbeat and log in its folder), and tell the supervisor where it is.

    Returns:
        The record, to be used as a context manager.
    """
    record = Record(report, store.root)
    shown.log = record.log
    record.log(f"{report.job}: run {report.run_id}, {report.command or 'called from Python'}")
    supervise.say(
        warehouse=store.root,
        job=report.job,
        run_id=report.run_id,
        log=str(record.log_path),
        remote_log=record.is_remote,
    )
    return record


def _run_in_session(job: Job, settings: JobConfig, store: Store, report: Report, signals: list[str]) -> None:
    """Start the job's Ray or Spark session and run the job in it.

    If the job is declared as `alone`, the run first takes a claim, so that equal runs wait for it (see `claims`).

    Args:
        job: The job.
        settings: The job's configuration.
        store: The warehouse.
        report: The run's report, which the job fills.
        signals: Gets the names of the signals that arrive.
    """
    from shopbatch.core.sessions import late_ray_session, ray_session, spark_session
    from shopbatch.models import live
    from shopbatch.runs.claims import claim
    from shopbatch.runs.run_key import digest

    done, waited = False, None

    @contextmanager
    def starting() -> Iterator[None]:
        with display.stage(f"start {job.system}"):
            yield
        stop_on_signals(signals)  # again, since Ray and Spark have installed their own handlers

    try:
        with ExitStack() as session:
            stop_on_signals(signals)
            if job.alone:
                key = digest(settings, store.root)
                waited = session.enter_context(claim(store, report, key, settings.wait, "does the same"))
            if job.session == "late ray":
                session.enter_context(late_ray_session(settings.platform, starting))
            else:
                with starting():
                    session.enter_context((ray_session if job.system == "ray" else spark_session)(settings.platform))
            with live.watched():
                job.run(settings, store, report)
            if report.rows.balanced is False:
                raise AssertionError(f"the rows do not add up: {report.rows}")
            report.message = "; ".join(str(x) for x in (waited, report.message) if x)
            done = True
    except (Stopped, KeyboardInterrupt):
        if not done:  # otherwise the job is done, and only the session was being closed
            raise


def _classify(ended: Ended, error: BaseException, signals: Sequence[str]) -> None:
    """Set outcome, message and exit code in `ended` for a run that `error` has ended."""
    report = ended.report
    if isinstance(error, Exception) and (mistake := find_user_error(error)) is not None:
        ended.code, report.outcome, report.message = MISTAKE, "failed", user_error_line(mistake)
        ended.error = mistake
    elif isinstance(error, GateRefused):
        ended.code, report.outcome, report.message = REFUSED, "refused", str(error)
    elif isinstance(error, Stopped | KeyboardInterrupt):
        ended.code, report.outcome = STOPPED, "stopped"
        report.message = f"{str(error) or (signals[0] if signals else 'interrupted')}; {RESUME}"
    elif isinstance(error, SystemExit):  # SIGTERM arrived while Ray's own handler was installed
        ended.code, report.outcome, report.message = STOPPED, "stopped", f"SIGTERM; {RESUME}"
    else:
        ended.code, report.outcome, report.message = classify(error, signals)


def _print_end(ended: Ended, settings: JobConfig, call: Call) -> None:
    """Print the report on standard output and, if the run did not end well, one line on standard error.

    After a mistake of the user, only that line is printed. A terminal gets a short summary instead of the report's
    JSON.
    """
    report = ended.report
    if ended.code == MISTAKE:
        assert isinstance(ended.error, UserError)
        report_user_error(ended.error)
        return
    if ended.code == FAILED and ended.error is not None:
        print(trace(ended.error), file=sys.stderr, end="")
    if report.message:
        print(f"shopbatch: {report.outcome}: {clean(report.message)}", file=sys.stderr)
    if not ended.saved:
        print(f"shopbatch: the report could not be written to {settings.platform.warehouse}", file=sys.stderr)
        if report.run_key is not None:  # whoever waits for the report must not take the run for done
            ended.code = ended.code or STOPPED
    if call.json or not sys.stdout.isatty():
        print(report.line(), flush=True)
    else:
        lines = summary(report.to_dict(), report.folder(settings.platform.warehouse))
        print("\n".join(map(one_printable_line, lines[:1] if call.quiet else lines)), flush=True)


def _save(store: Store, report: Report) -> bool:
    """Save the report in the run's folder.

    A submitted run first saves it under its run key as well, where `shopbatch submit` sees that the attempt has ended.

    Returns:
        False if the warehouse cannot be written any more.
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
    """Refuse to run on a cluster whose libraries have other versions than the lock file, unless `allow_skew` is set.

    Raises:
        UserError: Versions differ; the message names them.
    """
    from shopbatch.runs.environment import differences

    lock = config.root() / "requirements.lock"
    if not settings.platform.allow_skew and lock.is_file() and (different := differences(lock)):
        raise UserError(
            f"the cluster's image does not have the locked versions: {', '.join(different)}; "
            "build the image again, or set platform.allow_skew=true"
        )
