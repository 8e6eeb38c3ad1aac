"""Compares the free disk space and the memory of this machine with what a run needs.

The functions `judge_...` turn facts into findings and use nothing but their arguments; the others gather facts.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_parent
from shopbatch.doctor.findings import Finding, error, warning

MIB = 2**20
_UNITS = {"": 1.0, "b": 1 / MIB, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2}
_HEAP = 1.1  # a Java virtual machine takes about a tenth more memory than its heap


@dataclass(frozen=True)
class Disk:
    """A file system with its free space.

    Attributes:
        folders: Those of the given folders that are on this file system.
        free: Its free bytes.
    """

    folders: tuple[str, ...]
    free: int


def disks(folders: Iterable[str]) -> list[Disk]:
    """Return the file systems on which these folders are, each file system once.

    A folder that does not exist yet belongs to the file system on which it would be created.
    """
    by_device: dict[int, tuple[list[str], int]] = {}
    for folder in folders:
        path = existing(folder)
        names, _ = by_device.setdefault(path.stat().st_dev, ([], shutil.disk_usage(path).free))
        names.append(folder)
    return [Disk(tuple(dict.fromkeys(names)), free) for names, free in by_device.values()]


def existing(folder: str) -> Path:
    """Return the folder as absolute path, or its nearest parent that exists (`~` is expanded)."""
    path = Path(os.path.expanduser(folder)).absolute()
    return next(p for p in (path, *path.parents) if os.path.exists(p))


def scratch(ray: bool) -> list[str]:
    """Return the folders in which a run keeps temporary files.

    Args:
        ray: Whether the run starts a Ray on this machine, which has a temporary folder of its own.
    """
    return [tempfile.gettempdir(), *([ray_parent()] if ray else [])]


def judge_disks(disks: Iterable[Disk], min_free_gb: float) -> list[Finding]:
    """Return an error finding for each file system with less than `min_free_gb` GB (10^9 bytes) free."""
    why = "a full disk stops a run; Ray spills objects and Spark shuffles there"
    return [
        error(
            "disk",
            f"{disk.free / 1e9:.1f} GB free, less than {min_free_gb:g}, for {', '.join(disk.folders)}",
            why,
            "free some space, use other folders (platform.warehouse, TMPDIR, RAY_TMPDIR), or lower --min-free-gb",
        )
        for disk in disks
        if disk.free < min_free_gb * 1e9
    ]


@dataclass(frozen=True)
class Memory:
    """The memory of this machine.

    Attributes:
        total: MiB that all processes here may use together.
        shared: MiB of shared memory (/dev/shm); None if there is no /dev/shm.
    """

    total: float
    shared: float | None


def memory() -> Memory:
    """Return the memory of this machine, or the limit of the process's control group (cgroup) if that is lower."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    shared = Path("/dev/shm")
    return Memory(min([physical, *_limits()]) / MIB, shutil.disk_usage(shared).total / MIB if shared.is_dir() else None)


def _limits() -> list[int]:
    """Return the memory limits in bytes of this process's control groups (cgroup 1 and 2) and of their parents."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    limits = []
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
                limits.append(int((folder / name).read_text("utf-8")))
            except (OSError, ValueError):  # the file is missing, or reads "max"
                continue
    return limits


def asked_memory(platform: Platform, session: str, settings: Any, cpus: int) -> dict[str, float]:
    """Return {part of a run: MiB that the configuration gives it}, such as {"Ray's object store": 2048.0}.

    Only configured amounts are known; the size of a model's weights is not included.

    Args:
        platform: Settings of the platform.
        session: "ray" or "spark": the session that the run starts.
        settings: Configuration of the job; None if no job is named.
        cpus: CPUs of this machine, which is the number of workers if none is configured.
    """
    if session == "spark":
        heap = _mib(platform.spark.conf.get("spark.driver.memory", platform.spark.memory))
        return {} if platform.spark.master is not None or heap is None else {"Spark's driver": heap * _HEAP}
    asked: dict[str, float] = {} if platform.ray_address else {"Ray's object store": float(platform.object_store_mb)}
    cache = getattr(getattr(settings, "engine", None), "cache_mb", None)
    if cache is not None:
        workers = getattr(settings, "workers", None)
        actors = workers if isinstance(workers, int) and workers > 0 else cpus if workers is None else 1
        asked[f"{actors} x engine.cache_mb"] = float(actors * cache)
    return asked


def judge_memory(available: Memory, asked: Mapping[str, float], store_mb: int | None) -> list[Finding]:
    """Check that the memory suffices for a run.

    Args:
        available: The memory of this machine.
        asked: {part of the run: MiB it needs}, as `asked_memory` returns it.
        store_mb: MiB of the object store if the run starts a Ray on this machine; None if it starts none.

    Returns:
        At most one finding: an error if the total is too large, or a warning if /dev/shm is smaller than the object
        store.
    """
    if sum(asked.values()) > available.total:
        parts = " + ".join(f"{who} {mib:,.0f} MiB" for who, mib in asked.items())
        what = f"the run asks for {parts}, this machine has {available.total:,.0f} MiB"
        why = "the run does not start, or the kernel kills it"
        do = "lower platform.object_store_mb, platform.spark.memory or engine.cache_mb, or use a larger machine"
        return [error("memory", what, why, do)]
    if store_mb is not None and available.shared is not None and available.shared < store_mb:
        what = f"/dev/shm holds {available.shared:,.0f} MiB, less than platform.object_store_mb={store_mb}"
        why = "Ray then keeps its objects on disk, which is many times slower"
        return [
            warning("memory", what, why, "lower platform.object_store_mb, or enlarge /dev/shm (docker run --shm-size)")
        ]
    return []


def _mib(text: str) -> float | None:
    """Parse an amount of memory as Spark writes it into MiB ("4g" -> 4096.0, "1024" -> 1024.0).

    None if the text has another form.
    """
    amount = re.fullmatch(r"(\d+)([bkmgt]?)b?", text.strip().lower())
    return float(amount[1]) * _UNITS[amount[2]] if amount else None
