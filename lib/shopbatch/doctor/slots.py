"""CPUs and GPUs: what of a job could never be scheduled, and would wait for ever. Called by `command.py`.

Knows how jobs share out CPUs: `inference/compute.py` (less than one each, so that actors never take them all) and
`training/workers.py` (all workers at once, or none).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shopbatch.doctor.findings import Finding, error, warning

_TASK = 1.0  # CPUs of a task: reading, publishing and judging are tasks


@dataclass(frozen=True)
class Node:
    """CPUs and GPUs that Ray may give away on one machine."""

    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a run would be. driver: CPUs reserved for it on one of the nodes. name: for the user."""

    name: str
    nodes: tuple[Node, ...]
    driver: float = 0.0

    @property
    def cpus(self) -> float:
        return sum(node.cpus for node in self.nodes)

    def fit(self, share: float) -> int:
        """How many of such a share there is room for beside the driver, wherever that is put best."""
        if not self.nodes:
            return 0
        free = [node.cpus for node in self.nodes]
        whole = sum(_times(cpus, share) for cpus in free)
        if not self.driver:
            return whole
        lost = [_times(c, share) - _times(c - self.driver, share) for c in free if c >= self.driver]
        return whole - min(lost) if lost else 0


def judge_slots(place: Place, settings: Any) -> list[Finding]:
    """What of a job with these settings could never be scheduled there: one finding, of the first thing that hangs."""
    if not place.nodes or not place.cpus:
        what, why = f"{place.name} gives Ray no CPU", "every task waits for one, for ever"
        do = "set platform.cpus to 1 or more (null: all of this machine), or add nodes"
        # a cluster that grows on demand may be at nought now
        return [(warning if place.name.startswith("http") else error)("cpus", what, why, do)]
    if place.driver > max(node.cpus for node in place.nodes):
        what = f"platform.driver_cpus={place.driver:g}, the largest node of {place.name} has {_largest(place):g} CPUs"
        return [error("cpus", what, "a submitted run never starts", "lower platform.driver_cpus, or add a larger node")]
    if place.fit(_TASK) < 1:
        left = f"{place.name}: {place.cpus:g} CPUs, of which the driver takes {place.driver:g}"
        why = "no node has a whole CPU left: tasks that read and publish wait for ever"
        return [error("cpus", left, why, "lower platform.driver_cpus, or add CPUs")]
    workers = getattr(settings, "workers", None)
    if hasattr(workers, "count"):
        return _training(place, workers)
    return _gpus(place, float(getattr(getattr(settings, "engine", None), "gpus", 0.0)), 1, "engine.gpus")


def _training(place: Place, workers: Any) -> list[Finding]:
    """Ray Train starts when all workers have their share at once."""
    count = int(workers.count)
    if workers.device == "cuda" and (found := _gpus(place, 1.0, count, f"workers.count={count} on cuda")):
        return found
    threads = workers.threads or max(1, math.floor(min(node.cpus for node in place.nodes) / count))
    share = min(float(threads), 0.9 * place.cpus / count)
    if (fit := place.fit(share)) >= count:
        return []
    beside = f" beside the driver's {place.driver:g}" if place.driver else ""
    what = f"workers.count={count} take {share:.2g} CPUs each, all at once; {place.name} has room for {fit}{beside}"
    why = "training waits for ever for the others"
    return [error("cpus", what, why, "lower workers.count, workers.threads or platform.driver_cpus, or add nodes")]


def _gpus(place: Place, each: float, count: int, who: str) -> list[Finding]:
    if not each or sum(_times(node.gpus, each) for node in place.nodes) >= count:
        return []
    have = sum(node.gpus for node in place.nodes)
    what = f"{who} asks for {each * count:g} GPUs, {place.name} has {have:g}"
    return [error("cpus", what, "the workers wait for ever", "run it where there are as many, or on the CPU")]


def _largest(place: Place) -> float:
    return max(node.cpus for node in place.nodes)


def _times(cpus: float, share: float) -> int:
    """How often a share fits; Ray counts in ten-thousandths."""
    return max(0, math.floor(cpus / share + 1e-6))


def local_gpus(devices: Sequence[str]) -> int:
    """GPUs of this machine. devices: names in /dev."""
    return sum(name.removeprefix("nvidia").isdigit() for name in devices if name.startswith("nvidia"))
