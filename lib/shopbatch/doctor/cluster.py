"""The cluster that an environment names: what its head says of itself, held against what is here. For `command.py`.

Asks the Jobs API by GET, no question longer than a few seconds; attaches to nothing and submits nothing.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from shopbatch.core.config import Platform
from shopbatch.doctor.findings import Finding, brief, error, warning
from shopbatch.doctor.machine import ray_folder
from shopbatch.doctor.slots import Node

LIMIT = httpx.Timeout(3.0, connect=2.0)
SKEW = 60.0  # seconds that clocks may differ
# file systems that several machines may share, as /proc/mounts calls them
_SHARED = ("nfs", "cifs", "smb", "lustre", "ceph", "gluster", "gpfs", "beegfs", "afs", "9p", "virtiofs", "fuse.")


@dataclass(frozen=True)
class Cluster:
    """What a head says. None: it does not say.

    trouble: why it could not be asked. refused: it wants another token. auth: `token` or `disabled`.
    nodes: those alive. ahead: seconds that its clock is before ours.
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
    """How this machine shows itself to a cluster. mode: RAY_AUTH_MODE, "" where it is not set."""

    mode: str
    token: str | None

    @property
    def on(self) -> bool:
        return self.mode == "token"


def access() -> Access:
    """Ray's own settings: RAY_AUTH_MODE, and the token of RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token."""
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if not token:
        path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
        try:
            token = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
    return Access(os.environ.get("RAY_AUTH_MODE", "").strip().lower(), token or None)


def ask(address: str, mine: Access) -> Cluster:
    """Everything that the head at this address says; redirections are not followed, so that no token goes astray."""
    headers = {"Authorization": f"Bearer {mine.token}"} if mine.on and mine.token else {}
    try:
        with httpx.Client(base_url=address, timeout=LIMIT, headers=headers) as client:
            auth = _json(client, "/api/authentication_mode").get("authentication_mode")
            before = time.time()
            answer = client.get("/api/version")
            ahead = _ahead(answer.headers.get("date"), before, time.time())
            if answer.status_code in (401, 403):
                return Cluster(address, refused=True, auth=str(auth) if auth else None, ahead=ahead)
            told = _mapping(answer)
            if "ray_version" not in told:
                return Cluster(address, trouble=f"what answers there is no Jobs API (HTTP {answer.status_code})")
            about = _json(client, "/api/v0/cluster_metadata").get("data") or {}
            nodes = _nodes(_json(client, "/api/v0/nodes?limit=10000"))
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return Cluster(address, trouble=f"it does not answer ({brief(problem)})")
    python = about.get("pythonVersion") if isinstance(about, Mapping) else None
    return Cluster(address, None, False, _text(auth), _text(told["ray_version"]), _text(python), nodes, ahead)


def judge_reach(cluster: Cluster) -> list[Finding]:
    """The one finding of a head that could not be asked."""
    if cluster.trouble is None:
        return []
    why = "nothing can be submitted, and its versions, clock and CPUs were not looked at"
    do = "start the cluster, or set platform.jobs_address or RAY_API_SERVER_ADDRESS to http://HOST:8265 of its head"
    return [error("cluster", f"{cluster.address}: {cluster.trouble}", why, do)]


def judge_attach(address: str) -> list[Finding]:
    """Whether a driver that is started here finds its cluster. address: platform.ray_address, of a cluster."""
    why, do = "the job does not start", "start the cluster, or correct platform.ray_address (null: a Ray of its own)"
    if address in ("auto", "local"):
        known = ray_folder() / "ray_current_cluster"  # `ray start` writes it
        if address == "local" or os.environ.get("RAY_ADDRESS") or known.exists():
            return []
        return [error("cluster", "platform.ray_address=auto, and no Ray cluster was started on this machine", why, do)]
    try:
        port = urlsplit(address if "://" in address else f"//{address}").port
        socket.create_connection((host(address), port or 10001), 2.0).close()
    except (OSError, ValueError) as problem:
        return [error("cluster", f"{address} does not answer ({brief(problem)})", why, do)]
    return []


def judge_access(addresses: list[str], mine: Access, cluster: Cluster | None) -> list[Finding]:
    """Authentication: off where others can reach the head, refused, or readable on the way."""
    why = "whoever reaches that port runs what they like on the cluster and reads the warehouse with its rights"
    do = "start it with RAY_AUTH_MODE=token, and give it and this shell the token of `ray get-auth-token --generate`"
    if cluster is not None and cluster.refused:
        here = "was refused" if mine.on and mine.token else "is wanted, and none is sent"
        what = f"{cluster.address}: a token {here}"
        fix = "set RAY_AUTH_MODE to token, and RAY_AUTH_TOKEN as the cluster has it"
        return [error("authentication", what, "no job can be submitted, followed or cancelled", fix)]
    remote = [a for a in addresses if not is_loopback(host(a))]
    if not remote:
        return []
    if cluster is not None and cluster.auth == "disabled":
        return [error("authentication", f"{cluster.address} asks for no token", why, do)]
    if not mine.on and (cluster is None or cluster.auth is None):
        return [error("authentication", f"RAY_AUTH_MODE is not token, and {remote[0]} is not loopback", why, do)]
    plain = [a for a in remote if a.startswith("http://")]
    if mine.on and plain:
        fix = "put TLS before the head (https://...), or a tunnel: ssh -L 8265:localhost:8265 HEAD"
        read = "who reads along has the token, and with it the cluster"
        return [warning("authentication", f"the token goes to {plain[0]} without encryption", read, fix)]
    return []


def judge_versions(ray: str | None, python: str, cluster: Cluster, allow_skew: bool) -> list[Finding]:
    """Ray and Python here against the cluster's. allow_skew: platform.allow_skew, which makes warnings of them."""
    make = warning if allow_skew else error
    do = f"build the cluster's image anew from requirements.lock, or install here what {cluster.address} has"
    found = []
    if ray is not None and cluster.ray is not None and ray != cluster.ray:
        why = "drivers and nodes of different releases do not understand each other, and a submitted run is refused"
        found.append(make("ray", f"ray {ray} here, {cluster.ray} on the cluster", why, do))
    if cluster.python is not None and python.split(".")[:2] != cluster.python.split(".")[:2]:
        why = "what one pickles the other may not read"
        found.append(make("python", f"Python {python} here, {cluster.python} on the cluster", why, do))
    return found


def judge_clock(whose: str, ahead: float | None) -> list[Finding]:
    """ahead: seconds that another clock is before ours; None where it could not be told."""
    if ahead is None or abs(ahead) <= SKEW:
        return []
    what = f"the clock of {whose} is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    why = "leases end too early or too late, and the latest of two rows may be the wrong one"
    return [error("clock", what, why, "synchronise both (NTP; timedatectl shows whether it is on)")]


def judge_shared(warehouse: str, mount: str, elsewhere: list[str]) -> list[Finding]:
    """A folder as warehouse of a cluster. mount: type of its file system. elsewhere: addresses on other machines."""
    if "://" in warehouse or not elsewhere or mount.startswith(_SHARED):
        return []
    what = f"the warehouse {warehouse} is a folder of this machine, the cluster at {elsewhere[0]} is not on it"
    why = "every node would write into a folder of its own, and nobody would see the others' files"
    do = "set platform.warehouse to an object store (s3://bucket/path) or to a folder that all nodes mount"
    return [error("shared", what, why, do)]


def addresses(platform: Platform, jobs: str | None) -> list[str]:
    """Where the cluster is, as far as it is told; `auto` beside a Jobs API is the cluster's own."""
    ray = platform.ray_address
    return [a for a in (jobs, None if ray in (None, "auto", "local") else ray) if a]


def host(address: str) -> str:
    """The host of http://HOST:PORT, ray://HOST:PORT or HOST:PORT."""
    return urlsplit(address if "://" in address else f"//{address}").hostname or ""


def is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_here(name: str) -> bool:
    """Whether a host is this machine: one may bind to one's own addresses only."""
    if is_loopback(name):
        return True
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as trial:
                trial.bind(address)
    except OSError:
        return False
    return True


def mount_type(folder: Path) -> str:
    """Type of the file system that holds a folder, "" where that cannot be told."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    mounts = [(Path(words[1].replace("\\040", " ")), words[2]) for words in map(str.split, lines) if len(words) > 2]
    over = [(len(point.parts), kind) for point, kind in mounts if folder.is_relative_to(point)]
    return max(over, key=lambda pair: pair[0])[1] if over else ""


def _json(client: httpx.Client, path: str) -> Mapping[str, Any]:
    """A mapping that the head answers, {} where it has none to give: older ones do not know every question."""
    answer = client.get(path)
    return _mapping(answer) if answer.status_code == httpx.codes.OK else {}


def _mapping(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        tree = answer.json()
    except ValueError:
        return {}
    return tree if isinstance(tree, Mapping) else {}


def _nodes(tree: Mapping[str, Any]) -> tuple[Node, ...] | None:
    """The living nodes of Ray's state API; None where it does not list them."""
    listed: Any = tree
    for name in ("data", "result", "result"):
        listed = listed.get(name) if isinstance(listed, Mapping) else None
    if not isinstance(listed, list):
        return None
    alive = [n.get("resources_total") or {} for n in listed if isinstance(n, Mapping) and n.get("state") == "ALIVE"]
    return tuple(Node(float(r.get("CPU", 0.0)), float(r.get("GPU", 0.0))) for r in alive)


def _ahead(date: str | None, before: float, after: float) -> float | None:
    """Seconds that the Date of an answer lies outside the time of the question."""
    if date is None:
        return None
    try:
        told = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return outside(told, before, after)


def outside(told: float, before: float, after: float) -> float:
    """How far a moment, told in whole seconds, lies after (or, negative, before) an interval; 0 within it."""
    return told - after if told > after else min(0.0, told + 1.0 - before)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
