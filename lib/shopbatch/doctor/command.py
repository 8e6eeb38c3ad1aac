"""`shopbatch doctor [JOB] [key.path=value ...]`: every check, a line a finding, an exit code. Called by `cli.py`.

Starts no job, attaches to no cluster, and writes nothing but what `warehouse.py` takes away again.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from shopbatch.cluster.jobs import jobs_address
from shopbatch.core import config
from shopbatch.core.config import Platform
from shopbatch.core.errors import UserError
from shopbatch.doctor import cluster as clusters
from shopbatch.doctor import machine, project
from shopbatch.doctor.cluster import Cluster
from shopbatch.doctor.findings import Finding, error
from shopbatch.doctor.project import Settled
from shopbatch.doctor.slots import Node, Place, judge_slots, local_gpus
from shopbatch.runs import environment
from shopbatch.runs.job import DONE, MISTAKE, exit_with

SECONDS = 15.0  # for all that may have to wait for another machine
_ABOUT = """\
Look for what would go wrong before a run does: versions, Java, disk, memory, CPUs, authentication, the warehouse,
clocks, secrets, the configuration. Starts nothing. Exit code 2 where there is an error, 0 where there are warnings
only.
"""
T = TypeVar("T")


def doctor_parser() -> argparse.ArgumentParser:
    """Arguments of `shopbatch doctor`: those of `shopbatch run`, the job left out for an environment alone."""
    parser = argparse.ArgumentParser("shopbatch doctor", description=_ABOUT)
    parser.add_argument("--env", default="local", help="which conf/<env> says where it runs (default: local)")
    parser.add_argument("--min-free-gb", type=float, default=5.0, help="least free disk space, GB (default: 5)")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("words", nargs="*", metavar="JOB key.path=value", help="a job, and overrides of its conf")
    return parser


def doctor(argv: Sequence[str]) -> int:
    """Examine, print, return the exit code."""
    given = doctor_parser().parse_intermixed_args(list(argv))
    named = [word for word in given.words if "=" not in word]
    if len(named) > 1:
        doctor_parser().error(f"one job at a time, not {' and '.join(named)}")
    overrides = [word for word in given.words if "=" in word]
    examined = Examination(next(iter(named), None), given.env, overrides, given.min_free_gb)
    examined.run()
    found = sorted(examined.findings, key=lambda finding: finding.level)  # errors first
    errors = sum(finding.level == "error" for finding in found)
    if given.json:
        tree = {"findings": [f.to_dict() for f in found], "errors": errors, "checks": examined.checks}
        print(json.dumps(tree, ensure_ascii=False), flush=True)
    else:
        print("\n".join(f.line() for f in found) or f"nothing found: {len(examined.checks)} checks", flush=True)
    code = MISTAKE if errors else DONE
    if examined.hangs:  # native code that still waits would keep the interpreter from ending
        atexit.register(exit_with, code)
    return code


class Waiting(Generic[T]):
    """A question to another machine, asked in a thread, which is left behind if no answer comes in time."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask, self._answer = ask, list[T]()
        self._thread = threading.Thread(target=self._run, name="doctor", daemon=True)
        self._thread.start()

    def get(self, until: float) -> T | None:
        """The answer, None where there is none by then (of `time.monotonic`)."""
        self._thread.join(max(0.0, until - time.monotonic()))
        if not self._answer and not self.hangs:
            raise AssertionError("a check of the doctor ended with the traceback above")
        return self._answer[0] if self._answer else None

    @property
    def hangs(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        self._answer.append(self._ask())


class Examination:
    """One visit. findings: what was found. checks: names of the checks that were made. hangs: one of them still is."""

    def __init__(self, job: str | None, env: str, overrides: Sequence[str], min_free_gb: float) -> None:
        self.job, self.env, self.overrides, self.min_free_gb = job, env, overrides, min_free_gb
        self.findings: list[Finding] = []
        self.checks: list[str] = []
        self.hangs = False
        self.until = 0.0  # of `time.monotonic`: no answer is waited for longer

    def run(self) -> None:
        """Every check that can be made, those that wait for others side by side."""
        harmless = [item for item in self.overrides if not project.names_secret(item)]
        asked = project.settle(self.job, self.env, harmless)
        self._note("conf", asked.findings)
        self._note("secrets", [*project.judge_files(config.root()), *project.judge_overrides(self.overrides)])
        self._note("python", machine.judge_python(machine.python_here(), machine.supported_python()))
        if (lock := config.root() / "requirements.lock").is_file():
            self._note("libraries", machine.judge_libraries(lock))
        platform = asked.platform
        if platform is None:
            return
        self.until = time.monotonic() + SECONDS
        address = self._address(platform)
        store = self._warehouse(platform, asked)
        head = None if address is None else Waiting(lambda: clusters.ask(address, clusters.access()))
        where = clusters.addresses(platform, address)
        known = Waiting(lambda: {a: clusters.is_here(clusters.host(a)) for a in where})  # may ask for a name
        here = self._answer(known) or {}
        if address is None or here.get(address):  # else submitted runs are elsewhere
            self._machine(platform, asked)
        cluster = None
        if address is not None and head is not None:
            cluster = self._answer(head) or Cluster(address, f"it does not answer within {SECONDS:g} seconds")
            self._head(platform, cluster)
        elif platform.ray_address is not None:
            self._note("cluster", clusters.judge_attach(platform.ray_address))
        if where:
            self._note("authentication", clusters.judge_access(where, clusters.access(), cluster))
            mount = clusters.mount_type(machine.existing(platform.warehouse))
            elsewhere = [a for a in where if not here.get(a)]
            self._note("shared", clusters.judge_shared(platform.warehouse, mount, elsewhere))
        self._slots(platform, asked, cluster)
        if store is not None:
            answer = self._answer(store)
            if answer is None:
                what = f"{platform.warehouse} does not answer within {SECONDS:g} seconds"
                do = "look at address, keys and network; delete its _runs/.doctor-* if there are any"
                answer = (self._unusable(what, do),)
            self._note("warehouse", answer)
            for check in ("commits", "clock", *(("model", "source") if asked.settings is not None else ())):
                self._note(check, ())

    def _note(self, check: str, findings: Sequence[Finding]) -> None:
        self.findings += findings
        if check not in self.checks:
            self.checks.append(check)

    def _answer(self, waiting: Waiting[T]) -> T | None:
        answer = waiting.get(self.until)
        self.hangs |= waiting.hangs
        return answer

    def _address(self, platform: Platform) -> str | None:
        """Where the cluster's Jobs API is, None where no cluster is named by one."""
        if platform.jobs_address is None and not os.environ.get("RAY_API_SERVER_ADDRESS"):
            return None
        try:
            return jobs_address(platform)
        except UserError as mistake:
            do = "correct platform.jobs_address or RAY_API_SERVER_ADDRESS"
            self._note("cluster", [error("cluster", str(mistake), "nothing can be submitted", do)])
            return None

    def _warehouse(self, platform: Platform, asked: Settled) -> Waiting[tuple[Finding, ...]] | None:
        """Begin to look at the warehouse; not at one whose URI holds a secret, which libraries might repeat."""
        unsafe = project.judge_warehouse_uri(platform.warehouse)
        self._note("secrets", unsafe)
        if unsafe:
            return None

        def look() -> tuple[Finding, ...]:
            from shopbatch.doctor import warehouse
            from shopbatch.warehouse.store import Store

            try:
                root = Store(platform.warehouse).root
            except UserError as mistake:
                return (self._unusable(str(mistake), "correct platform.warehouse or SHOPBATCH_WAREHOUSE"),)
            tried = warehouse.probe(root)
            found = warehouse.judge_probe(root, tried)
            found += clusters.judge_clock(f"the warehouse {root}", tried.ahead)
            return tuple(found if tried.trouble is not None else [*found, *project.judge_needs(root, asked)])

        return Waiting(look)

    @staticmethod
    def _unusable(what: str, do: str) -> Finding:
        return error("warehouse", what, "a run keeps its results and its report there", do)

    def _machine(self, platform: Platform, asked: Settled) -> None:
        """What a run that is started on this machine needs of it."""
        own = platform.ray_address is None and "ray" in asked.sessions
        folders = [] if "://" in platform.warehouse else [platform.warehouse]
        found = machine.disks([*folders, *machine.scratch(ray=own)])
        self._note("disk", machine.judge_disks(found, self.min_free_gb))
        there, cpus = machine.memory(), platform.cpus or os.cpu_count() or 1
        for session in asked.sessions:
            needs = machine.asked_memory(platform, session, asked.settings, cpus)
            store_mb = platform.object_store_mb if session == "ray" and own else None
            self._note("memory", machine.judge_memory(there, needs, store_mb))
        if asked.job is not None and "spark" in asked.sessions:
            self._note("java", machine.judge_java())

    def _head(self, platform: Platform, cluster: Cluster) -> None:
        """What the head of the cluster says."""
        self._note("cluster", clusters.judge_reach(cluster))
        if cluster.ray is not None:
            python, ray = machine.python_here(), environment.installed("ray")
            self._note("ray", clusters.judge_versions(ray, python, cluster, platform.allow_skew))
        if cluster.ahead is not None:
            self._note("clock", clusters.judge_clock(f"the cluster at {cluster.address}", cluster.ahead))

    def _slots(self, platform: Platform, asked: Settled, cluster: Cluster | None) -> None:
        """CPUs of where the job would run; of a cluster that does not list its nodes nothing is said."""
        if cluster is not None:
            if cluster.nodes is not None:
                place = Place(cluster.address, cluster.nodes, platform.driver_cpus)
                self._note("cpus", judge_slots(place, asked.settings))
        elif platform.ray_address is None and "ray" in asked.sessions:
            cpus = platform.cpus if platform.cpus is not None else os.cpu_count() or 1
            gpus = local_gpus(sorted(os.listdir("/dev")) if sys.platform == "linux" else [])
            name = "this machine" if platform.cpus is None else f"platform.cpus={platform.cpus}"
            self._note("cpus", judge_slots(Place(name, (Node(float(cpus), float(gpus)),)), asked.settings))
