"""Ray's Jobs API, as much of it as `submit.py` needs. The only file that knows its client."""

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
    """The cluster's Jobs API does not answer: the same command goes on when it does."""


@dataclass(frozen=True)
class ClusterJob:
    """One submission as the cluster knows it. exit_code: its driver's, once it has ended.

    state: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
    """

    id: str
    state: str
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def running(self) -> bool:
        return self.state in _RUNNING


@dataclass(frozen=True)
class Submission:
    """What is sent. folder: travels whole, and is where the entrypoint starts. cpus: reserved for the entrypoint."""

    id: str
    entrypoint: str
    folder: Path
    env: Mapping[str, str]
    metadata: Mapping[str, str]
    cpus: float = 0.0


def submission_id(key: str, attempt: int) -> str:
    """Ray's name of an attempt. It refuses a name for the second time: that is what makes a submission happen once."""
    return f"{PREFIX}{key}-a{attempt}"


class Jobs:
    """A cluster's Jobs API. Ray's token authentication is the client's own (RAY_AUTH_MODE, RAY_AUTH_TOKEN).

    Raises UserError if the address is missing or refuses the token, Unreachable if nothing answers there.
    """

    def __init__(self, platform: Platform) -> None:
        self.address = jobs_address(platform)
        with _translated(self.address):
            self._client = _client(self.address)

    def all(self) -> list[ClusterJob]:
        """What shopbatch submitted to this cluster, oldest first."""
        with _translated(self.address):
            found = self._client.list_jobs()
        mine = [job for job in found if (job.submission_id or "").startswith(PREFIX)]
        return [_job(job) for job in sorted(mine, key=lambda job: job.start_time or 0)]

    def info(self, id: str) -> ClusterJob | None:
        """One submission, None if the cluster does not know it."""
        with _translated(self.address):
            try:
                return _job(self._client.get_job_info(id))
            except RuntimeError as error:
                if "status code 404" in str(error):
                    return None
                raise

    def submit(self, sent: Submission) -> bool:
        """Send the folder and start the entrypoint in it. False if there is a submission of that name already."""
        with _translated(self.address):
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
        """Ask a submission to end in good order (SIGTERM, then, after its grace, SIGKILL)."""
        with _translated(self.address):
            self._client.stop_job(id)

    def logs(self, id: str) -> str:
        """What the submission's driver has printed so far."""
        with _translated(self.address):
            return str(self._client.get_job_logs(id))


def jobs_address(platform: Platform) -> str:
    """Where the Jobs API answers: RAY_API_SERVER_ADDRESS, as for Ray's own tools, else platform.jobs_address."""
    address = os.environ.get("RAY_API_SERVER_ADDRESS") or platform.jobs_address
    if address is None:
        raise UserError(
            "no cluster to submit to: set platform.jobs_address or RAY_API_SERVER_ADDRESS, such as http://head:8265"
        )
    if not address.startswith(("http://", "https://")):
        raise UserError(f"platform.jobs_address {address!r}: expected http://HOST:PORT of the cluster's Jobs API")
    return address


def _client(address: str) -> Any:
    """Ray's client, with a limit to the time of a request, which it has none of."""
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):  # type: ignore[misc]
        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            return super()._do_request(method, endpoint, **{"timeout": REQUEST_SECONDS, **options})

    for name in ("ray", "ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return Client(address)


def _job(details: Any) -> ClusterJob:
    state = getattr(details.status, "value", None) or str(details.status)
    code = details.driver_exit_code
    return ClusterJob(str(details.submission_id), str(state), details.message or "", details.metadata or {}, code)


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """A refused token is the user's to mend, a silent address may answer later."""
    from ray.exceptions import AuthenticationError
    from requests import exceptions

    silent = f"{address}: the Jobs API of the cluster does not answer"
    try:
        yield
    except (exceptions.RequestException, ConnectionError) as error:
        raise Unreachable(f"{silent} ({type(error).__name__})") from None
    except RuntimeError as error:  # a gateway answers for a head node that restarts, a head node without agents
        if found := re.search(r"status code (5\d\d)", str(error)):
            raise Unreachable(f"{silent} (HTTP {found[1]})") from None
        raise
    except AuthenticationError:
        raise UserError(
            f"{address}: the cluster refused the token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN as it has them"
        ) from None
