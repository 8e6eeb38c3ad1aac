"""The command `shopbatch doctor`: makes every check, prints one line per finding and returns an exit code.

It starts no job and attaches to no cluster. It writes only the probe files of `warehouse.py`, which are deleted again.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from shopbatch.cluster.jobs import jobs_address
from shopbatch.core import config
from shopbatch.core.config import Platform
from shopbatch.core.controls import one_printable_line, printable_json
from shopbatch.core.errors import UserError
from shopbatch.doctor import cluster as clusters
from shopbatch.doctor import head, hosts, machine, project, software
from shopbatch.doctor.findings import Finding, error
from shopbatch.doctor.head import Cluster
from shopbatch.doctor.project import Settled
from shopbatch.doctor.slots import Node, Place, judge_slots, local_gpus
from shopbatch.runs import environment
from shopbatch.runs.outcomes import DONE, MISTAKE, exit_with

SECONDS = 15.0  # for all checks that may have to wait for another machine
T = TypeVar("T")


def doctor(job: str | None, env: str, overrides: Sequence[str], min_free_gb: float, as_json: bool) -> int:
    """Make every check, print the findings (errors first) and return the exit code.

    Args:
        job: Name of the job whose configuration, tables and models are checked; None checks the environment alone.
        env: Name of the environment (a folder of `conf/`).
        overrides: `key.path=value` items of the command line.
        min_free_gb: Least free disk space in GB (10^9 bytes); less is an error.
        as_json: Print one line of JSON instead of one line per finding.

    Returns:
        `MISTAKE` if there is a finding of level `error`, else `DONE`.
    """
    examined = Examination(job, env, overrides, min_free_gb)
    examined.run()
    findings = sorted(examined.findings, key=lambda finding: finding.level)  # errors first
    errors = sum(finding.level == "error" for finding in findings)
    if as_json:
        tree = {"findings": [f.to_dict() for f in findings], "errors": errors, "checks": examined.checks}
        print(printable_json(tree), flush=True)
    else:
        outcome = "checked" if findings else "nothing found; checked"
        print(
            *(one_printable_line(f.line()) for f in findings),
            f"{outcome}: {', '.join(examined.checks)}",
            *([] if examined.empty is None else [examined.empty]),
            sep="\n",
            flush=True,
        )
    code = MISTAKE if errors else DONE
    if examined.hangs:  # a thread waiting in native code would prevent the interpreter's exit
        atexit.register(exit_with, code)
    return code


class Waiting(Generic[T]):
    """A call that may wait for another machine, made in a thread that is abandoned if no answer comes in time."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask, self._answer = ask, list[T]()
        self._thread = threading.Thread(target=self._run, name="doctor", daemon=True)
        self._thread.start()

    def get(self, until: float) -> T | None:
        """Wait for the answer and return it; None if there is none in time.

        Args:
            until: Latest time to wait until, on the clock `time.monotonic`, in seconds.

        Raises:
            AssertionError: The call ended with an exception.
        """
        self._thread.join(max(0.0, until - time.monotonic()))
        if not self._answer and not self.hangs:
            raise AssertionError("a check of the doctor ended with the traceback above")
        return self._answer[0] if self._answer else None

    @property
    def hangs(self) -> bool:
        """True while the thread still waits for an answer."""
        return self._thread.is_alive()

    def _run(self) -> None:
        self._answer.append(self._ask())


class Examination:
    """All checks of one call of `shopbatch doctor`, and their results.

    Attributes:
        findings: The problems that the checks found.
        checks: Names of the checks that were made, in order.
        hangs: True if a check did not get an answer in time, so that its thread still waits.
        empty: A line that says that the warehouse has no table yet; None if it has one or a job was named.
    """

    def __init__(self, job: str | None, env: str, overrides: Sequence[str], min_free_gb: float) -> None:
        self.job, self.env, self.overrides, self.min_free_gb = job, env, overrides, min_free_gb
        self.findings: list[Finding] = []
        self.checks: list[str] = []
        self.hangs = False
        self.empty: str | None = None
        self.until = 0.0  # deadline for answers, on the clock `time.monotonic`

    def run(self) -> None:
        """Make every possible check and collect the findings; checks that wait for other machines run in parallel."""
        harmless = [item for item in self.overrides if not project.names_secret(item)]
        asked = project.settle(self.job, self.env, harmless)
        self._note("conf", asked.findings)
        self._note("secrets", [*project.judge_files(config.root()), *project.judge_overrides(self.overrides)])
        self._note("python", software.judge_python(software.python_here(), software.supported_python()))
        if (lock := config.root() / "requirements.lock").is_file():
            self._note("libraries", software.judge_libraries(lock))
        platform = asked.platform
        if platform is None:
            return
        self.until = time.monotonic() + SECONDS
        address = self._address(platform)
        store = self._warehouse(platform, asked)
        answers = None if address is None else Waiting(lambda: head.ask(address, head.access()))
        where = clusters.addresses(platform, address)
        known = Waiting(lambda: {a: hosts.is_here(hosts.host(a)) for a in where})  # a name server may be slow
        here = self._answer(known) or {}
        if address is None or here.get(address):  # otherwise runs do not use this machine
            self._machine(platform, asked)
        cluster = None
        if address is not None and answers is not None:
            cluster = self._answer(answers) or Cluster(address, f"it does not answer within {SECONDS:g} seconds")
            self._head(platform, cluster)
        elif platform.ray_address is not None:
            self._note("cluster", clusters.judge_attach(platform.ray_address))
        if where:
            self._note("authentication", clusters.judge_access(where, head.access(), cluster))
            mount = hosts.mount_type(machine.existing(platform.warehouse))
            elsewhere = [a for a in where if not here.get(a)]
            self._note("shared", clusters.judge_shared(platform.warehouse, mount, elsewhere))
        self._slots(platform, asked, cluster)
        if store is not None:
            answer = self._answer(store)
            if answer is None:
                what = f"{platform.warehouse} does not answer within {SECONDS:g} seconds"
                do = "check address, keys and network; delete _runs/.doctor-* in it if there are any"
                answer = (self._unusable(what, do),)
            self._note("warehouse", answer)
            for check in ("commits", "clock", *(("model", "source") if asked.settings is not None else ()), "guests"):
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
        """Return the address of the cluster's Jobs API; None if none is configured, or if it is invalid.

        An invalid address becomes a finding.
        """
        if platform.jobs_address is None and not os.environ.get("RAY_API_SERVER_ADDRESS"):
            return None
        try:
            return jobs_address(platform)
        except UserError as mistake:
            do = "correct platform.jobs_address or RAY_API_SERVER_ADDRESS"
            self._note("cluster", [error("cluster", str(mistake), "nothing can be submitted", do)])
            return None

    def _warehouse(self, platform: Platform, asked: Settled) -> Waiting[tuple[Finding, ...]] | None:
        """Start the checks of the warehouse in a thread and return the pending findings.

        If the warehouse's URI holds a secret, nothing is started, because error messages might repeat the secret; a
        finding reports the secret instead.

        Args:
            platform: Settings of the platform.
            asked: The job with its configuration, whose tables and models are checked as well.

        Returns:
            The thread that collects the findings; None if the URI holds a secret.
        """
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
            self.empty = warehouse.describe_empty(root) if self.job is None else None  # a job reports missing tables
            probe = warehouse.probe(root)
            findings = warehouse.judge_probe(root, probe)
            findings += clusters.judge_clock(f"the warehouse {root}", probe.ahead)
            return tuple(findings if probe.trouble is not None else [*findings, *project.judge_needs(root, asked)])

        return Waiting(look)

    @staticmethod
    def _unusable(what: str, do: str) -> Finding:
        return error("warehouse", what, "a run keeps its results and its report there", do)

    def _machine(self, platform: Platform, asked: Settled) -> None:
        """Check free disk space and memory of this machine and, for a Spark job, Java.

        Args:
            platform: Settings of the platform.
            asked: The job with its configuration, or no job; it determines how much memory a run needs.
        """
        own = platform.ray_address is None and "ray" in asked.sessions
        folders = [] if "://" in platform.warehouse else [platform.warehouse]
        disks = machine.disks([*folders, *machine.scratch(ray=own)])
        self._note("disk", machine.judge_disks(disks, self.min_free_gb))
        available, cpus = machine.memory(), platform.cpus or os.cpu_count() or 1
        for session in asked.sessions:
            needs = machine.asked_memory(platform, session, asked.settings, cpus)
            store_mb = platform.object_store_mb if session == "ray" and own else None
            self._note("memory", machine.judge_memory(available, needs, store_mb))
        if asked.job is not None and "spark" in asked.sessions:
            self._note("java", software.judge_java())

    def _head(self, platform: Platform, cluster: Cluster) -> None:
        """Check the answers of the cluster's head node: reachability, versions of Ray and Python, clock."""
        self._note("cluster", clusters.judge_reach(cluster))
        if cluster.ray is not None:
            python, ray = software.python_here(), environment.installed("ray")
            self._note("ray", clusters.judge_versions(ray, python, cluster, platform.allow_skew))
        if cluster.ahead is not None:
            self._note("clock", clusters.judge_clock(f"the cluster at {cluster.address}", cluster.ahead))

    def _slots(self, platform: Platform, asked: Settled, cluster: Cluster | None) -> None:
        """Check that the job's requests for CPUs and GPUs can be met where it would run.

        Args:
            platform: Settings of the platform.
            asked: The job with its configuration.
            cluster: The answers of the head node; None if it was not asked. A cluster that does not report its nodes is
                not checked.
        """
        if cluster is not None:
            if cluster.nodes is not None:
                place = Place(cluster.address, cluster.nodes, platform.driver_cpus)
                self._note("cpus", judge_slots(place, asked.settings))
        elif platform.ray_address is None and "ray" in asked.sessions:
            cpus = platform.cpus if platform.cpus is not None else os.cpu_count() or 1
            gpus = local_gpus(sorted(os.listdir("/dev")) if sys.platform == "linux" else [])
            name = "this machine" if platform.cpus is None else f"platform.cpus={platform.cpus}"
            self._note("cpus", judge_slots(Place(name, (Node(float(cpus), float(gpus)),)), asked.settings))
