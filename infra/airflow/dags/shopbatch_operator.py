"""One Airflow task, one run key: a try that follows another attaches to the run that the other started.

The operator calls the `shopbatch` command of an environment of its own (SHOPBATCH_COMMAND names it), so that Airflow's
needs neither Ray nor Spark nor torch, and their versions never meet. Where the cluster and the warehouse are is told by
the worker's environment: RAY_API_SERVER_ADDRESS, RAY_AUTH_MODE, RAY_AUTH_TOKEN, SHOPBATCH_WAREHOUSE.

It is not deferrable: Airflow does not call `on_kill` of a task that is deferred, and a run that nobody can cancel from
the grid costs more than a process that sleeps.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import Asset, BaseOperator

DONE, MISTAKE, REFUSED = 0, 2, 3


def table(name: str) -> Asset:
    """A table of the warehouse, or a model of its registry (`models/NAME`), as Airflow knows it."""
    return Asset(name=name, uri=f"shopbatch://warehouse/{name}")


class ShopbatchOperator(BaseOperator):
    """Submits a job and follows its report.

    job: a file of jobs/. overrides: `key.path=value`, templated. environment: conf/<environment>.
    Returns (as XCom) what a later task may ask of the report: run_key, run_id, attempt, outcome, rows, tables.
    Raises AirflowFailException where another try cannot help (the user's mistake, a gate that refused), else
    AirflowException: the next try is the run key's next attempt and goes on where this one was.
    """

    template_fields: Sequence[str] = ("overrides", "environment")

    def __init__(self, *, job: str, overrides: Sequence[str] = (), environment: str = "prod", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job, self.overrides, self.environment = job, list(overrides), environment
        self._killed = threading.Event()
        self._run_key: str | None = None
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        run, task = context["dag_run"], context["ti"]
        # a run that assets or a hand triggered has no logical date: the moment from which it might run is fixed, too
        date = (run.logical_date or run.run_after).isoformat()
        command = ["submit", self.job, "--env", self.environment, "--date", date, *self.overrides]
        # a cleared task is allowed more tries than it was declared with: that is how a wish to run again shows
        cleared = (getattr(task, "max_tries", None) or 0) - self.retries
        if cleared > 0:
            command += ["--rerun", f"c{cleared}"]
        code, started = self._call(command)
        self._refuse(code, started)
        self._run_key = str(started["run_key"])
        if self._killed.is_set():
            self._cancel()
            raise AirflowException("killed")
        code, report = self._call(["status", self._run_key, "--wait", "--env", self.environment])
        self._refuse(code, report)
        return {name: report[name] for name in ("run_key", "run_id", "attempt", "outcome", "rows", "tables")}

    def on_kill(self) -> None:
        """Cancel the run. What it has written is kept; the next try goes on from there."""
        self._killed.set()
        if self._run_key is not None:
            self._cancel()
            if self._process is not None:
                self._process.terminate()

    def _cancel(self) -> None:
        done = subprocess.run([*_command(), "cancel", str(self._run_key), "--env", self.environment], check=False)
        self.log.info("cancelled %s (exit code %d)", self._run_key, done.returncode)

    def _call(self, words: Sequence[str]) -> tuple[int, dict[str, Any]]:
        """Exit code and last line of a command; what it tells meanwhile goes to the task's log."""
        self._process = subprocess.Popen(
            [*_command(), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        assert self._process.stderr is not None and self._process.stdout is not None
        teller = threading.Thread(target=self._tell, args=(self._process.stderr,), daemon=True)
        teller.start()
        lines = [line for line in self._process.stdout if line.strip()]
        code = self._process.wait()
        teller.join(10)
        return code, json.loads(lines[-1]) if lines else {}

    def _tell(self, stream: Any) -> None:
        for line in stream:
            self.log.info(line.rstrip())

    def _refuse(self, code: int, report: dict[str, Any]) -> None:
        if code == DONE:
            return
        why = f"{self.job}: exit code {code}: {report.get('message') or 'see the log'}"
        raise AirflowFailException(why) if code in (MISTAKE, REFUSED) else AirflowException(why)


def _command() -> list[str]:
    return [os.environ.get("SHOPBATCH_COMMAND", "shopbatch")]
