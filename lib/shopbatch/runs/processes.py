"""Finds the processes of a run on this machine by their role: driver, Ray's raylet, GCS and workers, Spark's JVM.

`shopbatch chaos` kills them, and claims use `born` to see whether a run is alive. Reads /proc, so it works on Linux
only.
"""

from __future__ import annotations

from pathlib import Path

_TITLES = {"raylet": "raylet/raylet", "gcs": "gcs_server", "jvm": "java"}  # role -> end of the command's first word


def descendants(process: int) -> list[int]:
    """Return the ids of all processes below a process: its children first, then their children, and so on."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if (fields := _fields(int(folder.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    below = list(children.get(process, []))
    for each in below:
        below += children.get(each, [])
    return below


def named(role: str, process: int) -> list[int]:
    """Return the ids of the descendants of a process that have a given role.

    Args:
        role: `raylet`, `gcs`, `jvm` or `worker` (a Ray worker; busy ones come first).
        process: Id of the process.
    """
    titles = {pid: title(pid) for pid in descendants(process)}
    if role == "worker":
        workers = [pid for pid, text in titles.items() if text.startswith("ray::") and "Agent" not in text]
        return sorted(workers, key=lambda pid: ("IDLE" in titles[pid], pid))
    return [pid for pid, text in titles.items() if text.split(" ")[0].endswith(_TITLES[role])]


def title(process: int) -> str:
    """Return the command line of a process, or the title that it has set for itself; "" if the process has gone."""
    try:
        text = Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return text.replace(b"\0", b" ").decode("utf-8", "replace")


def is_stopped(process: int) -> bool:
    """Return True if a process is stopped by a signal such as SIGSTOP."""
    fields = _fields(process)
    return fields is not None and fields[0] in "Tt"


def born(process: int) -> str | None:
    """Return the start time of a process in clock ticks since boot, as text; None if the process has gone.

    It distinguishes a process from a later one with the same id.
    """
    fields = _fields(process)
    return None if fields is None else fields[19]


def _fields(process: int) -> list[str] | None:
    """Return the fields of /proc/<process>/stat from the state on; None if the process has gone or is a zombie."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields
