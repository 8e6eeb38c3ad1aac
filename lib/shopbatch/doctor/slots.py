"""Finds requests of a job for CPUs and GPUs that can never be met, so that the run would wait for ever.

The checks mirror how jobs request CPUs: the actors of `inference` leave some CPUs for other tasks, and the workers of
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
    """The CPUs and GPUs that Ray may assign on one machine."""

    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True)
class Place:
    """The machine or cluster on which a run would take place.

    Attributes:
        name: Its name in messages.
        nodes: Its nodes.
        driver: CPUs reserved for the driver on one of the nodes.
    """

    name: str
    nodes: tuple[Node, ...]
    driver: float = 0.0

    @property
    def cpus(self) -> float:
        """The total number of CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    def fit(self, share: float) -> int:
        """Return how many requests of `share` CPUs each can be met at the same time.

        The driver's CPUs are subtracted on the node where that costs the fewest requests.
        """
        cpus = [node.cpus for node in self.nodes]
        without_driver = sum(_times(c, share) for c in cpus)
        if not self.driver:
            return without_driver
        lost = [_times(c, share) - _times(c - self.driver, share) for c in cpus if c >= self.driver]
        return without_driver - min(lost) if lost else 0


def judge_slots(place: Place, settings: Any) -> list[Finding]:
    """Return an error finding for the job's first request for CPUs or GPUs that can never be met; [] if all can.

    A place without any CPU is only a warning if it is a cluster, because that may grow on demand.

    Args:
        place: Where the run would take place.
        settings: Configuration of the job, of which `workers` and `engine.gpus` are read; None if no job is named.
    """
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
    """Return an error finding if a training job's workers cannot all have their CPUs or GPUs at the same time.

    Ray Train starts only when all workers have them.
    """
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
    """Return how often `share` fits into `cpus`, tolerating rounding errors because Ray counts in 1/10,000 CPU."""
    return max(0, math.floor(cpus / share + 1e-6))


def local_gpus(devices: Sequence[str]) -> int:
    """Return the number of Nvidia GPUs of this machine, counted from the names in /dev ("nvidia0", "nvidia1")."""
    return sum(name.removeprefix("nvidia").isdigit() for name in devices if name.startswith("nvidia"))
