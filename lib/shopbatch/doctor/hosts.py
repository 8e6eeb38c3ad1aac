"""Facts about hosts and folders: whether a host is this machine, and on which type of file system a folder is."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from urllib.parse import urlsplit


def host(address: str) -> str:
    """Return the host name of an address http://HOST:PORT, ray://HOST:PORT or HOST:PORT; "" if it has none."""
    return urlsplit(address if "://" in address else f"//{address}").hostname or ""


def is_loopback(name: str) -> bool:
    """Return True if a host name or IP address means the loopback interface (localhost, 127.0.0.1, ::1)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_here(name: str) -> bool:
    """Return True if a host name or IP address belongs to this machine.

    It is tested by binding a socket to each address of the name, since a process can bind only to addresses of its own
    machine. The name is looked up, which may wait for a name server.
    """
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
    """Return the type of the file system on which a folder is, as in /proc/self/mounts ("ext4", "nfs4").

    "" if it is unknown (no Linux).
    """
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    mounts = [(Path(words[1].replace("\\040", " ")), words[2]) for words in map(str.split, lines) if len(words) > 2]
    over = [(len(point.parts), kind) for point, kind in mounts if folder.is_relative_to(point)]
    return max(over, key=lambda pair: pair[0])[1] if over else ""
