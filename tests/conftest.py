"""One local Ray for the whole session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shopbatch.config import Platform
from shopbatch.sessions import ray_session
from shopbatch.tables.store import Store


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    with ray_session(Platform(cpus=2, object_store_mb=512)):
        yield


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "warehouse"))
