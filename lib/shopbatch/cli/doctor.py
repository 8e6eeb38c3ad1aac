"""The command `shopbatch doctor`: finds everything that would make a run fail, before the run starts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import click

from shopbatch.cli.options import Number, environment, tell_warehouse
from shopbatch.core.errors import UserError


@click.command()
@click.argument("words", nargs=-1, metavar="[JOB] [key.path=value]...", help="A job, and overrides of its values.")
@environment()
@click.option("--min-free-gb", type=Number(0, 10**9), default=5.0, help="Least free disk space in GB (default: 5).")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.pass_context
def doctor(context: click.Context, words: Sequence[str], env: str, min_free_gb: float, as_json: bool) -> int:
    """Find what would make a run fail before it starts.

    Checks versions, Java, disk, memory, CPUs, authentication, the warehouse, clocks, secrets and the configuration.
    Starts nothing. The exit code is 2 if there is an error, 0 if there are only warnings.
    """
    from shopbatch.doctor import command

    named = [word for word in words if "=" not in word]
    if len(named) > 1:
        context.fail(f"one job at a time, not {' and '.join(named)}")
    overrides = [word for word in words if "=" in word]
    if not as_json:
        with suppress(UserError):  # doctor reports a wrong configuration as a finding
            tell_warehouse(env, overrides)
    return command.doctor(named[0] if named else None, env, overrides, min_free_gb, as_json)
