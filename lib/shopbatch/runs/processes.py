"""The processes of a run on this machine, by what they are: driver, Ray's raylet, GCS and workers, Spark's JVM."""

from __future__ import annotations

from pathlib import Path

_TITLES = {"raylet": "raylet/raylet", "gcs": "gcs_server", "jvm": "java"}  # what stands in the first word


def descendants(process: int) -> list[int]:
    """Return the processes that a process has started, and those that these have started: its own first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if (fields := _fields(int(folder.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    below = list(children.get(process, []))
    for each in below:
        below += children.get(each, [])
    return below


def named(role: str, process: int) -> list[int]:
    """Return the descendants of a process that have a role: `raylet`, `gcs`, `jvm` or `worker`, busy ones first."""
    titles = {pid: title(pid) for pid in descendants(process)}
    if role == "worker":
        workers = [pid for pid, text in titles.items() if text.startswith("ray::") and "Agent" not in text]
        return sorted(workers, key=lambda pid: ("IDLE" in titles[pid], pid))
    return [pid for pid, text in titles.items() if text.split(" ")[0].endswith(_TITLES[role])]


def title(process: int) -> str:
    """Return the command line of a process, or the title that it has given itself; empty if it has gone."""
    try:
        text = Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return text.replace(b"\0", b" ").decode("utf-8", "replace")


def is_stopped(process: int) -> bool:
    """Whether a signal has stopped a process."""
    fields = _fields(process)
    return fields is not None and fields[0] in "Tt"


def born(process: int) -> str | None:
    """Return when a process began, which tells it from a later one with its number; None if it has gone."""
    fields = _fields(process)
    return None if fields is None else fields[19]


def _fields(process: int) -> list[str] | None:
    """The fields of /proc/<process>/stat from the state on; None for one that has gone, or that nobody waited for."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields
