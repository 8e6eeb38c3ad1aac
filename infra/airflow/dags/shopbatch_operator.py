"""One Airflow task, one run key: a try that follows another attaches to the run that the other started.

The operator calls the `shopbatch` command of an environment of its own (SHOPBATCH_COMMAND names it), so that Airflow's
needs neither Ray nor Spark nor torch, and their versions never meet. Where the jobs, the cluster and the warehouse are
is told by the worker's environment: SHOPBATCH_HOME, RAY_API_SERVER_ADDRESS, RAY_AUTH_MODE, RAY_AUTH_TOKEN,
SHOPBATCH_WAREHOUSE.

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

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

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
        self._killed = False
        self._run_key: str | None = None
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        run = context["dag_run"]
        # a run that assets or a hand triggered has no logical date: the moment from which it might run is fixed, too
        date = (run.logical_date or run.run_after).isoformat()
        command = ["submit", self.job, "--env", self.environment, "--date", date, *self.overrides]
        # Clearing a task that ended sets max_tries to the tries it had and its retries; nothing else raises it, so
        # that the difference names the wish to run again, the same for every retry of it. A task that is cleared
        # while it runs has its run cancelled, and the next try goes on from there.
        cleared = context["ti"].max_tries - self.retries
        if cleared > 0:
            command += ["--rerun", f"c{cleared}"]
        self._run_key = str(self._call(command)["run_key"])
        if self._killed:
            self._cancel()
            raise AirflowException(f"{self.job}: killed")
        report = self._call(["status", self._run_key, "--wait", "--env", self.environment])
        return {name: report[name] for name in ("run_key", "run_id", "attempt", "outcome", "rows", "tables")}

    def on_kill(self) -> None:
        """Cancel the run. What it has written is kept; the next try goes on from there.

        Killed in the moment in which the submission is sent, its key not yet told, the run goes on.
        """
        self._killed = True
        if self._process is not None:
            self._process.terminate()
        if self._run_key is not None:
            self._cancel()

    def _cancel(self) -> None:
        # Airflow kills the task's whole process group five seconds after it asked it to end, and the run may take two
        # minutes to commit what it has: in a session of its own, without a pipe to here, the command sees it through
        command = [*_command(), "cancel", str(self._run_key), "--env", self.environment]
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.log.info("cancelling %s", self._run_key)
        code = subprocess.run(command, **silent, start_new_session=True, check=False).returncode
        self.log.info("cancelled %s (exit code %d)", self._run_key, code)

    def _call(self, words: Sequence[str]) -> dict[str, Any]:
        """The JSON that a command printed last; what it tells meanwhile goes to the task's log."""
        self._process = subprocess.Popen(
            [*_command(), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        teller = threading.Thread(target=self._tell, args=(self._process.stderr,), daemon=True)
        teller.start()
        assert self._process.stdout is not None
        lines = [line for line in self._process.stdout if line.strip()]
        code = self._process.wait()
        teller.join(10)
        report = json.loads(lines[-1]) if lines else {}
        if code != DONE:
            why = f"{self.job}: exit code {code}: {report.get('message') or 'see the log'}"
            raise AirflowFailException(why) if code in (MISTAKE, REFUSED) else AirflowException(why)
        return dict(report)

    def _tell(self, stream: Any) -> None:
        for line in stream:
            self.log.info(line.rstrip())


def _command() -> list[str]:
    return [os.environ.get("SHOPBATCH_COMMAND", "shopbatch")]
