"""Attempts at a run key: which one is the newest, whether the work is done, waiting for one and cancelling it.

The state of a run key is kept in two places. The warehouse has the report of every attempt that has ended, and outlives
the cluster; the cluster knows the attempts that run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shopbatch.cluster.jobs import ClusterJob, Jobs, Unreachable, submission_id
from shopbatch.core.errors import Stopped
from shopbatch.runs.run_key import read_records

PATIENCE = 600.0  # seconds without an answer (a head node may restart) after which `--wait` gives up
POLL = 2.0  # seconds between two requests of `--wait`


@dataclass(frozen=True)
class Attempt:
    """An attempt at a run key.

    report: the run's report, None until it has ended. job: what the cluster knows about it. started: whether the
    current call started it.
    """

    key: str
    number: int
    report: Mapping[str, Any] | None = None
    job: ClusterJob | None = None
    started: bool = False

    @property
    def id(self) -> str:
        """The name under which the attempt is submitted to the cluster."""
        return submission_id(self.key, self.number)

    @property
    def running(self) -> bool:
        """Whether the attempt is waiting or running on the cluster."""
        return self.report is None and self.job is not None and self.job.running

    @property
    def state(self) -> str:
        """The report's outcome, or `running`; without a report `stopped` (on request) or `lost`."""
        if self.report is not None:
            return str(self.report["outcome"])
        if self.running:
            return "running"
        return "stopped" if self.job is not None and self.job.state == "STOPPED" else "lost"

    def to_dict(self) -> dict[str, Any]:
        """Return the values that commands print as one line of JSON."""
        return {"run_key": self.key, "attempt": self.number, "submission_id": self.id, "state": self.state}


@dataclass(frozen=True)
class Place:
    """Where runs are recorded: the warehouse, and the cluster's Jobs API (None if it does not answer)."""

    warehouse: str
    jobs: Jobs | None

    @property
    def cluster(self) -> Jobs:
        """The Jobs API of the cluster. Raises Unreachable if it does not answer."""
        if self.jobs is None:
            raise Unreachable("the Jobs API of the cluster does not answer")
        return self.jobs


def latest(place: Place, key: str) -> Attempt | None:
    """Return the newest attempt that the warehouse or the cluster knows, or None if there was none.

    Raises:
        Unreachable: The cluster does not answer, and the records alone do not show that the work is done.
    """
    records = read_records(place.warehouse, key)
    number, job = max(records, default=0), None
    if place.jobs is None:
        newest = Attempt(key, number, records.get(number))
        return newest if done(newest) else latest(Place(place.warehouse, place.cluster), key)
    while (newer := place.jobs.info(submission_id(key, number + 1))) is not None:
        number, job = number + 1, newer
    if number == 0:
        return None
    if job is not None:  # it may have ended since the records were read, or use another warehouse
        records = read_records(_warehouse(place, job), key)
    return Attempt(key, number, records.get(number), job)


def done(attempt: Attempt) -> bool:
    """Return whether the key's work is done: the attempt succeeded and left no rows for a next run."""
    report = attempt.report
    if report is None or report["exit_code"] != 0 or report["outcome"] == "incomplete":
        return False
    return not report.get("rows", {}).get("pending")


def wait(place: Place, attempt: Attempt, patience: float = PATIENCE) -> Attempt:
    """Wait until an attempt has ended.

    Args:
        place: Where its state is recorded.
        attempt: The attempt.
        patience: Seconds for which the Jobs API or the warehouse may not answer.

    Returns:
        The attempt with its report, or without one if its driver died before it wrote a report.

    Raises:
        Stopped: The Jobs API or the warehouse did not answer for `patience` seconds.
    """
    last_answer = time.monotonic()
    while attempt.report is None:
        try:
            # The cluster is asked before the record is read, because an attempt writes its record before it ends.
            job = place.cluster.info(attempt.id)
            report = read_records(_warehouse(place, job), attempt.key).get(attempt.number)
        except Stopped:
            if time.monotonic() - last_answer > patience:
                raise
        else:
            last_answer = time.monotonic()
            attempt = replace(attempt, report=report, job=job)
            if not attempt.running:
                break
        time.sleep(POLL)
    return attempt


def cancel(place: Place, key: str) -> Attempt | None:
    """Stop the attempt that runs, and wait until it has ended. Return the newest attempt, or None if there is none."""
    newest = latest(place, key)
    if newest is None or not newest.running:
        return newest
    place.cluster.stop(newest.id)
    return wait(place, newest)


def _warehouse(place: Place, job: ClusterJob | None) -> str:
    """Return the warehouse that holds the records: the one that the submission names, if the cluster still knows it."""
    return (job.metadata.get("warehouse") if job is not None else None) or place.warehouse
