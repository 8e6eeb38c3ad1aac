"""Warehouses that several tests start from. Each is built once per session, and every test gets a copy of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.shop import grow, line, open_shop, run

FIRST_DAY, AS_OF = date(2024, 3, 19), date(2024, 3, 20)


@pytest.fixture(autouse=True)
def without_adaptive_planning(request: pytest.FixtureRequest) -> Iterator[None]:
    """Spark plans a query once and not after every stage, which is slow on tiny tables. The result is the same."""
    if "spark" not in request.fixturenames:
        yield
        return
    spark: SparkSession = request.getfixturevalue("spark")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    yield
    spark.conf.set("spark.sql.adaptive.enabled", "true")


def copy_of(store: Store, folder: Path) -> Store:
    """A copy of a warehouse."""
    shutil.copytree(store.root, folder)
    return Store(str(folder))


@pytest.fixture(scope="session")
def first_day_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("first-day") / "warehouse"))
    open_shop(store, [*(line(f"b{i}", user=f"u{i}") for i in range(4)), line("nobody", user=None)])
    run(spark, store, as_of=FIRST_DAY)
    return store


@pytest.fixture
def first_day(first_day_once: Store, tmp_path: Path) -> Store:
    """Four users with a basket of 1.00 each, a rejected line of 1.00, and the profiles of FIRST_DAY."""
    return copy_of(first_day_once, tmp_path / "first-day")


@pytest.fixture(scope="session")
def many_users(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """1,000 users with a basket each, and their profiles of three days, published by two runs. Only to be read."""
    store = Store(str(tmp_path_factory.mktemp("many-users") / "warehouse"))
    open_shop(store, [line(f"b{i}", user=f"u{i:04}", day="2024-03-01") for i in range(1_000)])
    run(spark, store, as_of="2024-03-18..2024-03-19")
    run(spark, store, as_of=AS_OF)
    return store


@pytest.fixture(scope="session")
def grown_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("grown") / "warehouse"))
    grow(store)
    run(spark, store, as_of=AS_OF)
    return store


@pytest.fixture
def grown(grown_once: Store, tmp_path: Path) -> Store:
    """A source of several files (see `grow`), its tiles, and the profiles of AS_OF."""
    return copy_of(grown_once, tmp_path / "grown")
