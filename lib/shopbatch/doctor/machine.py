"""This machine: Python, libraries, Java, disk and memory against what a run asks for. Called by `command.py`.

Facts are gathered by some functions and judged by others, which look at nothing but their arguments.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from shopbatch.core.config import Platform
from shopbatch.core.errors import UserError
from shopbatch.doctor.findings import Finding, error, warning
from shopbatch.runs import environment

MIB = 2**20
_UNITS = {"": 1.0, "b": 1 / MIB, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2}
_HEAP = 1.1  # a JVM takes about a tenth more than its heap


def judge_python(here: str, supported: str | None) -> list[Finding]:
    """here: 3.11.7. supported: a version specifier such as >=3.11,<3.13, None where the package is not installed."""
    from packaging.specifiers import SpecifierSet

    if supported is None or SpecifierSet(supported).contains(here):
        return []
    what = f"this is Python {here}, shopbatch runs on {supported}"
    why = "the locked libraries have no builds for it, and what is pickled here may not be read elsewhere"
    return [error("python", what, why, "make PYTHON=python3.11 install")]


def supported_python() -> str | None:
    """What the installed package says of itself."""
    try:
        told = metadata.metadata("shopbatch")
    except metadata.PackageNotFoundError:
        return None
    return str(told["Requires-Python"]) if "Requires-Python" in told else None


def judge_libraries(lock: Path) -> list[Finding]:
    """Installed packages against the lock file, those that a result or a file depends on."""
    try:
        differ = environment.differences(lock)
    except (OSError, ValueError, IndexError) as problem:
        why = "nobody can say whether the libraries are the right ones"
        return [warning("libraries", f"{lock} cannot be read ({type(problem).__name__})", why, "restore the file")]
    if not differ:
        return []
    why = "tests and figures are of the locked versions, and a submitted run with others is refused"
    do = f"pip install --no-deps -r {lock.name}, or write the lock file anew"
    return [warning("libraries", f"not as in {lock.name}: {', '.join(differ)}", why, do)]


def judge_java() -> list[Finding]:
    """Whether there is a Java that Spark runs on, as a session would look for it."""
    from shopbatch.core import sessions

    why = "no Spark job starts"
    try:
        with tempfile.TemporaryDirectory(prefix="shopbatch-doctor-") as folder:
            sessions.java_home(Path(folder))
    except UserError as missing:
        seen = os.environ.get("JAVA_HOME") or shutil.which("java")
        what = f"{seen} is no Java {sessions.JAVA} or newer" if seen else "there is no Java"
        return [error("java", what, why, str(missing).rpartition(": ")[2])]
    except subprocess.TimeoutExpired:
        return [error("java", "java -version does not answer", why, "point JAVA_HOME at a Java that runs")]
    return []


@dataclass(frozen=True)
class Disk:
    """Free bytes of the file system on which these folders lie."""

    folders: tuple[str, ...]
    free: int


def disks(folders: Iterable[str]) -> list[Disk]:
    """The file systems of these folders, each once; of a folder that is not made yet, where it would be."""
    found: dict[int, tuple[list[str], int]] = {}
    for folder in folders:
        there = existing(folder)
        names, _ = found.setdefault(there.stat().st_dev, ([], shutil.disk_usage(there).free))
        names.append(folder)
    return [Disk(tuple(dict.fromkeys(names)), free) for names, free in found.values()]


def existing(folder: str) -> Path:
    """The folder, or the nearest one above it that can be seen."""
    path = Path(folder).expanduser().absolute()
    return next(p for p in (path, *path.parents) if os.path.exists(p))


def scratch(ray: bool) -> list[str]:
    """Where a run writes what it does not keep. ray: it starts a Ray here."""
    return [tempfile.gettempdir(), *([str(ray_folder())] if ray else [])]


def ray_folder() -> Path:
    """Where a Ray that is started here keeps its sockets, logs and spilled objects."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp") / "ray"


def judge_disks(found: Iterable[Disk], min_free_gb: float) -> list[Finding]:
    """One finding for a file system with less than so many GB (10^9 bytes) free."""
    why = "a full disk stops a run; Ray spills objects and Spark shuffles there"
    return [
        error(
            "disk",
            f"{disk.free / 1e9:.1f} GB free, less than {min_free_gb:g}, where a run writes {', '.join(disk.folders)}",
            why,
            "make room, name other folders (platform.warehouse, TMPDIR, RAY_TMPDIR), or lower --min-free-gb",
        )
        for disk in found
        if disk.free < min_free_gb * 1e9
    ]


@dataclass(frozen=True)
class Memory:
    """MiB that processes here may have in all, and that shared memory may hold (None: there is none)."""

    total: float
    shared: float | None


def memory() -> Memory:
    """This machine's memory, or less where a control group says so."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    shared = Path("/dev/shm")
    return Memory(min([physical, *_limits()]) / MIB, shutil.disk_usage(shared).total / MIB if shared.is_dir() else None)


def _limits() -> list[int]:
    """Limits of the control groups (versions 1 and 2) that this process is in, those above them too."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = Path("/sys/fs/cgroup/memory" if controllers else "/sys/fs/cgroup")
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        inside = root / group.lstrip("/")
        for folder in (inside, *inside.parents):
            if not folder.is_relative_to(root):
                break
            try:
                found.append(int((folder / name).read_text("utf-8")))
            except (OSError, ValueError):  # not mounted here, or "max"
                continue
    return found


def asked_memory(platform: Platform, session: str, settings: Any, cpus: int) -> dict[str, float]:
    """MiB by who asks for it, as far as a configuration says: the weights of a model are not told there."""
    if session == "spark":
        heap = _mib(platform.spark.conf.get("spark.driver.memory", platform.spark.memory))
        return {} if platform.spark.master is not None or heap is None else {"Spark's driver": heap * _HEAP}
    asked: dict[str, float] = {} if platform.ray_address else {"Ray's object store": float(platform.object_store_mb)}
    cache = getattr(getattr(settings, "engine", None), "cache_mb", None)
    if cache is not None:
        workers = getattr(settings, "workers", None)
        many = workers if isinstance(workers, int) and workers > 0 else cpus if workers is None else 1
        asked[f"{many} x engine.cache_mb"] = float(many * cache)
    return asked


def judge_memory(there: Memory, asked: Mapping[str, float], store_mb: int | None) -> list[Finding]:
    """asked: MiB by who asks for it. store_mb: of a Ray that is started here, None where none is."""
    if sum(asked.values()) > there.total:
        parts = " + ".join(f"{who} {mib:,.0f} MiB" for who, mib in asked.items())
        what = f"{parts} are asked for, {there.total:,.0f} MiB are there"
        why = "the run does not start, or is killed by the kernel in the middle"
        do = "lower platform.object_store_mb, platform.spark.memory or engine.cache_mb, or take a larger machine"
        return [error("memory", what, why, do)]
    if store_mb is not None and there.shared is not None and there.shared < store_mb:
        what = f"/dev/shm holds {there.shared:,.0f} MiB, less than platform.object_store_mb={store_mb}"
        why = "Ray then keeps its objects on disk, which is many times slower"
        return [warning("memory", what, why, "lower platform.object_store_mb, or enlarge it (docker run --shm-size)")]
    return []


def _mib(text: str) -> float | None:
    """4g, 512m, 1024 (MiB) as MiB, as Spark reads them; None where it is none of these."""
    found = re.fullmatch(r"(\d+)([bkmgt]?)b?", text.strip().lower())
    return float(found[1]) * _UNITS[found[2]] if found else None


def python_here() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])
