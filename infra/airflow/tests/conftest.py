"""A real Airflow, a warehouse with a sample, and a real Ray head with token authentication that runs the jobs.

This environment contains only Airflow. The jobs run in .venv; SHOPBATCH_PYTHON is the path of its Python.
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
    """The environment variables of an Airflow with its own database and the DAGs of this repository."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "RAY_", "SHOPBATCH_"))}
    return airflow_home(tmp_path_factory.mktemp("airflow"), DAGS, env)


@pytest.fixture(scope="session")
def shop(airflow_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The sample data, and a head node to submit jobs to."""
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
    """A scheduler, a DAG processor and an API server, a DAG with one task, and a separate warehouse."""
    warehouse = tmp_path_factory.mktemp("live") / "warehouse"
    with live_airflow(shop, tmp_path_factory.mktemp("live-airflow"), warehouse) as live:
        yield live
