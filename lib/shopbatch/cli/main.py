"""The `shopbatch` command with its list of subcommands. The module of a subcommand is imported when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword

import click
from click.shell_completion import CompletionItem, shell_complete

from shopbatch import __version__
from shopbatch.runs.invoke import invoke

PROGRAM = "shopbatch"
COMPLETE = "_SHOPBATCH_COMPLETE"  # the shell sets this variable to ask for completions

# name -> its module in shopbatch.cli, and its line in `shopbatch --help`, which must not import the module
COMMANDS = {
    "init": ("init", "Make a project folder, and a warehouse with the models that ship."),
    "run": ("runs", "Run a job."),
    "try": ("trial", "Show what a job would publish for a few rows."),
    "runs": ("runs", "List the newest runs and what became of them."),
    "jobs": ("runs", "List the jobs."),
    "config": ("settings", "List the keys of a job's configuration, their values and where these come from."),
    "report": ("runs", "Say where the newest report of a job is."),
    "sample": ("data", "Fill the source tables with sample data."),
    "load": ("data", "Load a CSV, JSON lines, Parquet, Delta, spreadsheet or database source, or a folder."),
    "tables": ("data", "List the tables, or the columns of one."),
    "show": ("show", "Show rows of a table."),
    "search": ("search", "Find products in the index that embed_products published."),
    "review": ("review", "Let a person accept, edit or refuse published copy, in a spreadsheet."),
    "label": ("label", "Write the sentences of reviews whose labels would teach train_aspects most into a sheet."),
    "why": ("data", "Say why a row is as it is: content hash, recipe, attempt, run."),
    "recommend": ("recommend", "Show what is recommended to a user, and why."),
    "models": ("models", "List the published models, or those trained on a row."),
    "erase": ("erase", "Erase users or single reviews from the warehouse, and prove it."),
    "docs": ("docs", "Write a static site of the warehouse: jobs, runs, tables, models, lineage."),
    "doctor": ("doctor", "Find what would make a run fail before it starts."),
    "chaos": ("chaos", "Kill processes of a job at drawn places, and check that nothing is lost."),
    "verify": ("verify", "Read everything in the warehouse and say what is damaged."),
    "submit": ("cluster", "Run a job on a cluster, once."),
    "status": ("cluster", "Say where the newest attempt at a run key is."),
    "logs": ("cluster", "Print what the driver of a submitted run has printed."),
    "cancel": ("cluster", "End a submitted run in good order."),
}

_HELP = """\
Batch jobs that put language models to work for an online shop.

\b
shopbatch init                           a warehouse here, with the models that ship
shopbatch sample                         fill the source tables with real data
shopbatch run score_reviews              score what is new or changed, publish
shopbatch show review_sentiment -n 5     look at the result
shopbatch why review_sentiment w-17      why a row is as it is, or is missing
shopbatch load reviews my.csv --map text="Review Text"
                                         your own reviews; then score them
shopbatch run train_sentiment_head       train a sentiment model on them

conf/<env>/platform.yaml names the warehouse of --env (local: the folder .warehouse here); SHOPBATCH_WAREHOUSE takes
precedence over it, and platform.warehouse=... over both. A second run computes only what changed.

Exit codes: 0 done, 2 your mistake (one line says which), 3 a gate refused, 4 stopped and resumable, 1 anything else.
"""
_EPILOG = f"""\
Shell completion: put eval "$({COMPLETE}=bash_source {PROGRAM})" into ~/.bashrc (zsh_source for zsh, fish_source for
fish).
"""


class _LazyGroup(click.Group):
    """A click group that lists its subcommands from COMMANDS without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command = getattr(import_module(f"shopbatch.cli.{COMMANDS[cmd_name][0]}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [(name, summary) for name, (_, summary) in COMMANDS.items() if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=summary) for name, summary in commands), *options]


shopbatch = click.version_option(__version__, message=f"{PROGRAM} %(version)s")(
    _LazyGroup(name=PROGRAM, help=_HELP, epilog=_EPILOG, no_args_is_help=False)
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        argv: The arguments; None takes those of the process.
    """
    if argv is None and (instruction := os.environ.get(COMPLETE)):
        return shell_complete(shopbatch, {}, PROGRAM, COMPLETE, instruction)
    return invoke(shopbatch, sys.argv[1:] if argv is None else argv, PROGRAM, own_process=argv is None)


if __name__ == "__main__":
    raise SystemExit(main())
