"""A small client of Ray's Jobs API for `shopbatch submit`. The only module that uses Ray's own client."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shopbatch.core.config import Platform
from shopbatch.core.errors import Stopped, UserError

PREFIX = "shopbatch-"
REQUEST_SECONDS = 60.0
_RUNNING = ("PENDING", "RUNNING")


class Unreachable(Stopped):
    """The cluster's Jobs API does not answer. The same command works again once it does."""


@dataclass(frozen=True)
class ClusterJob:
    """One submission as the cluster reports it.

    Attributes:
        id: The submission id.
        state: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        message: The cluster's explanation of the state.
        metadata: The metadata that was sent with the submission.
        exit_code: Exit code of the driver; None until it has ended.
    """

    id: str
    state: str
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def running(self) -> bool:
        """Whether the submission is queued or running."""
        return self.state in _RUNNING


@dataclass(frozen=True)
class Submission:
    """A job to be sent to the cluster.

    Attributes:
        id: The submission id.
        entrypoint: The shell command that starts the driver.
        folder: Folder that is sent as a whole; it becomes the working directory of the entrypoint.
        env: Environment variables of the job.
        metadata: Texts that the cluster stores with the submission.
        cpus: CPUs that the cluster reserves for the entrypoint.
    """

    id: str
    entrypoint: str
    folder: Path
    env: Mapping[str, str]
    metadata: Mapping[str, str]
    cpus: float = 0.0


def submission_id(key: str, attempt: int) -> str:
    """Return the submission id of an attempt at a run key.

    Ray accepts each id only once, so that no attempt starts twice.
    """
    return f"{PREFIX}{key}-a{attempt}"


class Jobs:
    """The Jobs API of a cluster. Ray's client does the authentication (RAY_AUTH_MODE, RAY_AUTH_TOKEN).

    Every method raises these errors, too.

    Args:
        platform: Settings that hold the address of the cluster.

    Raises:
        UserError: No address is configured, or the cluster refuses the token.
        Unreachable: The cluster does not answer.
    """

    def __init__(self, platform: Platform) -> None:
        self.address = jobs_address(platform)
        with _translated_errors(self.address):
            self._client = _client(self.address)

    def all(self) -> list[ClusterJob]:
        """Return all submissions of shopbatch to this cluster, the oldest first."""
        with _translated_errors(self.address):
            submissions = self._client.list_jobs()
        own = [job for job in submissions if (job.submission_id or "").startswith(PREFIX)]
        return [_job(job) for job in sorted(own, key=lambda job: job.start_time or 0)]

    def info(self, id: str) -> ClusterJob | None:
        """Return one submission, or None if the cluster does not know it."""
        with _translated_errors(self.address):
            try:
                return _job(self._client.get_job_info(id))
            except RuntimeError as error:
                if "status code 404" in str(error):
                    return None
                raise

    def submit(self, sent: Submission) -> bool:
        """Send a submission's folder to the cluster and start its entrypoint there.

        Returns:
            False if the cluster already has a submission with this id.
        """
        with _translated_errors(self.address):
            try:
                self._client.submit_job(
                    entrypoint=sent.entrypoint,
                    submission_id=sent.id,
                    runtime_env={"working_dir": str(sent.folder), "env_vars": dict(sent.env)},
                    metadata=dict(sent.metadata),
                    entrypoint_num_cpus=sent.cpus or None,
                )
            except RuntimeError as error:
                if "already exists" in str(error):
                    return False
                raise
        return True

    def stop(self, id: str) -> None:
        """Ask a submission to stop: the cluster sends SIGTERM, and SIGKILL when its grace period is over."""
        with _translated_errors(self.address):
            self._client.stop_job(id)

    def logs(self, id: str) -> str:
        """Return everything that a submission's driver has printed so far."""
        with _translated_errors(self.address):
            return str(self._client.get_job_logs(id))


def jobs_address(platform: Platform) -> str:
    """Return the HTTP address of the Jobs API.

    The variable RAY_API_SERVER_ADDRESS, which Ray's own tools use, takes precedence over `platform.jobs_address`.

    Raises:
        UserError: No address is configured, or it is not an HTTP address.
    """
    address = os.environ.get("RAY_API_SERVER_ADDRESS") or platform.jobs_address
    if address is None:
        raise UserError(
            "no cluster to submit to: set platform.jobs_address or RAY_API_SERVER_ADDRESS, such as http://head:8265"
        )
    if not address.startswith(("http://", "https://")):
        raise UserError(f"platform.jobs_address {address!r}: expected http://HOST:PORT of the cluster's Jobs API")
    return address


def _client(address: str) -> Any:
    """Return Ray's client for an address, with a time limit of REQUEST_SECONDS for each request."""
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):  # type: ignore[misc]
        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            return super()._do_request(method, endpoint, **{"timeout": REQUEST_SECONDS, **options})

    for name in ("ray", "ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return Client(address)


def _job(details: Any) -> ClusterJob:
    """Convert the details of a submission that Ray's client returns."""
    state = getattr(details.status, "value", None) or str(details.status)
    code = details.driver_exit_code
    return ClusterJob(str(details.submission_id), str(state), details.message or "", details.metadata or {}, code)


@contextmanager
def _translated_errors(address: str) -> Iterator[None]:
    """Translate errors of Ray's client inside the block: a refused token to UserError, no answer to Unreachable."""
    from ray.exceptions import AuthenticationError
    from requests import exceptions

    unreachable = f"{address}: the Jobs API of the cluster does not answer"
    try:
        yield
    except (exceptions.RequestException, ConnectionError) as error:
        raise Unreachable(f"{unreachable} ({type(error).__name__})") from None
    except RuntimeError as error:  # HTTP 5xx comes from a gateway while the head node restarts, or before it is ready
        if status := re.search(r"status code (5\d\d)", str(error)):
            raise Unreachable(f"{unreachable} (HTTP {status[1]})") from None
        raise
    except AuthenticationError:
        do = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to the cluster's token"
        raise UserError(f"{address}: the cluster refused the token; {do}") from None
