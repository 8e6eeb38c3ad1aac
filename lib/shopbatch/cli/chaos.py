"""The command `shopbatch chaos`: kills processes of a job at random places, and checks that no data is lost."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from shopbatch.cli.options import environment
from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.runs.command import complete_jobs
from shopbatch.runs.declaration import find
from shopbatch.runs.outcomes import DONE, FAILED


@click.command()
@click.argument("job", shell_complete=complete_jobs, help="The job.")
@click.argument("overrides", nargs=-1, metavar="[key.path=value]...", help="Override values of its configuration.")
@click.option("--seeds", type=click.IntRange(min=1), default=10, help="Number of runs with a fault (default: 10).")
@click.option("--first", type=click.IntRange(min=0), default=0, help="The first seed (default: 0).")
@click.option("--at-once", type=click.IntRange(1, 64), default=1, help="Seeds that run at the same time (default: 1).")
@click.option("--warehouse", metavar="FOLDER", help="The warehouse to copy (default: that of the environment).")
@environment()
def chaos(
    job: str, overrides: Sequence[str], seeds: int, first: int, at_once: int, warehouse: str | None, env: str
) -> int:
    """Kill processes of a job at drawn places, and check that nothing is lost.

    Works on copies of the warehouse, and compares what the job publishes with an undisturbed run.

    The job runs once undisturbed. Then each seed draws a place and a process: the driver, its supervisor, a worker, all
    processes, or Ray's or Spark's own. Exit code 0 if every seed published the same rows, else 1.
    """
    from shopbatch.runs.chaos import Chaos, Trial, describe, summarise

    declared = find(job)
    if any(word.partition("=")[0] == "limit" and word != "limit=null" for word in overrides):
        raise UserError("a run with a limit computes other rows each time: copy a smaller warehouse instead")
    source = Path(_source(warehouse, env))
    words = ["--env", env, *overrides]
    if "name" in declared.config.model_fields and not any(word.startswith("name=") for word in overrides):
        words.append("name=chaos")  # train a separate model, since the live one may leave nothing to do
    folder = Path(tempfile.mkdtemp(prefix="shopbatch-chaos-"))
    run = Chaos(job, declared.system, words, source, folder, declared.makes)
    trials: list[Trial] = []
    pool = ThreadPoolExecutor(at_once)
    try:
        seconds = run.undisturbed()
        print(f"undisturbed run of {job} in a copy of {source}: {seconds:.0f} s, places: {', '.join(run.places)}")
        drawn = range(first, first + seeds)
        for trial in map(run.trial, drawn) if at_once == 1 else pool.map(run.trial, drawn):
            trials.append(trial)
            print(describe(trial), flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, wait for the seeds under way and begin no other
        if all(trial.is_equal for trial in trials):
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(summarise(trials)))
    for trial in trials:
        if not trial.is_equal:
            again = ["shopbatch", "chaos", job, *overrides, "--seeds", "1", "--first", str(trial.seed), "--env", env]
            print(f"again: {shlex.join([*again, '--warehouse', str(source)])}")
            print(f"its warehouse and log: {folder}/seed-{trial.seed}*")
    return DONE if all(trial.is_equal for trial in trials) else FAILED


def _source(warehouse: str | None, env: str) -> str:
    """Return the folder of the warehouse to copy: the option --warehouse, or else that of the environment.

    Raises:
        UserError: It is not a local folder with tables.
    """
    path = warehouse or config.platform(env).warehouse
    if "://" in path:
        raise UserError(f"warehouse {path}: chaos copies a warehouse on this machine; name a folder with --warehouse")
    folder = Path(os.path.expanduser(path)).resolve()
    if not any(folder.glob("*/_delta_log")):
        raise UserError(f"warehouse {path}: no table there to copy; fill one with `shopbatch sample --rows 300`")
    return str(folder)
