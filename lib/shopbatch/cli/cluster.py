"""The commands `shopbatch submit`, `status`, `logs` and `cancel` for runs on a cluster. --env is prod by default."""

from __future__ import annotations

from collections.abc import Sequence

import click

from shopbatch.cli.options import environment
from shopbatch.runs.command import complete_jobs


@click.command()
@click.argument("job", shell_complete=complete_jobs, help="The job.")
@click.argument("overrides", nargs=-1, metavar="[key.path=value]...", help="Override values of the configuration.")
@environment("prod")
@click.option("--with", "overlay", metavar="FILE", help="A YAML file that takes precedence over conf/.")
@click.option("--date", help="Logical date or time, ISO (default: today, UTC); a part of the run key.")
@click.option("--rerun", metavar="NAME", help="Run again what is done, under another run key with this name.")
@click.option("--wait", is_flag=True, help="Wait for the report, print it, exit with the run's code.")
def submit(
    job: str,
    overrides: Sequence[str],
    env: str,
    overlay: str | None,
    date: str | None,
    rerun: str | None,
    wait: bool,
) -> int:
    """Run a job on a cluster, once.

    The same job, configuration and date attach to the run that is there, or print its report. A run that failed is
    submitted again as the key's next attempt.
    """
    from shopbatch.cluster import commands
    from shopbatch.cluster.submit import Request

    return commands.submit(Request(job, env, tuple(overrides), overlay, date, rerun), wait)


@click.command()
@click.argument("key", required=False, help="The run key (default: all runs that the cluster knows).")
@click.option("--wait", is_flag=True, help="Wait for the report, print it, exit with the run's code.")
@environment("prod")
def status(key: str | None, wait: bool, env: str) -> int:
    """Say where the newest attempt at a run key is."""
    from shopbatch.cluster import commands

    return commands.status(env, key, wait)


@click.command()
@click.argument("key", help="The run key.")
@click.option("--attempt", type=click.IntRange(min=1), help="Number of the attempt (default: the newest).")
@environment("prod")
def logs(key: str, attempt: int | None, env: str) -> int:
    """Print what the driver of a submitted run has printed."""
    from shopbatch.cluster import commands

    return commands.logs(env, key, attempt)


@click.command()
@click.argument("key", help="The run key.")
@environment("prod")
def cancel(key: str, env: str) -> int:
    """End a submitted run in good order.

    What it wrote is kept, and the key's next attempt goes on from there.
    """
    from shopbatch.cluster import commands

    return commands.cancel(env, key)
