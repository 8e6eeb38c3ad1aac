"""An Airflow operator that runs a shopbatch job on the cluster and waits for it; all DAGs in this folder use it.

A task has one run key (it names the job, the date and the configuration). So a retry of a task attaches to the run that
its earlier try submitted, and does not start a second one.

The operator calls the `shopbatch` command of a separate environment (SHOPBATCH_COMMAND names it). So Airflow's own
environment needs neither Ray nor Spark nor torch, and their versions cannot conflict. Environment variables of the
Airflow worker say where the jobs, the cluster and the warehouse are: SHOPBATCH_HOME, RAY_API_SERVER_ADDRESS,
RAY_AUTH_MODE, RAY_AUTH_TOKEN, SHOPBATCH_WAREHOUSE.

The operator is not deferrable, because Airflow does not call `on_kill` of a deferred task. A run that nobody can cancel
from Airflow's grid view costs more than a process that sleeps.
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
    """Return the Airflow asset that stands for a table of the warehouse, or for a model of its registry.

    DAGs list assets as `inlets` and `outlets` of a task, or as their schedule ("run when this table was updated").

    Args:
        name: The table's name, or `models/NAME` for a model (for example `models/sentiment`).
    """
    return Asset(name=name, uri=f"shopbatch://warehouse/{name}")


class ShopbatchOperator(BaseOperator):
    """Airflow task that submits a job, waits until it ends, and returns the main parts of its report.

    The returned dict (an XCom) holds the report's run_key, run_id, attempt, outcome, rows and tables.

    Args:
        job: Name of a file in jobs/, without `.py`.
        overrides: Configuration values in the form `key.path=value`: a list of them, or one as a string. It is a
            template field, so it may be the output of another task. A number that Airflow renders
            (`render_template_as_native_obj`) is turned into a string.
        environment: Name of a folder in conf/; a template field.
        **kwargs: Arguments of Airflow's `BaseOperator`, such as task_id, inlets and outlets.

    Raises:
        TypeError: `overrides` is neither a string nor a list of strings; raised already when the DAG is parsed.
        AirflowFailException: A retry cannot help, because the user made a mistake or a gate refused the result.
        AirflowException: Any other failure. A retry is the next attempt of the same run key, and resumes the run.
    """

    template_fields: Sequence[str] = ("overrides", "environment")

    def __init__(self, *, job: str, overrides: Any = (), environment: str = "prod", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Airflow renders template fields later, and a task's output has no value yet, so they are stored unchanged.
        self.job, self.overrides, self.environment = job, overrides, environment
        _words(overrides)
        self._killed = False
        self._run_key: str | None = None
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Submit the job, follow its run to the end, and return the parts of its report that the class names."""
        run = context["dag_run"]
        # A run triggered by an asset or by hand has no logical date; its `run_after` is constant over retries, too.
        date = (run.logical_date or run.run_after).isoformat()
        try:
            words = _words(self.overrides)
        except TypeError as error:  # raised for the output of another task
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
        """Cancel the run when Airflow kills the task; its written results stay, and the next try resumes from them.

        If Airflow kills the task while the submission is on its way, the run key is not known yet and the run
        continues.
        """
        self._killed = True
        if self._process is not None:
            self._process.terminate()
        if self._run_key is not None:
            self._cancel()

    def _cancel(self) -> None:
        # Airflow kills the task's whole process group five seconds after asking it to end, but the run may need two
        # minutes to commit what it has. The command gets its own session and no pipe to this process, so it survives.
        """Run `shopbatch cancel` for the submitted run, in its own session so that Airflow cannot kill the command."""
        command = [*_command(), "cancel", str(self._run_key), "--env", self.environment]
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.log.info("cancelling %s", self._run_key)
        code = subprocess.run(command, **silent, start_new_session=True, check=False).returncode
        self.log.info("cancelled %s (exit code %d)", self._run_key, code)

    def _call(self, words: Sequence[str]) -> dict[str, Any]:
        """Run a `shopbatch` command and return the JSON object in the last line of its output; {} without output.

        The messages of the command (its standard error) go to the task's log.

        Args:
            words: The command's arguments, such as `["status", RUN_KEY, "--wait"]`.

        Raises:
            AirflowFailException: The command ended with exit code 2 (user error) or 3 (refused by a gate).
            AirflowException: The command ended with any other exit code than 0.
        """
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
        """Copy the lines of a stream (the command's standard error) to the task's log."""
        for line in stream:
            self.log.info(line.rstrip())


def _words(overrides: Any) -> list[str]:
    """Flatten `overrides` into the list of arguments for the command line (["a=1", ["b=2"]] -> ["a=1", "b=2"]).

    A number, or the output of a task that Airflow has not resolved yet, becomes a string.

    Raises:
        TypeError: A value is none of these: a string, a number, a task's output, or a list of them.
    """
    if isinstance(overrides, str):
        return [overrides]
    if isinstance(overrides, Sequence) and not isinstance(overrides, bytes):
        return [word for part in overrides for word in _words(part)]
    if isinstance(overrides, int | float) or hasattr(overrides, "resolve"):  # Airflow resolves a task's output later
        return [str(overrides)]
    raise TypeError(f"overrides are a list of key.path=value, or one of them, and not {type(overrides).__name__}")


def _command() -> list[str]:
    """Return the start of each command line: the `shopbatch` command that SHOPBATCH_COMMAND names, or `shopbatch`."""
    return [os.environ.get("SHOPBATCH_COMMAND", "shopbatch")]
