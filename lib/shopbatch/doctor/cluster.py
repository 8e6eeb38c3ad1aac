"""Checks the cluster of an environment against this machine: versions, clock, authentication, shared folders."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_parent
from shopbatch.doctor.findings import Finding, brief, error, warning
from shopbatch.doctor.head import Access, Cluster
from shopbatch.doctor.hosts import host, is_loopback

SKEW = 60.0  # seconds by which clocks may differ
# types of network file systems, as /proc/mounts names them
_SHARED = ("nfs", "cifs", "smb", "lustre", "ceph", "gluster", "gpfs", "beegfs", "afs", "9p", "virtiofs", "fuse.")


def judge_reach(cluster: Cluster) -> list[Finding]:
    """Return an error finding if the head node of the cluster did not answer (`Cluster.trouble`); [] if it answered."""
    if cluster.trouble is None:
        return []
    why = "nothing can be submitted, and its versions, clock and CPUs were not checked"
    do = "start the cluster, or set platform.jobs_address or RAY_API_SERVER_ADDRESS to http://HOST:8265 of its head"
    return [error("cluster", f"{cluster.address}: {cluster.trouble}", why, do)]


def judge_attach(address: str) -> list[Finding]:
    """Return an error finding if a driver on this machine could not attach to its Ray cluster; else [].

    Args:
        address: Value of platform.ray_address, not None. "auto" needs a Ray that was started on this machine; another
            address is tried by opening a connection (2 seconds).
    """
    why, do = "the job does not start", "start the cluster, or correct platform.ray_address (null starts a local Ray)"
    if address in ("auto", "local"):
        known = Path(ray_parent(), "ray", "ray_current_cluster")  # `ray start` writes it
        if address == "local" or os.environ.get("RAY_ADDRESS") or known.exists():
            return []
        return [error("cluster", "platform.ray_address=auto, and no Ray cluster was started on this machine", why, do)]
    try:
        port = urlsplit(address if "://" in address else f"//{address}").port
        socket.create_connection((host(address), port or 10001), 2.0).close()
    except (OSError, ValueError) as problem:
        return [error("cluster", f"{address} does not answer ({brief(problem)})", why, do)]
    return []


def judge_access(addresses: list[str], own: Access, cluster: Cluster | None) -> list[Finding]:
    """Return a finding if the cluster refuses our token, asks for none, or receives it without encryption; else [].

    Nothing is demanded of addresses on the loopback interface. A token without encryption is only a warning.

    Args:
        addresses: Addresses of the cluster.
        own: The credentials of this machine.
        cluster: The answers of the head node; None if it was not asked.
    """
    why = "whoever reaches that port can run any code on the cluster and read the warehouse with its rights"
    do = "start it with RAY_AUTH_MODE=token, and give it and this shell the token of `ray get-auth-token --generate`"
    if cluster is not None and cluster.refused:
        state = "was refused" if own.on and own.token else "is required, and none is sent"
        what = f"{cluster.address}: a token {state}"
        fix = "set RAY_AUTH_MODE to token, and RAY_AUTH_TOKEN to the token of the cluster"
        return [error("authentication", what, "no job can be submitted, followed or cancelled", fix)]
    remote = [a for a in addresses if not is_loopback(host(a))]
    if not remote:
        return []
    if cluster is not None and cluster.auth == "disabled":
        return [error("authentication", f"{cluster.address} asks for no token", why, do)]
    if not own.on and (cluster is None or cluster.auth is None):
        return [error("authentication", f"RAY_AUTH_MODE is not token, and {remote[0]} is not loopback", why, do)]
    unencrypted = [a for a in remote if a.startswith("http://")]
    if own.on and unencrypted:
        fix = "use TLS (https://...) or a tunnel: ssh -L 8265:localhost:8265 HEAD"
        read = "whoever reads the traffic has the token, and with it the cluster"
        return [warning("authentication", f"the token is sent to {unencrypted[0]} without encryption", read, fix)]
    return []


def judge_versions(ray: str | None, python: str, cluster: Cluster, allow_skew: bool) -> list[Finding]:
    """Return findings if Ray or the minor version of Python here differs from the cluster's.

    Args:
        ray: The version of Ray here; None if it is not installed.
        python: The version of Python here.
        cluster: The answers of the head node.
        allow_skew: Whether differences are warnings instead of errors (`platform.allow_skew`).
    """
    make = warning if allow_skew else error
    do = f"rebuild the cluster's image from requirements.lock, or install here what {cluster.address} has"
    findings = []
    if ray is not None and cluster.ray is not None and ray != cluster.ray:
        why = "drivers and nodes of different releases do not understand each other, and a submitted run is refused"
        findings.append(make("ray", f"ray {ray} here, {cluster.ray} on the cluster", why, do))
    if cluster.python is not None and python.split(".")[:2] != cluster.python.split(".")[:2]:
        why = "one may not be able to read what the other pickles"
        findings.append(make("python", f"Python {python} here, {cluster.python} on the cluster", why, do))
    return findings


def judge_clock(whose: str, ahead: float | None) -> list[Finding]:
    """Return an error finding if another clock differs from ours by more than `SKEW` (60) seconds; else [].

    Args:
        whose: Owner of the clock, for the message.
        ahead: Seconds by which it is ahead of ours; None if unknown.
    """
    if ahead is None or abs(ahead) <= SKEW:
        return []
    what = f"the clock of {whose} is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    why = "leases end too early or too late, and the latest of two rows may be the wrong one"
    return [error("clock", what, why, "synchronise both (NTP; timedatectl shows whether it is on)")]


def judge_shared(warehouse: str, mount: str, elsewhere: list[str]) -> list[Finding]:
    """Return an error finding if the warehouse is a folder that the cluster's other nodes cannot see; else [].

    Args:
        warehouse: The warehouse's folder or URI; an object store is visible to every node.
        mount: Type of the file system on which the folder is; network file systems pass.
        elsewhere: Addresses of the cluster that are on other machines; [] passes.
    """
    if "://" in warehouse or not elsewhere or mount.startswith(_SHARED):
        return []
    what = f"the warehouse {warehouse} is a folder of this machine, and the cluster at {elsewhere[0]} is on another one"
    why = "every node would write into its own folder, and no node would see the files of the others"
    do = "set platform.warehouse to an object store (s3://bucket/path) or to a folder that all nodes mount"
    return [error("shared", what, why, do)]


def addresses(platform: Platform, jobs: str | None) -> list[str]:
    """Return the addresses of the cluster: that of the Jobs API and `platform.ray_address`, if they are set.

    `auto` and `local` are left out, because they mean the machine on which the driver runs.

    Args:
        platform: Settings of the platform.
        jobs: Address of the Jobs API; None if none is configured.
    """
    ray = platform.ray_address
    return [a for a in (jobs, None if ray in (None, "auto", "local") else ray) if a]
