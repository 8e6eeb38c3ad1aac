"""How a job runs: arguments -> configuration -> run -> report -> exit code. Called by `jobs/*.py` and by the CLI.

Exit codes: 0 done, 2 the user's mistake, 3 a gate refused, 4 stopped but resumable, 1 anything else.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, Literal

from shopbatch.core import config
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import GateRefused, Stopped, UserError
from shopbatch.core.privacy import clean, guard_logs, redact_config
from shopbatch.runs.report import Outcome, Report

DONE, FAILED, MISTAKE, REFUSED, STOPPED = 0, 1, 2, 3, 4
WITH_VALUE = ("--env", "--with", "--run-key", "--attempt")  # options of `main` that a value follows
if TYPE_CHECKING:
    from shopbatch.warehouse.store import Store

_LOST = {"NodeDiedError", "OutOfDiskError", "ObjectLostError", "WorkerCrashedError", "OutOfMemoryError"}


@dataclass(frozen=True)
class Job:
    """One job: its name (the file's stem), its configuration's type, and what it does.

    run(config, store, report) is called inside the session that the job names. estimate(config, store): what a run
    would compute and cost, for a dry run.
    """

    name: str
    config: type[JobConfig]
    run: Callable[[Any, Any, Any], None]
    session: Literal["ray", "spark"] = "ray"
    estimate: Callable[[Any, Any], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Keyed:
    """Which attempt at which run key a run is, where it was submitted."""

    key: str
    attempt: int


class _Signalled(Stopped, KeyboardInterrupt):
    """A signal came. Ray's own waits end for a KeyboardInterrupt only, and forget any other exception."""


def names() -> list[str]:
    """The jobs there are: the stems of the files in jobs/. UserError where there is no such folder."""
    if not (config.root() / "jobs").is_dir():
        raise UserError(
            f"no folder {config.root() / 'jobs'}; SHOPBATCH_HOME is to be the folder that holds it and conf/"
        )
    return sorted(p.stem for p in (config.root() / "jobs").glob("*.py"))


def find(name: str) -> Job:
    """The job of that name. UserError, with the nearest name, if there is none."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names())}"
        raise UserError(f"no job {name!r}; {hint}")
    job = _module(config.root() / "jobs" / f"{name}.py").JOB
    if not isinstance(job, Job):
        raise TypeError(f"jobs/{name}.py: JOB is not a Job")
    return job


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"shopbatch_job_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(job: Job | str, argv: Sequence[str] | None = None) -> int:
    """Run a job with command-line arguments; returns the exit code. The last line on stdout is the report as JSON."""
    name = job if isinstance(job, str) else job.name
    parser = argparse.ArgumentParser(prog=f"shopbatch run {name}", description=f"Run the job {name}.")
    parser.add_argument("--env", default="local", help="which conf/<env> says where it runs (default: local)")
    parser.add_argument("--with", dest="overlay", metavar="FILE", help="a YAML file laid over the conf")
    parser.add_argument("--dry-run", action="store_true", help="print the configuration, and what it would cost; stop")
    parser.add_argument("--run-key", help="the run key that `shopbatch submit` gave this run")
    parser.add_argument("--attempt", type=int, default=1, help="which attempt at the run key this is")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="override one value of the conf")
    arguments = parser.parse_intermixed_args(argv)
    try:
        found, keyed = find(job) if isinstance(job, str) else job, None
        if arguments.run_key is not None:
            from shopbatch.runs.run_key import RunKey

            keyed = Keyed(str(RunKey.parse(arguments.run_key)), arguments.attempt)
        settings = config.load(found.config, found.name, arguments.env, arguments.overrides, arguments.overlay)
    except UserError as error:
        return mistake(error)
    if arguments.dry_run:
        return _dry_run(found, settings)
    return run(found, settings, arguments.env, keyed)


def _dry_run(job: Job, settings: JobConfig) -> int:
    """Print the resolved configuration, and on a line of its own what a run would cost, where the job can tell."""
    print(json.dumps(redact_config(settings.model_dump(mode="json")), ensure_ascii=False))
    if job.estimate is None:
        return DONE
    from shopbatch.core.sessions import ray_session
    from shopbatch.warehouse.store import Store

    estimate = job.estimate

    def estimated() -> int:
        with ray_session(settings.platform):
            print(json.dumps({"estimate": estimate(settings, Store(settings.platform.warehouse))}), flush=True)
        return DONE

    return told(estimated)


def run(job: Job, settings: JobConfig, env: str, keyed: Keyed | None = None) -> int:
    """Run a job with a resolved configuration; returns the exit code. keyed: the outcome is kept under that run key."""
    guard_logs()
    with _signals_as_before():
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
        return mistake(error)
    try:
        store.check_writable()
        if keyed is not None:
            _refuse_skew(settings)
        with (ray_session if job.session == "ray" else spark_session)(settings.platform):
            signals = _raise_on_signals()
            job.run(settings, store, report)
            code = DONE
    except UserError as error:
        return _mistaken(store, report, error)
    except GateRefused as error:
        code, report.outcome, report.message = REFUSED, "refused", str(error)
    except (Stopped, KeyboardInterrupt) as error:
        if code is None:  # else the session was being closed: what was to be done is done
            code, report.outcome = STOPPED, "stopped"
            why = str(error) or (signals[0] if signals else "interrupted")
            report.message = f"{why}; the same command goes on from here"
    except Exception as error:  # noqa: BLE001  the one broad except: whatever it was, the report and the exit code must say so
        code, report.outcome, report.message = _unforeseen(error, signals)
    assert code is not None
    _ignore_signals()  # what is left takes a moment, and tells what became of the run
    report.finish(report.outcome, code, report.message)
    if report.message:
        print(f"shopbatch: {report.outcome}: {clean(report.message)}", file=sys.stderr)
    if not _saved(store, report):
        print(f"shopbatch: the report could not be written to {store.root}", file=sys.stderr)
        if keyed is not None:  # who waits for it must not take the run for done
            code = code or STOPPED
    print(report.line(), flush=True)
    return code


def _saved(store: Store, report: Report) -> bool:
    """Save the report; first its record under the run key, if there is one, which says that the run has ended.

    False where the warehouse takes nothing any more.
    """
    try:
        if report.run_key is not None and report.attempt is not None:
            from shopbatch.runs.run_key import write_record

            write_record(store.root, report.run_key, report.attempt, report.line())
        report.save(store.root)
    except OSError:
        return False
    return True


def _mistaken(store: Store, report: Report, error: UserError) -> int:
    """The user's mistake: a line, and no report; but who waits for a run key is told."""
    code = mistake(error)
    if report.run_key is not None:
        report.finish("failed", code, _line(error))
        _saved(store, report)
    return code


def _refuse_skew(settings: JobConfig) -> None:
    """UserError if the cluster's libraries are not those that the code was locked with."""
    from shopbatch.runs.environment import differences

    lock = config.root() / "requirements.lock"
    if not settings.platform.allow_skew and lock.is_file() and (differ := differences(lock)):
        raise UserError(
            f"the cluster's image is not the one that this code was locked with: {', '.join(differ)}; "
            "build it anew, or set platform.allow_skew=true"
        )


def _unforeseen(error: Exception, signals: Sequence[str]) -> tuple[int, Outcome, str]:
    """Exit code, outcome and message of an error that nobody raised on purpose. signals: those that had come."""
    if (wrong := _users_mistake(error)) is not None:
        return MISTAKE, "failed", str(wrong)
    if signals:  # the bridge to Spark's JVM makes errors of its own of the one that the handler raised
        return STOPPED, "stopped", f"{signals[0]}; the same command goes on from here"
    if passing := [one for one in _chain(error) if _may_pass(one)]:
        told = min(passing, key=lambda one: len(str(one)))  # the others carry the remote traceback of this one
        return STOPPED, "stopped", f"{type(told).__name__}: {told}; the same command goes on from here"
    print(clean("".join(traceback.format_exception(error))), file=sys.stderr, end="")
    cause = getattr(error, "cause", None)
    # Ray wraps what a worker raised, and adds hints of its own at its end
    lines = str(cause or error).strip().splitlines() or [""]
    return FAILED, "failed", f"{type(cause or error).__name__}: {lines[0 if cause else -1]}"


def _may_pass(error: BaseException) -> bool:
    """Whether an error is of the surroundings: a full disk, a lost node, a store that does not answer."""
    from shopbatch.warehouse.files import is_full, is_lost_connection

    lost = not _LOST.isdisjoint(k.__name__ for k in type(error).__mro__)
    return lost or is_full(error) or is_lost_connection(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was made of: Ray makes errors of its own of those that a worker raised."""
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__


def _users_mistake(error: BaseException) -> UserError | None:
    """The innermost UserError that an error was made of."""
    return next((e for e in reversed(list(_chain(error))) if isinstance(e, UserError)), None)


def told(call: Callable[[], int]) -> int:
    """The exit code of a command that leaves no report: the ways to end that are no defect are a line each."""
    try:
        return call()
    except KeyboardInterrupt:
        print("shopbatch: interrupted", file=sys.stderr)
    except Exception as error:
        if (wrong := _users_mistake(error)) is not None:
            return mistake(wrong)
        passing = [one for one in _chain(error) if isinstance(one, Stopped) or _may_pass(one)]
        if not passing:
            raise
        print(
            f"shopbatch: stopped: {clean(' '.join(str(passing[-1]).split()))}; the same command goes on from here",
            file=sys.stderr,
        )
    return STOPPED


def mistake(error: UserError) -> int:
    """One line on standard error that names what is wrong; returns the exit code."""
    print(f"shopbatch: {clean(_line(error))}", file=sys.stderr)
    return MISTAKE


def _line(error: UserError) -> str:
    """The message as one line. An error out of a Ray task carries the remote traceback; its cause has the line."""
    cause = getattr(error, "cause", None)
    return " ".join(str(cause if isinstance(cause, UserError) else error).split())


def _raise_on_signals() -> list[str]:
    """SIGTERM and Ctrl-C stop the run in good order. Set after Ray and Spark have set their own.

    Returns a list to which the signals that come are added.
    """
    received: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        return received

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise _Signalled(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return received


@contextmanager
def _signals_as_before() -> Iterator[None]:
    """For a process that goes on after the run: what it had set for signals holds again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _ignore_signals() -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


def exit_with(code: int) -> None:
    """Leave at once with a code, streams flushed: some native libraries abort in their own shut-down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
