"""An Airflow operator that runs a job. One task has one run key, so a retry attaches to the run of the earlier try.

The operator calls the `shopbatch` command of a separate environment (SHOPBATCH_COMMAND names it). So Airflow's own
environment needs neither Ray nor Spark nor torch, and their versions cannot conflict. Environment variables of the
worker say where the jobs, the cluster and the warehouse are: SHOPBATCH_HOME, RAY_API_SERVER_ADDRESS, RAY_AUTH_MODE,
RAY_AUTH_TOKEN, SHOPBATCH_WAREHOUSE.

The operator is not deferrable, because Airflow does not call `on_kill` of a deferred task. A run that nobody can cancel
from the grid costs more than a sleeping process.
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
    """Return the Airflow asset of a table of the warehouse, or of a model in its registry (`models/NAME`)."""
    return Asset(name=name, uri=f"shopbatch://warehouse/{name}")


class ShopbatchOperator(BaseOperator):
    """Submit a job, wait for its end, and return the main parts of its report.

    The result (an XCom) holds the report's run_key, run_id, attempt, outcome, rows and tables.

    Args:
        job: Name of a file in jobs/.
        overrides: Configuration values, `key.path=value`: a list, or a string for one of them. A template field: it may
            be a task's output, and what is rendered to a number (`render_template_as_native_obj`) becomes a word.
        environment: A folder of conf/; a template field.

    Raises:
        TypeError: `overrides` is neither (already when the DAG is parsed).
        AirflowFailException: Another try cannot help: a mistake of the user, or a gate that refused the result.
        AirflowException: Any other failure. The next try is the next attempt of the run key and continues from there.
    """

    template_fields: Sequence[str] = ("overrides", "environment")

    def __init__(self, *, job: str, overrides: Any = (), environment: str = "prod", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Airflow renders the fields after this, and a task's output has no value yet, so they are kept as they are.
        self.job, self.overrides, self.environment = job, overrides, environment
        _words(overrides)
        self._killed = False
        self._run_key: str | None = None
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        run = context["dag_run"]
        # A run triggered by an asset or by hand has no logical date. The moment from which it may run is fixed too.
        date = (run.logical_date or run.run_after).isoformat()
        try:
            words = _words(self.overrides)
        except TypeError as error:  # a task's output
            raise AirflowFailException(f"{self.job}: {error}") from None
        command = ["submit", self.job, "--env", self.environment, "--date", date, *words]
        # Clearing a task that has ended sets max_tries to the tries so far plus the retries. Nothing else raises it, so
        # the difference identifies the request to run again and stays the same for all retries of that request. If a
        # task is cleared while it runs, its run is cancelled, and the next try continues from there.
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
        """Cancel the run. What it has written is kept, and the next try continues from there.

        If the task is killed while the submission is being sent, its run key is not known yet and the run goes on.
        """
        self._killed = True
        if self._process is not None:
            self._process.terminate()
        if self._run_key is not None:
            self._cancel()

    def _cancel(self) -> None:
        # Airflow kills the task's whole process group five seconds after asking it to end, but the run may need two
        # minutes to commit what it has. The command gets its own session and no pipe to this process, so it survives.
        command = [*_command(), "cancel", str(self._run_key), "--env", self.environment]
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.log.info("cancelling %s", self._run_key)
        code = subprocess.run(command, **silent, start_new_session=True, check=False).returncode
        self.log.info("cancelled %s (exit code %d)", self._run_key, code)

    def _call(self, words: Sequence[str]) -> dict[str, Any]:
        """Run a command and return the JSON in its last line. Its messages go to the task's log."""
        self._process = subprocess.Popen(
            [*_command(), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        reader = threading.Thread(target=self._log_lines, args=(self._process.stderr,), daemon=True)
        reader.start()
        assert self._process.stdout is not None
        lines = [line for line in self._process.stdout if line.strip()]
        code = self._process.wait()
        reader.join(10)
        report = json.loads(lines[-1]) if lines else {}
        if code != DONE:
            why = f"{self.job}: exit code {code}: {report.get('message') or 'see the log'}"
            raise AirflowFailException(why) if code in (MISTAKE, REFUSED) else AirflowException(why)
        return dict(report)

    def _log_lines(self, stream: Any) -> None:
        for line in stream:
            self.log.info(line.rstrip())


def _words(overrides: Any) -> list[str]:
    """Return the words of the command line. Raises TypeError for what is neither a word nor a list of words."""
    if isinstance(overrides, str):
        return [overrides]
    if isinstance(overrides, Sequence) and not isinstance(overrides, bytes):
        return [word for part in overrides for word in _words(part)]
    if isinstance(overrides, int | float) or hasattr(overrides, "resolve"):  # Airflow resolves a task's output later
        return [str(overrides)]
    raise TypeError(f"overrides are a list of key.path=value, or one of them, and not {type(overrides).__name__}")


def _command() -> list[str]:
    return [os.environ.get("SHOPBATCH_COMMAND", "shopbatch")]
