"""Asks the head node of a cluster for its versions, clock, authentication and nodes.

Sends only GET requests with a limit of a few seconds to the Jobs API; attaches to nothing and submits nothing.
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
    """What the head node of a cluster reports. A value is None if it does not report it.

    trouble: why it could not be asked. refused: whether it wants another token. auth: `token` or `disabled`.
    nodes: the nodes that are alive. ahead: seconds by which its clock is ahead of ours.
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
    """How this machine authenticates to a cluster. mode: RAY_AUTH_MODE, "" if it is not set."""

    mode: str
    token: str | None

    @property
    def on(self) -> bool:
        """Whether a token is used."""
        return self.mode == "token"


def access() -> Access:
    """Return Ray's own settings: RAY_AUTH_MODE, and the token from RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray."""
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if not token:
        path = Path(os.path.expanduser(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"))
        try:
            token = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
    return Access(os.environ.get("RAY_AUTH_MODE", "").strip().lower(), token or None)


def ask(address: str, own: Access) -> Cluster:
    """Ask the head node at an address what its cluster consists of.

    Redirects are not followed, so that no other host receives the token.
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

    Args:
        moment: A time without its fraction of a second, so that it stands for any time in that second.
        before: Start of the interval.
        after: End of the interval.
    """
    return moment - after if moment > after else min(0.0, moment + 1.0 - before)


def _json(client: httpx.Client, path: str) -> Mapping[str, Any]:
    """The JSON object that the head node answers; {} if it has none, as older versions do not know every path."""
    answer = client.get(path)
    return _mapping(answer) if answer.status_code == httpx.codes.OK else {}


def _mapping(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        tree = answer.json()
    except ValueError:
        return {}
    return tree if isinstance(tree, Mapping) else {}


def _nodes(tree: Mapping[str, Any]) -> tuple[Node, ...] | None:
    """The nodes that Ray's state API lists as alive; None if it does not list any."""
    listed: Any = tree
    for name in ("data", "result", "result"):
        listed = listed.get(name) if isinstance(listed, Mapping) else None
    if not isinstance(listed, list):
        return None
    alive = [n.get("resources_total") or {} for n in listed if isinstance(n, Mapping) and n.get("state") == "ALIVE"]
    return tuple(Node(float(r.get("CPU", 0.0)), float(r.get("GPU", 0.0))) for r in alive)


def _ahead(date: str | None, before: float, after: float) -> float | None:
    """Seconds by which the Date header of an answer lies outside the time of the request; None if it is unknown."""
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return outside(moment, before, after)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
