"""One local Ray and one local Spark for the whole session, and the marks that `make test-fast` leaves out.

A test that asks for `ray_local` or `spark` is marked so. Whole jobs, training and tests that start processes of their
own are marked `slow`, by their folder or in their file.
"""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow
import pytest

from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import ray_session, spark_session
from shopbatch.core.signal_stack import own_signal_stack
from shopbatch.warehouse.store import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

os.environ["SHOPBATCH_ALLOW_FAKE"] = "1"  # many tests publish what the fake engines invent
TESTS = Path(__file__).parent
SLOW_FOLDERS = ("jobs", "cluster", "training", "doctor", "sample")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "ray_local" in fixtures:
            item.add_marker("ray")
        if "spark" in fixtures:
            item.add_marker("spark")
        if item.path.relative_to(TESTS).parts[0] in SLOW_FOLDERS:
            item.add_marker("slow")


# On tiny tables half of Spark's CPU time goes into the JVM's optimizing compiler, for code that hardly runs. With the
# simple compiler alone the JVM would choose a code cache that is too small for Spark.
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    with ray_session(Platform(cpus=2, object_store_mb=512)):
        gc.collect()
        gc.freeze()  # what is imported by now stays: the collections after each test need not look at it
        yield


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", QUICK_JAVA)
        with spark_session(Platform(cpus=2, spark=Spark(memory="1g"))) as session:
            yield session


@pytest.fixture(scope="module", autouse=True)
def free_memory() -> Iterator[None]:
    """After a file: give back to the system what its tables held. A collection of garbage here would take too long."""
    yield
    pyarrow.default_memory_pool().release_unused()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # the C library of Linux has it
        trim(0)


@pytest.fixture(autouse=True)
def free_actors(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test with Ray: a run that raised leaves its actors, and their CPUs, to the garbage collection."""
    yield
    if "ray_local" in request.fixturenames:
        gc.collect()


@pytest.fixture(autouse=True)
def marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that starts Ray or Spark in this process says so, or `make test-fast` would not be fast."""
    before = started()
    own_signal_stack()  # of the tests before, some have unloaded OpenVINO; the time limit of a test is a signal, too
    yield
    marks = {mark.name for mark in request.node.iter_markers()}
    assert started() - before <= marks or "slow" in marks, "mark this test"


def started() -> set[str]:
    """The sessions of this process, as marks."""
    ray, pyspark = sys.modules.get("ray"), sys.modules.get("pyspark.sql")
    found = {"ray"} if ray is not None and ray.is_initialized() else set()
    return found | ({"spark"} if pyspark is not None and pyspark.SparkSession.getActiveSession() else set())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "warehouse"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of jobs and conf that a test may change, and a warehouse of its own."""
    for name in ("jobs", "conf"):
        shutil.copytree(TESTS.parent / name, tmp_path / "project" / name)
    monkeypatch.setenv("SHOPBATCH_HOME", str(tmp_path / "project"))
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "warehouse"))
    return tmp_path / "project"
