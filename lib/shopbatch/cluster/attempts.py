"""Finds, awaits and cancels the attempts at a run key: the submissions of one piece of work to a cluster.

The state of a run key is kept in two places. The warehouse has the report of every attempt that has ended, and outlives
the cluster. The cluster knows the attempts that are queued or running.
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
    """One attempt (submission) at a run key.

    Attributes:
        key: The run key.
        number: Number of the attempt, from 1.
        report: The run's report; None until the run has ended.
        job: The cluster's information about the attempt; None if the cluster does not know it.
        started: Whether the current call started it.
    """

    key: str
    number: int
    report: Mapping[str, Any] | None = None
    job: ClusterJob | None = None
    started: bool = False

    @property
    def id(self) -> str:
        """The submission id of the attempt, by which the cluster knows it."""
        return submission_id(self.key, self.number)

    @property
    def running(self) -> bool:
        """Whether the attempt is queued or running on the cluster."""
        return self.report is None and self.job is not None and self.job.running

    @property
    def state(self) -> str:
        """The outcome in the report; without a report `running`, `stopped` (on request) or `lost`."""
        if self.report is not None:
            return str(self.report["outcome"])
        if self.running:
            return "running"
        return "stopped" if self.job is not None and self.job.state == "STOPPED" else "lost"

    def to_dict(self) -> dict[str, Any]:
        """Return the run key, number, submission id and state, which commands print as one line of JSON."""
        return {"run_key": self.key, "attempt": self.number, "submission_id": self.id, "state": self.state}


@dataclass(frozen=True)
class Place:
    """The two places where the state of attempts is recorded: the warehouse and the cluster.

    Attributes:
        warehouse: Folder or URI of the warehouse.
        jobs: The cluster's Jobs API; None if it does not answer.
    """

    warehouse: str
    jobs: Jobs | None

    @property
    def cluster(self) -> Jobs:
        """The Jobs API of the cluster.

        Raises:
            Unreachable: The Jobs API does not answer.
        """
        if self.jobs is None:
            raise Unreachable("the Jobs API of the cluster does not answer")
        return self.jobs


def latest(place: Place, key: str) -> Attempt | None:
    """Return the newest attempt at a run key that the warehouse or the cluster knows; None if there was none.

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
    if job is not None:  # the attempt may have ended since, or use another warehouse
        records = read_records(_warehouse(place, job), key)
    return Attempt(key, number, records.get(number), job)


def done(attempt: Attempt) -> bool:
    """Return True if the run key's work is done: the attempt succeeded, and every row has a result or was rejected."""
    report = attempt.report
    if report is None or report["exit_code"] != 0 or report["outcome"] == "incomplete":
        return False
    return not report.get("rows", {}).get("pending")


def wait(place: Place, attempt: Attempt, patience: float = PATIENCE) -> Attempt:
    """Wait until an attempt has ended, and return it with its report.

    Args:
        place: Where its state is recorded.
        attempt: The attempt.
        patience: For how many seconds the Jobs API or the warehouse may fail to answer.

    Returns:
        The attempt with its report; without a report if its driver died before it wrote one.

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
    """Stop the running attempt at a run key and wait until it has ended; do nothing if none runs.

    Returns:
        The newest attempt; None if there is none.
    """
    newest = latest(place, key)
    if newest is None or not newest.running:
        return newest
    place.cluster.stop(newest.id)
    return wait(place, newest)


def _warehouse(place: Place, job: ClusterJob | None) -> str:
    """Return the warehouse that holds an attempt's record: the one named in the submission, else that of `place`."""
    return (job.metadata.get("warehouse") if job is not None else None) or place.warehouse
