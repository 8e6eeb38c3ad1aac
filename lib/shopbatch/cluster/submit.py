"""The same command line on a cluster: at most one run of a key at a time, and none where it is done.

Called by `cli.py` (and by Airflow through it). One way for all jobs: Ray's Jobs API starts `shopbatch run` on the
cluster. A Spark job's driver goes the same way, to where `platform.spark.master` names Spark's cluster: so there is one
way to attach, to cancel and to read logs, and no second scheduler to ask.

What is known of a run key is in two places: the warehouse holds the report of every attempt that ended (it outlives the
cluster), the cluster knows the attempts that run. Ray refuses a second submission of one name, so that of any number of
submitters one starts an attempt and the others find it there.
"""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shopbatch import __version__
from shopbatch.cluster import bundle
from shopbatch.cluster.jobs import ClusterJob, Jobs, Submission, Unreachable, submission_id
from shopbatch.core import config
from shopbatch.core.config import JobConfig, Platform
from shopbatch.core.errors import Stopped, UserError
from shopbatch.core.privacy import redact_text
from shopbatch.core.sessions import WORKERS
from shopbatch.runs.job import find
from shopbatch.runs.run_key import RunKey, named_files, read_records

STOP_SECONDS = 120  # grace of a stopped run: what is written is committed, the report saved
PATIENCE = 600.0  # how long the Jobs API may be silent (a head node that restarts) before `--wait` gives up
POLL = 2.0


@dataclass(frozen=True)
class Attempt:
    """An attempt at a run key. report: the run's report, once it has ended. job: what the cluster knows of it."""

    key: str
    number: int
    report: Mapping[str, Any] | None = None
    job: ClusterJob | None = None
    started: bool = False  # by this call

    @property
    def id(self) -> str:
        return submission_id(self.key, self.number)

    @property
    def running(self) -> bool:
        return self.report is None and self.job is not None and self.job.running

    @property
    def state(self) -> str:
        """The report's outcome; running; stopped or lost: it ended without a report, asked to or not."""
        if self.report is not None:
            return str(self.report["outcome"])
        if self.running:
            return "running"
        return "stopped" if self.job is not None and self.job.state == "STOPPED" else "lost"

    def to_dict(self) -> dict[str, Any]:
        """For one line of JSON."""
        return {"run_key": self.key, "attempt": self.number, "submission_id": self.id, "state": self.state}


@dataclass(frozen=True)
class Request:
    """What is asked for: a job with its command line. date, rerun: see RunKey."""

    job: str
    env: str = "prod"
    overrides: Sequence[str] = ()
    overlay: str | None = None
    date: str | None = None
    rerun: str | None = None

    def resolve(self) -> tuple[RunKey, JobConfig]:
        """The run key and the checked configuration. UserError for any mistake that can be seen from here."""
        for item in self.overrides:
            if bundle.override_holds_secret(item):
                raise UserError(
                    f"{item.partition('=')[0]}=...: a secret may not be on a command line, dashboards show it; "
                    "set it in the environment of the cluster's nodes"
                )
        settings = config.load(find(self.job).config, self.job, self.env, list(self.overrides), self.overlay)
        return RunKey.of(self.job, settings, shared_root(settings.platform), self.date, self.rerun), settings


def shared_root(platform: Platform) -> str:
    """The warehouse as the nodes are to call it. UserError if its URI holds a secret."""
    from shopbatch.warehouse.store import Store

    if redact_text(platform.warehouse) != platform.warehouse:
        raise UserError("platform.warehouse holds a secret; the nodes' environment is where it belongs")
    return Store(platform.warehouse).root


@dataclass(frozen=True)
class Place:
    """Where runs are: the warehouse, and the cluster's Jobs API (None: it is silent, or none is named)."""

    warehouse: str
    jobs: Jobs | None

    @property
    def cluster(self) -> Jobs:
        """The Jobs API. Unreachable if it is silent."""
        if self.jobs is None:
            raise Unreachable("the Jobs API of the cluster does not answer")
        return self.jobs


def submit(request: Request) -> tuple[Attempt, Place]:
    """Start the run, attach to the one that runs, or return the one that is done.

    Raises UserError (configuration, a secret that would travel, no cluster named), Stopped (warehouse or Jobs API
    do not answer).
    """
    key, settings = request.resolve()
    place = Place(shared_root(settings.platform), Jobs(settings.platform))
    for _ in range(100):
        newest = latest(place, str(key))
        if newest is not None and (newest.running or done(newest)):
            return newest, place
        number = 1 if newest is None else newest.number + 1
        if _start(place, request, settings, key, number):
            return Attempt(
                str(key), number, job=ClusterJob(submission_id(str(key), number), "PENDING"), started=True
            ), place
        time.sleep(0.1)  # somebody else was faster: theirs is there, or there in a moment
    raise AssertionError(f"{key}: the cluster takes no submission and knows of none")


def latest(place: Place, key: str) -> Attempt | None:
    """The newest attempt that the warehouse or the cluster knows of, None if there was none.

    Unreachable where only a silent cluster could tell.
    """
    records = read_records(place.warehouse, key)
    number, job = max(records, default=0), None
    if place.jobs is None:
        newest = Attempt(key, number, records.get(number))
        return newest if done(newest) else latest(Place(place.warehouse, place.cluster), key)
    while (found := place.jobs.info(submission_id(key, number + 1))) is not None:
        number, job = number + 1, found
    if number == 0:
        return None
    if job is not None:  # it may have ended after the records were read, or have a warehouse of its own
        records = read_records(_warehouse(place, job), key)
    return Attempt(key, number, records.get(number), job)


def _warehouse(place: Place, job: ClusterJob | None) -> str:
    """Where a submission keeps its records: the warehouse that it was sent with, if the cluster still knows it."""
    return (job.metadata.get("warehouse") if job is not None else None) or place.warehouse


def done(attempt: Attempt) -> bool:
    """Whether there is nothing more to do for the key: it ended well, and left nothing for the next run."""
    report = attempt.report
    if report is None or report["exit_code"] != 0 or report["outcome"] == "incomplete":
        return False
    return not report["rows"].get("pending")


def wait(place: Place, attempt: Attempt, patience: float = PATIENCE) -> Attempt:
    """Follow an attempt until its report is there; logs are not looked at, so that none can break it.

    An attempt whose driver died without a report comes back with none. Raises Stopped when the Jobs API or the
    warehouse is silent for `patience` seconds.
    """
    heard = time.monotonic()
    while attempt.report is None:
        try:
            job = place.cluster.info(attempt.id)  # first: an attempt that has ended has its record by then
            report = read_records(_warehouse(place, job), attempt.key).get(attempt.number)
        except Stopped:
            if time.monotonic() - heard > patience:
                raise
        else:
            heard = time.monotonic()
            attempt = replace(attempt, report=report, job=job)
            if not attempt.running:
                break
        time.sleep(POLL)
    return attempt


def cancel(place: Place, key: str) -> Attempt | None:
    """End the attempt that runs, in good order, and wait for that. Returns the newest attempt; None: there is none."""
    newest = latest(place, key)
    if newest is None or not newest.running:
        return newest
    place.cluster.stop(newest.id)
    return wait(place, newest)


def _start(place: Place, request: Request, settings: JobConfig, key: RunKey, number: int) -> bool:
    """Send code and conf, and start attempt `number`. False if it is there already."""
    warehouse = place.warehouse
    with tempfile.TemporaryDirectory(prefix="shopbatch-bundle-") as folder:
        package = bundle.build(Path(folder), request.overlay, named_files(settings.model_dump(mode="json")))
        told = {
            "run_key": str(key),
            "attempt": str(number),
            "job": request.job,
            "warehouse": warehouse,
            "shopbatch": __version__,
            "package": package,
            "lock": bundle.lock_digest() or "",
        }
        # the image's own project is not what runs; a driver that is stopped gets time to commit; a task has one CPU
        env = {"SHOPBATCH_HOME": ".", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS), **WORKERS}
        command = _command(request, settings, key, number, warehouse)
        name, cpus = submission_id(str(key), number), settings.platform.driver_cpus
        return place.cluster.submit(Submission(name, command, Path(folder), env, told, cpus))


def _command(request: Request, settings: JobConfig, key: RunKey, number: int, warehouse: str) -> str:
    """The command line on the cluster."""
    words = ["python", "-m", "shopbatch.cli.main", "run", request.job, "--env", request.env]
    words += ["--run-key", str(key), "--attempt", str(number)]
    words += ["--with", bundle.OVERLAY] if request.overlay else []
    words += request.overrides
    words += [f"platform.warehouse={json.dumps(warehouse)}"]
    if settings.platform.ray_address is None:  # else the driver would start a Ray of its own beside the cluster
        words.append("platform.ray_address=auto")
    return "exec " + shlex.join(words)
