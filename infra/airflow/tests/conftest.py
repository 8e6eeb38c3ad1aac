"""Fixtures of the Airflow tests: a real Airflow, a warehouse with sample data, and a real Ray head that runs the jobs.

The Ray head uses token authentication. The environment of these tests contains only Airflow; the jobs run in .venv
(SHOPBATCH_PYTHON is the path of its Python).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import DAGS, PYTHON, LiveShop, Shop, airflow_home, live_airflow
from tests.cluster.head import ray_head


@pytest.fixture(scope="session")
def airflow_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment variables of an Airflow with its own database and the DAGs of this repository."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "RAY_", "SHOPBATCH_"))}
    return airflow_home(tmp_path_factory.mktemp("airflow"), DAGS, env)


@pytest.fixture(scope="session")
def shop(airflow_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Yield a shop: a warehouse with sample data for 1,500 reviews, and a running Ray head that accepts jobs."""
    warehouse = tmp_path_factory.mktemp("shop") / "warehouse"
    with tempfile.TemporaryDirectory(prefix="sb", dir="/tmp") as folder, ray_head(Path(folder), python=PYTHON) as head:
        env = airflow_env | {k: v for k, v in head.env.items() if k.startswith("RAY_")}
        env |= {"SHOPBATCH_WAREHOUSE": str(warehouse), "SHOPBATCH_COMMAND": str(Path(PYTHON).parent / "shopbatch")}
        shop = Shop(env)
        done = shop.shopbatch("sample", "--rows", "1500")
        assert done.returncode == 0, done.stderr[-2000:]
        yield shop


@pytest.fixture(scope="session")
def live(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveShop]:
    """Yield a shop with a running Airflow, a DAG with one task, and its own warehouse.

    Scheduler, DAG processor and API server run.
    """
    warehouse = tmp_path_factory.mktemp("live") / "warehouse"
    with live_airflow(shop, tmp_path_factory.mktemp("live-airflow"), warehouse) as live:
        yield live
