"""Parses the command line of a run: `shopbatch run JOB ...`, or `python jobs/JOB.py ...`, which does the same."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import redact_config
from shopbatch.runs import declaration
from shopbatch.runs.declaration import Job, Keyed
from shopbatch.runs.invoke import OWN_PROCESS
from shopbatch.runs.supervise import supervise

_HELP = """\
Run a job: shopbatch run JOB [--env E] [--dry-run] [key.path=value ...]

Options may stand anywhere, also before the job and between overrides. A second run computes only what changed.

On a terminal a run ends with a few lines for a person; on a pipe, or with --json, the last line on standard output is
its report as JSON. `shopbatch config JOB` lists every key with its value and where that comes from.
"""
_KEYS_HINT = "`shopbatch run JOB --help` also lists the keys of that job's configuration."


@dataclass(frozen=True)
class Call:
    """How a run was called: everything from the command line except the job's configuration.

    Attributes:
        env: Name of the environment, for the report.
        keyed: The run key under which the outcome is also recorded; None for a run that was not submitted to a cluster.
        command: The command line that runs it again.
        json: Whether to print the report as JSON also on a terminal.
        quiet: Whether to show nothing during the run.
        verbose: Whether to show the output of Ray's core and of the JVM, which otherwise goes to the run's log.
    """

    env: str = "local"
    keyed: Keyed | None = None
    command: str = ""
    json: bool = False
    quiet: bool = False
    verbose: bool = False


Run = Callable[[Job, Any, Call], int]


def run_command(run: Run, dry_run: Callable[[Job, Any], int], job: Job | None = None) -> click.Command:
    """Build the click command that runs a job.

    Args:
        run: Runs the job; it gets the job, its settings and the `Call`, and returns the exit code.
        dry_run: Called instead of `run` for `--dry-run`, with the job and its settings; returns the exit code.
        job: The job; None for `shopbatch run`, whose first argument names the job.
    """
    parameters: list[click.Parameter] = [
        click.Option(["--env"], default="local", help="Which conf/<env> says where it runs (default: local)."),
        click.Option(["--with", "overlay"], metavar="FILE", help="A YAML file that takes precedence over conf/."),
        click.Option(
            ["--dry-run"], is_flag=True, help="Print the configuration, and an estimate if the job has one; then stop."
        ),
        click.Option(["--json"], is_flag=True, help="Print the report as JSON, also on a terminal."),
        click.Option(["-q", "--quiet"], is_flag=True, help="Show nothing while the job runs."),
        click.Option(["-v", "--verbose"], is_flag=True, help="Show what Ray and the JVM write, too."),
        # `shopbatch submit` adds these to the command line that it sends to the cluster
        click.Option(["--run-key"], hidden=True),
        click.Option(["--attempt"], type=int, default=1, hidden=True),
        click.Argument(
            ["overrides"], nargs=-1, metavar="[key.path=value]...", help="Override values of the configuration."
        ),
    ]
    if job is None:
        parameters.insert(0, click.Argument(["job"], metavar="JOB", shell_complete=complete_jobs, help="The job."))
        return _RunCommand(None, name="run", params=parameters, callback=_Callback(run, dry_run), help=_HELP)
    text = f"Run the job {job.name}."
    return _RunCommand(
        job, name=job.name, params=parameters, callback=functools.partial(_Callback(run, dry_run), job), help=text
    )


def complete_jobs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the jobs whose names begin with `incomplete`, for shell completion; [] if there is no project."""
    try:
        return [name for name in declaration.names() if name.startswith(incomplete)]
    except UserError:
        return []


class _RunCommand(click.Command):
    """A click command whose `--help` also lists the settings of the job that it runs."""

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
        keys.sort(key=lambda key: key.path.partition(".")[0] == "platform")  # keys that all jobs share come last
        with formatter.section("Configuration (override a value with key.path=value)"):
            formatter.write_dl([(key.path, _describe(key)) for key in keys])


@dataclass(frozen=True)
class _Callback:
    """The function that click calls with the parsed command line: loads the configuration and runs the job.

    Attributes:
        run: Runs a job and returns the exit code.
        dry_run: Called instead of `run` for `--dry-run`.
    """

    run: Run
    dry_run: Callable[[Job, Any], int]

    def __call__(self, job: Job | str, overrides: Sequence[str], **options: Any) -> int:
        job = declaration.find(job) if isinstance(job, str) else job
        keyed = None
        if options["run_key"] is not None:
            from shopbatch.runs.run_key import RunKey

            keyed = Keyed(str(RunKey.parse(options["run_key"])), options["attempt"])
        settings = config.load(job.config, job.name, options["env"], list(overrides), options["overlay"])
        if options["dry_run"]:
            return self.dry_run(job, settings)
        shown = {name: options[name] for name in ("json", "quiet", "verbose")}
        command = _command_line(job.name, options["env"], options["overlay"], overrides)
        call = Call(options["env"], keyed, command, **shown)
        if click.get_current_context().meta.get(OWN_PROCESS):
            return supervise(functools.partial(self.run, job, settings, call))
        return self.run(job, settings, call)


def _command_line(job: str, env: str, overlay: str | None, overrides: Sequence[str]) -> str:
    """Return the command line that runs the job again; the values of overrides that hold secrets become `...`."""
    words = ["shopbatch", "run", job]
    words += [] if env == "local" else ["--env", env]
    words += [] if overlay is None else ["--with", overlay]
    return shlex.join(
        [*words, *(item if _is_harmless(item) else f"{item.partition('=')[0]}=..." for item in overrides)]
    )


def _is_harmless(item: str) -> bool:
    """Return True if neither the key nor the value of an override `key.path=value` looks like a secret."""
    tree = config.override(item)
    return bool(redact_config(tree) == tree)


def _describe(key: config.Key) -> str:
    """Describe a configuration key for `--help`: its type, its default and the first sentence of its meaning."""
    default = "required" if key.default is None else f"default {key.default}"
    facts = "" if key.type == "block" else "; ".join(filter(None, (key.type, default, key.only_for)))
    meaning = key.meaning.partition(". ")[0].rstrip(".")
    return ". ".join(filter(None, (facts, meaning))) + "."
