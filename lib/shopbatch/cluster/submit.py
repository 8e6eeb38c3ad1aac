"""Submits jobs to a cluster: at most one run of a run key at a time, and none if the key's work is done.

All jobs are started in the same way: Ray's Jobs API starts `shopbatch run` on the cluster. For a Spark job this process
is the Spark driver, which connects to `platform.spark.master`. So attaching, cancelling and reading logs work in the
same way for every job.

Ray refuses a second submission with the same id. So of any number of submitters exactly one starts an attempt, and the
others attach to it.
"""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shopbatch import __version__
from shopbatch.cluster import bundle
from shopbatch.cluster.attempts import Attempt, Place, done, latest
from shopbatch.cluster.jobs import ClusterJob, Jobs, Submission, submission_id
from shopbatch.core import config
from shopbatch.core.config import JobConfig, Platform
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import redact_text
from shopbatch.core.sessions import WORKERS
from shopbatch.runs.job import find
from shopbatch.runs.run_key import RunKey, named_files

STOP_SECONDS = 120  # grace period in which a stopped run commits what it has written and saves its report


@dataclass(frozen=True)
class Request:
    """A job to submit, with its command line.

    Attributes:
        job: The job's name.
        env: Name of the environment.
        overrides: Items `key.path=value`.
        overlay: Path of a YAML file that takes precedence over conf/; None for no such file.
        date: Logical date, see `RunKey.of`.
        rerun: Name of a rerun, see `RunKey.of`.
    """

    job: str
    env: str = "prod"
    overrides: Sequence[str] = ()
    overlay: str | None = None
    date: str | None = None
    rerun: str | None = None

    def resolve(self) -> tuple[RunKey, JobConfig]:
        """Return the run key and the validated configuration.

        Raises:
            UserError: The configuration is wrong, or an override holds a secret.
        """
        for item in self.overrides:
            if bundle.override_holds_secret(item):
                raise UserError(
                    f"{item.partition('=')[0]}=...: a secret may not be on a command line, since dashboards show it; "
                    "set it in the environment of the cluster's nodes"
                )
        settings = config.load(find(self.job).config, self.job, self.env, list(self.overrides), self.overlay)
        return RunKey.of(self.job, settings, shared_root(settings.platform), self.date, self.rerun), settings


def shared_root(platform: Platform) -> str:
    """Return the folder or URI of the warehouse as the cluster's nodes name it.

    Raises:
        UserError: The URI holds a secret.
    """
    from shopbatch.warehouse.store import Store

    if redact_text(platform.warehouse) != platform.warehouse:
        raise UserError("platform.warehouse holds a secret; set it in the environment of the cluster's nodes instead")
    return Store(platform.warehouse).root


def submit(request: Request) -> tuple[Attempt, Place]:
    """Start a run on the cluster, unless a run with the same run key is running or done already.

    Returns:
        The attempt that was started, is running or has done the work, and where its state is recorded.

    Raises:
        UserError: The configuration is wrong, a file or setting holds a secret, or no cluster is configured.
        Stopped: The warehouse or the Jobs API does not answer.
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
        time.sleep(0.1)  # another submitter was faster; its attempt will be visible soon
    raise AssertionError(f"{key}: the cluster refuses the submission as a duplicate but knows no such attempt")


def _start(place: Place, request: Request, settings: JobConfig, key: RunKey, number: int) -> bool:
    """Send the project's code and configuration to the cluster, and start attempt `number` at the run key.

    Returns:
        False if that attempt exists already.
    """
    warehouse = place.warehouse
    with tempfile.TemporaryDirectory(prefix="shopbatch-bundle-") as folder:
        package = bundle.build(Path(folder), request.overlay, named_files(settings.model_dump(mode="json")))
        metadata = {
            "run_key": str(key),
            "attempt": str(number),
            "job": request.job,
            "warehouse": warehouse,
            "shopbatch": __version__,
            "package": package,
            "lock": bundle.lock_digest() or "",
        }
        # run the project of the bundle, not that of the image, and give a stopped driver time to commit
        env = {"SHOPBATCH_HOME": ".", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS), **WORKERS}
        command = _command(request, settings, key, number, warehouse)
        name, cpus = submission_id(str(key), number), settings.platform.driver_cpus
        return place.cluster.submit(Submission(name, command, Path(folder), env, metadata, cpus))


def _command(request: Request, settings: JobConfig, key: RunKey, number: int, warehouse: str) -> str:
    """Return the shell command (`exec python -m shopbatch run JOB ...`) that starts an attempt on the cluster."""
    words = ["python", "-m", "shopbatch", "run", request.job, "--env", request.env]
    words += ["--run-key", str(key), "--attempt", str(number)]
    words += ["--with", bundle.OVERLAY] if request.overlay else []
    words += request.overrides
    words += [f"platform.warehouse={json.dumps(warehouse)}"]
    if settings.platform.ray_address is None:  # otherwise the driver would start a local Ray beside the cluster
        words.append("platform.ray_address=auto")
    return "exec " + shlex.join(words)
