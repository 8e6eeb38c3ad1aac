"""The command line of a run: `shopbatch run JOB ...`, which is also `python jobs/JOB.py ...`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.runs import declaration
from shopbatch.runs.declaration import Job, Keyed

_HELP = """\
Run a job: shopbatch run JOB [--env E] [--dry-run] [key.path=value ...]

Options may stand anywhere, also before the job and between overrides. The last line on standard output is the run's
report as JSON. A second run computes only what changed.
"""
_KEYS_HINT = "`shopbatch run JOB --help` also lists the keys of that job's configuration."


Execute = Callable[[Job, Any, str, Keyed | None, bool], int]  # as `job.execute`


def run_command(execute: Execute, job: Job | None = None) -> click.Command:
    """Build the command that runs a job by `execute`; with None, its first argument names the job."""
    parameters: list[click.Parameter] = [
        click.Option(["--env"], default="local", help="Which conf/<env> says where it runs (default: local)."),
        click.Option(["--with", "overlay"], metavar="FILE", help="A YAML file that takes precedence over conf/."),
        click.Option(
            ["--dry-run"], is_flag=True, help="Print the configuration, and an estimate if the job has one; then stop."
        ),
        # `shopbatch submit` adds these to the command line that it sends to the cluster
        click.Option(["--run-key"], hidden=True),
        click.Option(["--attempt"], type=int, default=1, hidden=True),
        click.Argument(
            ["overrides"], nargs=-1, metavar="[key.path=value]...", help="Override values of the configuration."
        ),
    ]
    if job is None:
        parameters.insert(0, click.Argument(["job"], metavar="JOB", shell_complete=complete_jobs, help="The job."))
        return _RunCommand(None, name="run", params=parameters, callback=_Callback(execute), help=_HELP)
    text = f"Run the job {job.name}."
    return _RunCommand(
        job, name=job.name, params=parameters, callback=functools.partial(_Callback(execute), job), help=text
    )


def complete_jobs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """List the jobs whose names begin with `incomplete`, for shell completion."""
    try:
        return [name for name in declaration.names() if name.startswith(incomplete)]
    except UserError:
        return []


class _RunCommand(click.Command):
    """A command whose help also lists the configuration of the job that it runs."""

    def __init__(self, job: Job | None, **settings: Any) -> None:
        super().__init__(**settings)
        self.job = job

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # --help takes effect before the other parameters are known, so the name of the job is looked up first
        named = self.make_parser(ctx).parse_args(list(args))[0].get("job")
        ctx.obj = named if isinstance(named, str) else None
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        job = self.job if self.job is not None or ctx.obj is None else declaration.find(ctx.obj)
        if job is None:
            formatter.write_paragraph()
            formatter.write_text(_KEYS_HINT)
            return
        keys = [key for key in config.describe(job.config) if key.type != "block" or key.meaning]
        keys.sort(key=lambda key: key.path.partition(".")[0] == "platform")  # the same in every job: at the end
        with formatter.section("Configuration (override a value with key.path=value)"):
            formatter.write_dl([(key.path, _describe(key)) for key in keys])


@dataclass(frozen=True)
class _Callback:
    """What click calls with the words of the command line."""

    execute: Execute

    def __call__(
        self,
        job: Job | str,
        env: str,
        overlay: str | None,
        dry_run: bool,
        run_key: str | None,
        attempt: int,
        overrides: Sequence[str],
    ) -> int:
        job, keyed = declaration.find(job) if isinstance(job, str) else job, None
        if run_key is not None:
            from shopbatch.runs.run_key import RunKey

            keyed = Keyed(str(RunKey.parse(run_key)), attempt)
        settings = config.load(job.config, job.name, env, list(overrides), overlay)
        return self.execute(job, settings, env, keyed, dry_run)


def _describe(key: config.Key) -> str:
    """Describe a configuration key: type, default and the first sentence of its documentation."""
    default = "required" if key.default is None else f"default {key.default}"
    facts = "" if key.type == "block" else "; ".join(filter(None, (key.type, default, key.only_for)))
    meaning = key.meaning.partition(". ")[0].rstrip(".")
    return ". ".join(filter(None, (facts, meaning))) + "."
