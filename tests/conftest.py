"""One local Ray and one local Spark for the whole session."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import ray_session, spark_session
from shopbatch.warehouse.store import Store


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    with ray_session(Platform(cpus=2, object_store_mb=512)):
        yield


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with spark_session(Platform(cpus=2, spark=Spark(memory="2g"))) as session:
        yield session


@pytest.fixture(autouse=True)
def free_actors(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test with Ray: a run that raised leaves its actors, and their CPUs, to the garbage collection."""
    yield
    if "ray_local" in request.fixturenames:
        gc.collect()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "warehouse"))
