"""Helpers of the Airflow tests: run commands of Airflow and shopbatch, start a scheduler, call Airflow's REST API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
from tests.cluster.head import free_ports

ROOT = Path(__file__).resolve().parents[3]
PYTHON = os.environ.get("SHOPBATCH_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
DAGS = ROOT / "infra" / "airflow" / "dags"
SECONDS = 900  # time limit of one command: training, scoring and Spark on two cores

# a DAG with the real operator, a fake engine, and retries after one second
LIVE_DAG = """
from datetime import datetime, timedelta
from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator
retried = {"retries": 2, "retry_delay": timedelta(seconds=1)}
days = {"start_date": datetime(2017, 1, 1), "end_date": datetime(2017, 12, 31), "schedule": "@daily"}
with DAG("live", catchup=False, default_args=retried, **days):
    slow = "engine.slow_ms={{ dag_run.conf.get('slow_ms', 0) }}"
    ShopbatchOperator(task_id="score", job="score_reviews", overrides=["engine.kind=fake", "flush_rows=4", slow])
"""
# Airflow kills a task five seconds after asking it to end; on a busy cluster the cancel request may take longer
SLOW_TO_CANCEL = """#!/bin/sh
[ "$1" = cancel ] && sleep 8
exec {} "$@"
"""
T = TypeVar("T")


@dataclass(frozen=True)
class Shop:
    """A warehouse, a cluster, and the environment variables with which commands reach them.

    Attributes:
        env: The environment variables of the `airflow` and `shopbatch` commands.
    """

    env: dict[str, str]

    @property
    def warehouse(self) -> Path:
        """Return the folder of the warehouse (SHOPBATCH_WAREHOUSE)."""
        return Path(self.env["SHOPBATCH_WAREHOUSE"])

    def airflow(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run an `airflow` command to its end, and return its output and exit code."""
        return run([sys.executable, "-m", "airflow", *words], self.env)

    def shopbatch(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a `shopbatch` command to its end, and return its output and exit code."""
        return run([PYTHON, "-m", "shopbatch", *words], self.env)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the first five rows of a table of the warehouse as dicts, by `shopbatch show`."""
        done = self.shopbatch("show", table, "-n", "5", "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def runs(self, job: str) -> int:
        """Return the number of run folders that a job has in the warehouse; 0 if it never ran."""
        folder = self.warehouse / "_runs" / job
        return len(list(folder.iterdir())) if folder.is_dir() else 0


@dataclass(frozen=True)
class LiveShop(Shop):
    """A shop whose Airflow runs a scheduler and serves a REST API.

    Attributes:
        api: The address of the REST API, which needs no password.
        scheduler: The process of the scheduler; the tasks are its children.
    """

    api: str
    scheduler: psutil.Process

    def ask(self, path: str, method: str = "GET", **body: Any) -> dict[str, Any]:
        """Call Airflow's REST API and return the JSON object of its answer.

        Args:
            path: Path behind `/api/v2/`.
            method: The HTTP method.
            **body: Fields of the request's JSON body; without any, no body is sent.
        """
        data, headers = json.dumps(body).encode() if body else None, {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.api}/api/v2/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.loads(answer.read()))

    def trigger(self, day: str, **conf: Any) -> str:
        """Start a run of the DAG `live` for a logical date, and return the path of its task in the REST API.

        Args:
            day: The logical date as 2017-07-03; also the id of the DAG run.
            **conf: The run's configuration, such as slow_ms.
        """
        done = self.airflow("dags", "trigger", "live", "-l", f"{day}T00:00:00", "-r", day, "-c", json.dumps(conf))
        assert done.returncode == 0, done.stderr[-2000:]
        return self.task(day)

    def forget(self) -> None:
        """Delete the scores and their memo (the cache of computed results), so that the next run scores all reviews."""
        for table in self.warehouse.glob("*"):
            if table.name.startswith(("review_sentiment", "score_reviews_memo")):
                shutil.rmtree(table)

    @staticmethod
    def task(run_id: str) -> str:
        """Return the path in the REST API of the task `score` of a DAG run."""
        return f"dags/live/dagRuns/{run_id}/taskInstances/score"

    def until(self, task: str, state: str, tries: int = 1) -> None:
        """Wait until a task has reached a state, at most 240 seconds; fail with the task's log if it failed instead.

        Args:
            task: The task's path in the REST API.
            state: The state to wait for, such as "success".
            tries: The number of the try (1 is the first) that must at least have been reached.
        """

        def reached() -> bool:
            now = self.ask(task)
            assert now["state"] == state or now["state"] != "failed", self.log(task, now["try_number"])
            return bool(now["state"] == state and now["try_number"] >= tries)

        wait_for(reached, 240, f"{task} {state}")

    def result(self, task: str) -> dict[str, Any]:
        """Return the dict that the operator returned for a task (its XCom)."""
        return dict(self.ask(f"{task}/xcomEntries/return_value?stringify=false")["value"])

    def log(self, task: str, tries: int) -> str:
        """Return the text of the log file of one try of a task."""
        run_id = task.split("/")[3]
        folder = Path(self.env["AIRFLOW_HOME"], "logs", "dag_id=live", f"run_id={run_id}", "task_id=score")
        return (folder / f"attempt={tries}.log").read_text("utf-8")

    def following(self) -> tuple[str, psutil.Process]:
        """Wait until a task waits for its run; return the run key and the process of its `shopbatch status --wait`.

        The tests kill this process in order to kill the task.
        """

        def found() -> tuple[str, psutil.Process] | None:
            for process in self.scheduler.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    words = process.cmdline()
                    if "status" in words and "--wait" in words:
                        return words[words.index("status") + 1], process
            return None

        return wait_for(found, 120, "a task that follows its run")


def run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository's top folder for at most SECONDS, and return its output and exit code."""
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=SECONDS, cwd=ROOT)


def wait_for(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """Call `look` every 0.3 seconds until it returns something true, and return that; fail after `seconds`.

    Args:
        look: Returns None or another false value as long as the condition is not met.
        seconds: The longest time to wait.
        what: Name of the condition, for the message of the failure.
    """
    until = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.3)


def airflow_home(home: Path, dags: Path, env: dict[str, str]) -> dict[str, str]:
    """Create an Airflow with its own database in the folder `home`, and return its environment variables.

    Args:
        home: The new AIRFLOW_HOME.
        dags: The folder of DAGs that it reads.
        env: Environment variables to add to.
    """
    env = env | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "SHOPBATCH_ALLOW_FAKE": "1",
    }
    done = run([sys.executable, "-m", "airflow", "db", "migrate"], env)
    assert done.returncode == 0, done.stderr[-2000:]
    return env


@contextmanager
def live_airflow(shop: Shop, home: Path, warehouse: Path) -> Iterator[LiveShop]:
    """Run the scheduler, DAG processor and API server of a second Airflow inside the block.

    It has the DAG `live` only, its own warehouse with 300 sample reviews, and a `shopbatch` command that cancels
    slowly. All its processes are stopped at the end.

    Args:
        shop: The shop whose cluster runs the jobs.
        home: A folder for the second Airflow, its DAG and its logs.
        warehouse: The folder of its warehouse.
    """
    dags = home / "dags"
    shutil.copytree(DAGS, dags, ignore=lambda _, names: set(names) - {"shopbatch_operator.py"})
    (dags / "live.py").write_text(LIVE_DAG, "utf-8")
    command = home / "shopbatch"
    command.write_text(SLOW_TO_CANCEL.format(shop.env["SHOPBATCH_COMMAND"]), "utf-8")
    command.chmod(0o755)
    port = free_ports(1)[0]
    env = shop.env | {
        "SHOPBATCH_COMMAND": str(command),
        "SHOPBATCH_WAREHOUSE": str(warehouse),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-the-tests-0123456789abcdef0123456789abcdef0123456789abcdef",
    }
    env = airflow_home(home, dags, env)
    done = run([PYTHON, "-m", "shopbatch", "sample", "--rows", "300"], env)
    assert done.returncode == 0, done.stderr[-2000:]
    server = ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    started = []
    try:
        for words in (server, ["dag-processor"], ["scheduler", "--skip-serve-logs"]):
            with (home / f"{words[0]}.out").open("wb") as out:
                airflow = [sys.executable, "-m", "airflow", *words]
                started.append(psutil.Popen(airflow, env=env, stdout=out, stderr=out, cwd=ROOT, start_new_session=True))
        live = LiveShop(env, f"http://127.0.0.1:{port}", started[-1])
        wait_for(lambda: answers(live, "dags/live"), 120, "Airflow")
        yield live
    finally:
        tree = [each for process in started for each in [*process.children(recursive=True), process]]
        for process in reversed(started):
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        for left in psutil.wait_procs(tree, 20)[1]:
            with suppress(psutil.NoSuchProcess):
                left.kill()


def answers(live: LiveShop, path: str) -> bool:
    """Return True if the REST API answers a request for `path`; False while the server is not up yet."""
    try:
        return bool(live.ask(path))
    except (urllib.error.URLError, OSError):
        return False
