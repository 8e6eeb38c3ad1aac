"""What a file in jobs/ needs: `Job` declares the job, `main` runs it with command-line arguments."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from shopbatch.runs.command import run_command
from shopbatch.runs.declaration import Job, find, names
from shopbatch.runs.execution import Keyed, dry_run, run
from shopbatch.runs.invoke import invoke
from shopbatch.runs.outcomes import DONE, FAILED, MISTAKE, REFUSED, STOPPED

__all__ = ["DONE", "FAILED", "MISTAKE", "REFUSED", "STOPPED", "Job", "Keyed", "dry_run", "find", "main", "names", "run"]


def main(job: Job | str, argv: Sequence[str] | None = None) -> int:
    """Run a job with command-line arguments and return the exit code.

    The last line on standard output is the run's report as JSON.

    Args:
        job: The job or its name.
        argv: The arguments after the job's name; None takes those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(job, str):
        return invoke(run_command(), [job, *words], "shopbatch run")
    return invoke(run_command(job), words, f"shopbatch run {job.name}")
