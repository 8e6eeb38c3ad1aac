"""Warehouses that several tests start from. Each is built once per session, and every test gets a copy of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.shop import grow, line, open_shop, run

FIRST_DAY, AS_OF = date(2024, 3, 19), date(2024, 3, 20)


# Tiny tables: Spark plans a query once and not after every stage, and interprets it instead of compiling Java for it.
# The result is the same; tests/jobs/test_build_user_profiles.py runs with Spark's own settings.
_QUICK = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


@contextmanager
def quick(spark: SparkSession) -> Iterator[None]:
    """Set what makes Spark quick on tiny tables inside the block."""
    before = {name: spark.conf.get(name) for name in _QUICK}
    try:
        for name, value in _QUICK.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


@pytest.fixture(autouse=True)
def on_tiny_tables(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test of this folder with Spark has tiny tables."""
    if "spark" not in request.fixturenames:
        yield
        return
    with quick(request.getfixturevalue("spark")):
        yield


def copy_of(store: Store, folder: Path) -> Store:
    """A copy of a warehouse."""
    shutil.copytree(store.root, folder)
    return Store(str(folder))


@pytest.fixture(scope="session")
def first_day_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("first-day") / "warehouse"))
    open_shop(store, [*(line(f"b{i}", user=f"u{i}") for i in range(4)), line("nobody", user=None)])
    with quick(spark):
        run(spark, store, as_of=FIRST_DAY)
    return store


@pytest.fixture
def first_day(first_day_once: Store, tmp_path: Path) -> Store:
    """Four users with a basket of 1.00 each, a rejected line of 1.00, and the profiles of FIRST_DAY."""
    return copy_of(first_day_once, tmp_path / "first-day")


@pytest.fixture(scope="session")
def many_users(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """1,000 users with a basket each, and their profiles of two days, published by two runs. Only to be read."""
    store = Store(str(tmp_path_factory.mktemp("many-users") / "warehouse"))
    open_shop(store, [line(f"b{i}", user=f"u{i:04}", day="2024-03-01") for i in range(1_000)])
    with quick(spark):
        run(spark, store, as_of=FIRST_DAY)
        run(spark, store, as_of=AS_OF)
    return store


@pytest.fixture(scope="session")
def grown_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("grown") / "warehouse"))
    grow(store)
    with quick(spark):
        run(spark, store, as_of=AS_OF)
    return store


@pytest.fixture
def grown(grown_once: Store, tmp_path: Path) -> Store:
    """A source of several files (see `grow`), its tiles, and the profiles of AS_OF."""
    return copy_of(grown_once, tmp_path / "grown")
