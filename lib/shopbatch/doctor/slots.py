"""CPUs and GPUs: finds requests of a job that could never be scheduled, so that the run would wait for ever.

It follows how jobs request CPUs: the actors of `inference` leave some CPUs for other tasks, and the workers of
`training` start all at once or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shopbatch.doctor.findings import Finding, error, warning

_TASK = 1.0  # CPUs of a Ray task, such as those that read and publish


@dataclass(frozen=True)
class Node:
    """CPUs and GPUs that Ray may assign on one machine."""

    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a run would take place. name: for messages. driver: CPUs reserved for the driver on one of the nodes."""

    name: str
    nodes: tuple[Node, ...]
    driver: float = 0.0

    @property
    def cpus(self) -> float:
        """CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    def fit(self, share: float) -> int:
        """Return how many requests of `share` CPUs fit beside the driver, if it runs on the most suitable node."""
        cpus = [node.cpus for node in self.nodes]
        without_driver = sum(_times(c, share) for c in cpus)
        if not self.driver:
            return without_driver
        lost = [_times(c, share) - _times(c - self.driver, share) for c in cpus if c >= self.driver]
        return without_driver - min(lost) if lost else 0


def judge_slots(place: Place, settings: Any) -> list[Finding]:
    """Return the first request of a job that could never be scheduled at a place, as a list of at most one finding."""
    if not place.nodes or not place.cpus:
        what, why = f"{place.name} gives Ray no CPU", "every task waits for one, for ever"
        do = "set platform.cpus to 1 or more (null: all of this machine), or add nodes"
        # a cluster that grows on demand may have no node at the moment
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
    """Ray Train starts only when all workers have their CPUs at the same time."""
    count = int(workers.count)
    if workers.device == "cuda" and (missing := _gpus(place, 1.0, count, f"workers.count={count} on cuda")):
        return missing
    threads = workers.threads or max(1, math.floor(min(node.cpus for node in place.nodes) / count))
    share = min(float(threads), 0.9 * place.cpus / count)
    if (fit := place.fit(share)) >= count:
        return []
    beside = f" beside the driver's {place.driver:g}" if place.driver else ""
    what = f"workers.count={count} need {share:.2g} CPUs each at the same time; {place.name} has room for {fit}{beside}"
    why = "training waits for ever for the remaining workers"
    return [error("cpus", what, why, "lower workers.count, workers.threads or platform.driver_cpus, or add nodes")]


def _gpus(place: Place, each: float, count: int, who: str) -> list[Finding]:
    if not each or sum(_times(node.gpus, each) for node in place.nodes) >= count:
        return []
    have = sum(node.gpus for node in place.nodes)
    what = f"{who} asks for {each * count:g} GPUs, {place.name} has {have:g}"
    return [error("cpus", what, "the workers wait for ever", "run the job where there are enough, or on the CPU")]


def _largest(place: Place) -> float:
    return max(node.cpus for node in place.nodes)


def _times(cpus: float, share: float) -> int:
    """How often a share fits into a number of CPUs. The tolerance allows for rounding: Ray counts in 1/10,000."""
    return max(0, math.floor(cpus / share + 1e-6))


def local_gpus(devices: Sequence[str]) -> int:
    """Return the number of GPUs of this machine, given the names in /dev."""
    return sum(name.removeprefix("nvidia").isdigit() for name in devices if name.startswith("nvidia"))
