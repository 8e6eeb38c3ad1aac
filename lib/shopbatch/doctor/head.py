"""Asks the head node of a Ray cluster for its versions, clock, authentication and nodes.

It sends only GET requests to the Jobs API, with a limit of a few seconds; it attaches to nothing and submits nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from shopbatch.doctor.findings import brief
from shopbatch.doctor.slots import Node

LIMIT = httpx.Timeout(3.0, connect=2.0)


@dataclass(frozen=True)
class Cluster:
    """The answers of a cluster's head node. A value is None if the head node does not report it.

    Attributes:
        address: Address of the Jobs API.
        trouble: Why the head node gave no answer; None if it answered.
        refused: Whether it refused our token (or the lack of one).
        auth: Its authentication mode, `token` or `disabled`.
        ray: Its version of Ray.
        python: Its version of Python.
        nodes: The nodes that are alive.
        ahead: Seconds by which its clock is ahead of ours.
    """

    address: str
    trouble: str | None = None
    refused: bool = False
    auth: str | None = None
    ray: str | None = None
    python: str | None = None
    nodes: tuple[Node, ...] | None = None
    ahead: float | None = None


@dataclass(frozen=True)
class Access:
    """The credentials with which this machine accesses a cluster.

    Attributes:
        mode: Value of RAY_AUTH_MODE in lower case, "" if it is not set.
        token: The token; None if there is none.
    """

    mode: str
    token: str | None

    @property
    def on(self) -> bool:
        """True if requests to the cluster carry a token (mode `token`)."""
        return self.mode == "token"


def access() -> Access:
    """Read this machine's credentials for a cluster where Ray itself reads them.

    The mode is RAY_AUTH_MODE. The token is RAY_AUTH_TOKEN, or the content of the file RAY_AUTH_TOKEN_PATH or
    ~/.ray/auth_token.
    """
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if not token:
        path = Path(os.path.expanduser(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"))
        try:
            token = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
    return Access(os.environ.get("RAY_AUTH_MODE", "").strip().lower(), token or None)


def ask(address: str, own: Access) -> Cluster:
    """Ask the head node of a cluster for its versions, authentication, clock and nodes.

    Problems do not raise: they become `Cluster.trouble` or `Cluster.refused`. Redirects are not followed, so that no
    other host receives the token.

    Args:
        address: Address of the Jobs API, http(s)://HOST:PORT.
        own: The credentials of this machine.
    """
    headers = {"Authorization": f"Bearer {own.token}"} if own.on and own.token else {}
    try:
        with httpx.Client(base_url=address, timeout=LIMIT, headers=headers) as client:
            auth = _json(client, "/api/authentication_mode").get("authentication_mode")
            before = time.time()
            answer = client.get("/api/version")
            ahead = _ahead(answer.headers.get("date"), before, time.time())
            if answer.status_code in (401, 403):
                return Cluster(address, refused=True, auth=str(auth) if auth else None, ahead=ahead)
            version = _mapping(answer).get("ray_version")
            if version is None:
                return Cluster(address, trouble=f"what answers there is not a Jobs API (HTTP {answer.status_code})")
            about = _json(client, "/api/v0/cluster_metadata").get("data") or {}
            nodes = _nodes(_json(client, "/api/v0/nodes?limit=10000"))
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return Cluster(address, trouble=f"it does not answer ({brief(problem)})")
    python = about.get("pythonVersion") if isinstance(about, Mapping) else None
    return Cluster(address, None, False, _text(auth), _text(version), _text(python), nodes, ahead)


def outside(moment: float, before: float, after: float) -> float:
    """Return the seconds by which a moment lies after (positive) or before (negative) an interval; 0 inside it.

    It estimates how far another machine's clock is ahead: `moment` is that machine's time in its answer, `before` and
    `after` are our times of request and answer.

    Args:
        moment: A time cut to whole seconds, so that it stands for any time in that second.
        before: Start of the interval, in seconds.
        after: End of the interval, in seconds.
    """
    return moment - after if moment > after else min(0.0, moment + 1.0 - before)


def _json(client: httpx.Client, path: str) -> Mapping[str, Any]:
    """Request a path of the Jobs API and return the JSON object in the answer.

    {} if the status is not 200 (older versions of Ray do not know every path) or the answer is not a JSON object.
    """
    answer = client.get(path)
    return _mapping(answer) if answer.status_code == httpx.codes.OK else {}


def _mapping(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        tree = answer.json()
    except ValueError:
        return {}
    return tree if isinstance(tree, Mapping) else {}


def _nodes(tree: Mapping[str, Any]) -> tuple[Node, ...] | None:
    """Return the alive nodes in an answer of Ray's state API (`/api/v0/nodes`); None if it has no list of nodes."""
    listed: Any = tree
    for name in ("data", "result", "result"):
        listed = listed.get(name) if isinstance(listed, Mapping) else None
    if not isinstance(listed, list):
        return None
    alive = [n.get("resources_total") or {} for n in listed if isinstance(n, Mapping) and n.get("state") == "ALIVE"]
    return tuple(Node(float(r.get("CPU", 0.0)), float(r.get("GPU", 0.0))) for r in alive)


def _ahead(date: str | None, before: float, after: float) -> float | None:
    """Return the seconds by which another clock is ahead of ours, from the HTTP header `Date` of an answer.

    Args:
        date: Value of the header; None if the answer has none.
        before: Our time when the request was sent, in seconds.
        after: Our time when the answer came, in seconds.

    Returns:
        The offset; 0 if the date lies within the request; None if it is unknown.
    """
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return outside(moment, before, after)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
