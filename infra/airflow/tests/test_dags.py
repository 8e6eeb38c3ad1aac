"""The DAGs in a real Airflow, which submits to a real Ray head and a real Spark. Run by `make test-airflow`.

This environment holds Airflow alone; the jobs run in .venv, which SHOPBATCH_PYTHON names.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.head import Head, ray_head

ROOT = Path(__file__).resolve().parents[3]
PYTHON = os.environ.get("SHOPBATCH_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
DAGS = ROOT / "infra" / "airflow" / "dags"
DAY = "2017-07-01"
SECONDS = 900  # of one command: training, scoring and Spark on two cores

pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True)
class Shop:
    """An Airflow, a warehouse with a sample in it, and the cluster that the jobs run on."""

    head: Head
    env: dict[str, str]

    def airflow(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run([sys.executable, "-m", "airflow", *words], self.env)

    def shopbatch(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run([PYTHON, "-m", "shopbatch.cli", *words], self.env)

    def rows(self, table: str) -> list[dict[str, Any]]:
        done = self.shopbatch("show", table, "-n", "5", "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def runs(self, job: str) -> int:
        return len(list(Path(self.env["SHOPBATCH_WAREHOUSE"], "_runs", job).iterdir()))


def run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=SECONDS, cwd=ROOT)


@pytest.fixture(scope="module")
def airflow_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of an Airflow with a data base of its own and these DAGs."""
    home = tmp_path_factory.mktemp("airflow")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "RAY_", "SHOPBATCH_"))}
    env |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }
    done = run([sys.executable, "-m", "airflow", "db", "migrate"], env)
    assert done.returncode == 0, done.stderr[-2000:]
    return env


@pytest.fixture(scope="module")
def shop(airflow_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    warehouse = tmp_path_factory.mktemp("shop") / "warehouse"
    with tempfile.TemporaryDirectory(prefix="sb", dir="/tmp") as folder, ray_head(Path(folder), python=PYTHON) as head:
        env = airflow_env | {k: v for k, v in head.env.items() if k.startswith("RAY_")}
        env |= {"SHOPBATCH_WAREHOUSE": str(warehouse), "SHOPBATCH_COMMAND": str(Path(PYTHON).parent / "shopbatch")}
        shop = Shop(head, env)
        for words in (("sample", "--rows", "1500"), ("run", "train_sentiment_head", "--env", "local")):
            done = shop.shopbatch(*words)
            assert done.returncode == 0, done.stderr[-2000:]
        yield shop


def test_every_dag_imports_and_none_needs_a_heavy_package(airflow_env: dict[str, str]) -> None:
    code = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1], include_examples=False)
heavy = sorted({"ray", "torch", "pyspark", "pyarrow", "deltalake", "shopbatch"} & set(sys.modules))
dags = {name: sorted(dag.task_ids) for name, dag in bag.dags.items()}
outlets = sorted({o.name for d in bag.dags.values() for t in d.tasks for o in t.outlets})
print(json.dumps([bag.import_errors, dags, heavy, outlets]))
"""
    done = run([sys.executable, "-c", code, str(DAGS)], airflow_env)
    errors, dags, heavy, outlets = json.loads(done.stdout.splitlines()[-1])
    assert not errors and not heavy
    assert dags == {
        "nightly_catalogue": ["describe_products"],
        "nightly_users": ["build_user_profiles", "score_reviews"],
        "weekly_training": ["train_sentiment_head"],
    }
    assert outlets == ["models/sentiment", "product_descriptions", "review_sentiment", "user_profiles"]


def test_a_task_that_was_killed_attaches_to_its_run_when_it_is_tried_again(shop: Shop) -> None:
    command = [sys.executable, "-m", "airflow", "tasks", "test", "nightly_users", "score_reviews", "2017-06-30"]
    first = subprocess.Popen(
        command, env=shop.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert first.stdout is not None
    key = None
    for line in first.stdout:
        if found := re.search(r"submitted: (\S+), attempt 1", line):
            key = found[1]
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.wait(10)
    assert key is not None
    second = shop.airflow("tasks", "test", "nightly_users", "score_reviews", "2017-06-30")
    assert second.returncode == 0, second.stdout[-3000:]
    assert f"attached to: {key}, attempt 1" in second.stdout + second.stderr
    assert shop.runs("score_reviews") == 1
    assert len(shop.rows("review_sentiment")) == 5


def test_nightly_users_runs_the_real_jobs_and_leaves_their_tables(shop: Shop) -> None:
    done = shop.airflow("dags", "test", "nightly_users", DAY)
    told = done.stdout + done.stderr
    assert done.returncode == 0 and "state=success" in told, told[-3000:]
    assert {row["as_of"] for row in shop.rows("user_profiles")} == {DAY}
    before = {job: shop.runs(job) for job in ("score_reviews", "build_user_profiles")}
    again = shop.airflow("dags", "test", "nightly_users", DAY)
    assert again.returncode == 0
    assert (again.stdout + again.stderr).count("done already") == 2
    assert {job: shop.runs(job) for job in before} == before


def test_on_kill_cancels_the_run(shop: Shop) -> None:
    command = [sys.executable, "-m", "airflow", "tasks", "test", "nightly_users", "score_reviews", "2017-06-29"]
    code = f"""
import sys, threading, signal
sys.path.insert(0, {str(DAGS)!r})
from datetime import datetime, UTC
from types import SimpleNamespace as Names
from shopbatch_operator import ShopbatchOperator
operator = ShopbatchOperator(task_id="t", job="train_sentiment_head", retries=0)
signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
run = Names(logical_date=datetime(2017, 6, 29, tzinfo=UTC), run_after=None)
print(operator.execute(dict(dag_run=run, ti=Names(max_tries=0))))
"""
    del command
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=shop.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    key = None
    until = time.monotonic() + 120
    while key is None and time.monotonic() < until:
        listed = shop.shopbatch("status").stdout.splitlines()
        running = [json.loads(line) for line in listed if "train_sentiment_head" in line]
        key = next((r["run_key"] for r in running if r["state"] == "running"), None)
    assert key is not None
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=180)
    assert process.returncode != 0, out[-2000:]
    state = json.loads(shop.shopbatch("status", key).stdout)["state"]
    assert state == "stopped", out[-2000:]
