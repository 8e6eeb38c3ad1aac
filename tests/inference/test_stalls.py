"""A stage that stands still: each cause is named in the report, with what to do, and the run goes on if it can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from shopbatch.core import display
from shopbatch.inference import run as inference_run
from shopbatch.inference.journal import Journal
from shopbatch.inference.stalls import in_flight
from shopbatch.runs import stalls
from shopbatch.runs.report import Report
from shopbatch.runs.stalls import Stalled, Stalls
from shopbatch.warehouse.store import Store
from tests.inference import oracle, toy

ROOT = Path(__file__).parents[2]
QUICK = {"platform": {"watchdog_seconds": 0.3}}


def rows(count: int) -> list[toy.Row]:
    return [{"review_id": f"r{i}", "text": f"text {i}", "language": "en"} for i in range(count)]


def in_thread(*arguments: Any, **config: Any) -> Any:
    """A run in another thread, where none is begun again."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(toy.run, *arguments, **config).result(200)


def test_an_engine_call_that_does_not_return_is_named(ray_local: None, store: Store) -> None:
    toy.put(store, rows(10))
    report = in_thread(store, toy.spec(hang_on="text 3"), timeout_seconds=2.0, workers=1, **QUICK)
    assert report.rejects == {"time_out": 1} and report.rows.published == 9
    assert any("engine calls have not returned" in line and "timeout_seconds=2" in line for line in report.diagnosis)
    assert report.to_dict()["diagnosis"] == report.diagnosis


def test_a_run_that_gets_no_cpu_says_so_and_goes_on_when_it_gets_one(
    ray_local: None, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    @ray.remote(num_cpus=2)
    class Other:
        def ready(self) -> bool:
            return True

    toy.put(store, rows(10))
    real, others, said = inference_run.looks, [], threading.Event()

    def looks(*arguments: Any) -> Any:  # just before the workers start
        others.append(Other.remote())
        ray.get(others[0].ready.remote())
        return real(*arguments)

    def note(self: display.Display, text: str) -> None:
        if "no CPU is free" in text:
            said.set()

    monkeypatch.setattr(inference_run, "looks", looks)
    monkeypatch.setattr(display.Display, "note", note)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(toy.run, store, toy.spec(), workers=1, **QUICK)
        assert said.wait(100)
        ray.kill(others[0])
        report = run.result(100)
    assert report.outcome == "published"
    assert any(
        "no CPU is free for a worker (0 of 2, 1 needed): other work holds them" in line for line in report.diagnosis
    )


# In a process of its own: the signal that begins a run again would end pytest's worker if it were not handled.
STANDS_STILL = """
import json, sys, threading
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.inference import run as inference_run
from tests.inference import toy

real, calls, hangs = inference_run.stream, [], threading.Event()

def stream(task, units):
    calls.append(len(units))
    if len(calls) > 1:
        yield from real(task, units)
        return
    yield from real(task, units[:1])
    hangs.set()
    threading.Event().wait()

inference_run.stream = stream
inference_run.looks = lambda *_: [lambda: None if hangs.is_set() else "workers start"]
with ray_session(Platform(cpus=2, object_store_mb=128)):
    spec = toy.spec()
    report = toy.run(toy.Store(sys.argv[1]), spec, flush_rows=2, platform={"watchdog_seconds": 0.3})
print(json.dumps([len(calls), report.outcome, report.rows.computed, report.diagnosis]))
"""


@pytest.mark.slow
def test_a_standstill_that_nothing_explains_is_begun_again_once(store: Store) -> None:
    toy.put(store, rows(10))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    command = [sys.executable, "-c", STANDS_STILL, store.root]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    calls, outcome, computed, diagnosis = json.loads(done.stdout.splitlines()[-1])
    assert (calls, outcome, computed) == (2, "published", 10)
    assert diagnosis[-1] == "compute: begun again, once; what was computed is kept"
    assert "nothing wrong was seen" in diagnosis[-2]
    assert sorted(oracle.memo_hashes(store, toy.spec())) == sorted(
        oracle.content_hash(*c) for c in oracle.expect(rows(10)).contents
    )


Usage = namedtuple("Usage", "total used free")


def test_a_full_disk_a_full_object_store_and_a_lost_node_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    disks = {"/full": Usage(2**40, 2**40 - 2**30, 2**30), "/free": Usage(2**40, 2**39, 2**39)}
    monkeypatch.setattr(stalls.shutil, "disk_usage", disks.__getitem__)
    assert stalls.full_disk("/free")() is None
    assert stalls.full_disk("/free", "/full")() == "the disk of /full is full (1.0 GB free); make space there"
    free = {"object_store_memory": 2.0**30}
    cluster = SimpleNamespace(
        cluster_resources=lambda: {"object_store_memory": 2.0**30, "CPU": 2.0},
        available_resources=lambda: free,
        nodes=lambda: [{"NodeManagerHostname": "a", "Alive": True}, {"NodeManagerHostname": "b", "Alive": alive}],
    )
    monkeypatch.setitem(__import__("sys").modules, "ray", cluster)
    alive = True
    assert stalls.full_object_store() is None and stalls.lost_nodes() is None
    free["object_store_memory"], alive = 2.0**20, False
    assert "object store is full (1024 MB); raise platform.object_store_mb" in str(stalls.full_object_store())
    assert "node b of the cluster was lost" in str(stalls.lost_nodes())
    assert "needs 1 GPU and the cluster has 0" in str(stalls.no_slot({"GPU": 1.0})())
    for load, busy in ((1.0, False), (99.0, True)):
        monkeypatch.setattr(stalls.os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert ("this machine is busy (load 99" in str(stalls.busy_machine())) == busy


def test_workers_that_died_are_counted(tmp_path: Path) -> None:
    task: Any = SimpleNamespace(journals=str(tmp_path), config=SimpleNamespace(timeout_seconds=600.0))
    assert in_flight(task)() is None
    Journal(str(tmp_path / "a.json"), deaths=2).begin([1])
    Journal(str(tmp_path / "b.json")).begin([])
    said = str(in_flight(task)())
    assert said.startswith("2 worker processes have died") and "1 engine calls have not returned" in said


def test_progress_and_a_look_that_fails_are_no_standstill_of_their_own() -> None:
    report, seen = Report(job="toy"), threading.Event()

    def broken() -> str:
        raise OSError("no answer")

    def cause() -> str:
        seen.set()
        return "a cause"

    with Stalls(report, "train", 0.05, [broken, cause]):
        assert seen.wait(10)
    assert len(report.diagnosis) == 1 and report.diagnosis[0].endswith("a cause")
    with Stalls(report, "train", 1000.0, [cause]) as stage:
        assert list(stage.waiting([1, 2, 3])) == [1, 2, 3]
    assert len(report.diagnosis) == 1


@pytest.mark.slow
def test_only_a_standstill_that_nothing_explains_is_interrupted() -> None:
    def blocks() -> Any:
        yield 1
        threading.Event().wait(5)
        yield 2

    report = Report(job="toy")
    with pytest.raises(Stalled), Stalls(report, "compute", 0.05, [lambda: None], restart=True) as stage:
        list(stage.waiting(blocks()))
    assert report.diagnosis[-1].startswith("compute: begun again, once")
    for looks, restart in (([lambda: "a cause"], True), ([lambda: None], False)):
        with Stalls(Report(job="toy"), "compute", 0.05, looks, restart) as stage:
            assert list(stage.waiting(blocks_shortly())) == [1, 2]


def blocks_shortly() -> Any:
    yield 1
    threading.Event().wait(0.5)
    yield 2
