"""The `shopbatch` command: thin, one function a subcommand. The work is done in the modules it calls."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from shopbatch import __version__
from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.runs import job

_HELP = """\
Batch jobs that put language models to work for an online shop.

  shopbatch sample                            fill the source tables with real public data
  shopbatch run train_sentiment_head          train and register the sentiment model
  shopbatch run score_reviews                 score what is new or changed, publish review_sentiment
  shopbatch show review_sentiment -n 5        look at the result
  shopbatch why review_sentiment w-17         why a row is as it is, or why it is missing
  shopbatch load reviews my.csv --map text="Review Text"     your own reviews; then run score_reviews again

The warehouse is .warehouse here; SHOPBATCH_WAREHOUSE or --env names another. A second run computes only what changed.
Exit codes: 0 done, 2 your mistake (one line says which), 3 a gate refused, 4 stopped and resumable, 1 anything else.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, call, translate the ways to end that are no defect into one line and an exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["run"] and (place := _job_word(arguments)):
        return job.main(arguments[place], arguments[1:place] + arguments[place + 1 :])
    return job.told(lambda: _call(arguments))


def _job_word(arguments: list[str]) -> int:
    """Where the job is named among the words of `shopbatch run`, options before it; 0: nowhere."""
    place = 1
    while place < len(arguments) and arguments[place].startswith("-"):
        place += 2 if arguments[place] in job.WITH_VALUE else 1
    return place if place < len(arguments) else 0


def _call(arguments: list[str]) -> int:
    if arguments[:1] == ["submit"]:
        from shopbatch.cluster import commands

        return commands.submit(arguments[1:])
    if arguments[:1] == ["doctor"]:
        from shopbatch.doctor import command

        return command.doctor(arguments[1:])
    parsed = parser().parse_args(arguments)
    return int(parsed.call(parsed) or 0)


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    whole = argparse.ArgumentParser(
        "shopbatch", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole.add_argument("--version", action="version", version=f"shopbatch {__version__}")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = _command(commands, "run", _run, "run a job: shopbatch run JOB [--env E] [--dry-run] [key.path=value ...]")
    run.add_argument("job")
    _command(commands, "jobs", _jobs, "list the jobs")
    sample = _command(commands, "sample", _sample, "fill the source tables with sample data")
    sample.add_argument("--source", choices=("real", "generated"), default="real", help="default: real")
    sample.add_argument("--rows", type=_count, help="how many reviews (default: all real ones, or 100,000 generated)")
    sample.add_argument("--seed", type=int, default=0, help="seed of a generated shop")
    sample.add_argument(
        "--transactions",
        type=_count,
        help="transaction lines of a generated shop (default: 2 a review); as many events",
    )
    load = _command(commands, "load", _load, "load a CSV, JSON lines, Parquet or Delta source into a table")
    load.add_argument(
        "table",
        help="source table: products, users, transactions, campaigns, coupons, redemptions, events, reviews, "
        "support_dialogs or product_copy",
    )
    load.add_argument("file", help="file or folder")
    load.add_argument("--map", action="append", default=[], metavar='COLUMN="Their Column"', help="repeatable")
    load.add_argument("--replace", action="store_true", help="replace the table instead of appending to it")
    tables = _command(commands, "tables", _tables, "list the tables, or the columns of one")
    tables.add_argument("table", nargs="?")
    show = _command(commands, "show", _show, "show rows of a table")
    show.add_argument("table")
    show.add_argument("-n", type=_count, default=10, help="how many rows (default: 10)")
    show.add_argument(
        "--where", action="append", default=[], metavar="column=value", help="repeatable; column= is null"
    )
    show.add_argument("--json", action="store_true", help="one line of JSON a row")
    models = _command(commands, "models", _models, "list the published models, or those that a row helped to train")
    models.add_argument("--trained-on", nargs=2, metavar=("TABLE", "KEY"), help="for example: reviews w-17")
    report = _command(commands, "report", _report, "where the newest report of a job is")
    report.add_argument("job")
    why = _command(commands, "why", _why, "why a row is as it is: content hash, recipe, attempt, run")
    why.add_argument("table")
    why.add_argument("key")
    _cluster_commands(commands)
    return whole


def _cluster_commands(commands: Any) -> None:
    """The commands that speak to a cluster: their environment is prod unless another is named."""
    doctor = commands.add_parser(
        "doctor", help="find what would go wrong: see `shopbatch doctor --help`", add_help=False
    )
    doctor.add_argument("words", nargs=argparse.REMAINDER)
    commands.add_parser("submit", help="run a job on a cluster, once: see `shopbatch submit --help`", add_help=False)
    status = _command(commands, "status", _status, "where the newest attempt at a run key is", env="prod")
    status.add_argument("key", nargs="?", help="default: all that the cluster knows")
    status.add_argument("--wait", action="store_true", help="wait for the report, print it, exit with the run's code")
    logs = _command(commands, "logs", _logs, "what the driver of a submitted run has printed", env="prod")
    logs.add_argument("key")
    logs.add_argument("--attempt", type=_count, help="default: the newest")
    cancel = _command(commands, "cancel", _cancel, "end a submitted run in good order", env="prod")
    cancel.add_argument("key")


def _command(
    commands: Any, name: str, call: Callable[[argparse.Namespace], int | None], text: str, env: str = "local"
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--env", default=env, help=f"which conf/<env>/platform.yaml says where (default: {env})")
    parser.set_defaults(call=call)
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _store(arguments: argparse.Namespace) -> Any:
    from shopbatch.warehouse.store import Store

    return Store(config.platform(arguments.env).warehouse)


def _run(arguments: argparse.Namespace) -> int:
    return job.main(arguments.job, ["--env", arguments.env])


def _jobs(arguments: argparse.Namespace) -> None:
    for name in job.names():
        document = ast.get_docstring(ast.parse((config.root() / "jobs" / f"{name}.py").read_text("utf-8"))) or ""
        print(f"{name:24} {document.splitlines()[0]}")


def _sample(arguments: argparse.Namespace) -> None:
    from shopbatch import sample

    store = _store(arguments)
    store.check_writable()
    if arguments.source == "real":
        if arguments.transactions is not None:
            raise UserError("--transactions: only a generated shop has as many as you like; add --source generated")
        report = sample.fill_real(store, arguments.rows)
    else:
        rows = 100_000 if arguments.rows is None else arguments.rows
        report = sample.fill_generated(store, rows, arguments.seed, lines=arguments.transactions)
    print("\n".join(report.lines()))


def _load(arguments: argparse.Namespace) -> None:
    from shopbatch.load import load_file

    mapping = {}
    for item in arguments.map:
        target, equals, column = item.partition("=")
        if not equals or not target or not column:
            raise UserError(f'--map {item!r}: expected COLUMN="Their Column"')
        mapping[target] = column
    store = _store(arguments)
    store.check_writable()
    report = load_file(store, arguments.table, arguments.file, mapping, "replace" if arguments.replace else "append")
    print("\n".join(report.lines()))


def _tables(arguments: argparse.Namespace) -> None:
    from shopbatch.warehouse import browse as look

    store = _store(arguments)
    _print_rows(look.describe(store, arguments.table) if arguments.table else look.list_tables(store))


def _show(arguments: argparse.Namespace) -> None:
    from shopbatch.warehouse import browse as look

    rows = look.show(_store(arguments), arguments.table, arguments.n, arguments.where).to_pylist()
    if arguments.json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False, default=str))
    else:
        _print_rows(rows)


def _models(arguments: argparse.Namespace) -> None:
    from shopbatch.capabilities.sentiment.stage import review_text
    from shopbatch.models import erasure

    row = tuple(arguments.trained_on) if arguments.trained_on else None
    _print_rows(erasure.list_models(_store(arguments), row, {"reviews": review_text}))


def _report(arguments: argparse.Namespace) -> None:
    from shopbatch.warehouse import browse as look

    print(f"report: {look.newest_report(_store(arguments), job.find(arguments.job).name)}")


def _why(arguments: argparse.Namespace) -> None:
    from shopbatch.warehouse import browse as look

    print(
        json.dumps(
            look.why(_store(arguments), arguments.table, arguments.key), ensure_ascii=False, indent=2, default=str
        )
    )


def _status(arguments: argparse.Namespace) -> int:
    from shopbatch.cluster import commands

    return commands.status(arguments)


def _logs(arguments: argparse.Namespace) -> int:
    from shopbatch.cluster import commands

    return commands.logs(arguments)


def _cancel(arguments: argparse.Namespace) -> int:
    from shopbatch.cluster import commands

    return commands.cancel(arguments)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        print("no rows")
        return
    # a pipe has no width: as wide as needed there, as wide as the terminal is here
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        grid.add_column(name, overflow="ellipsis", no_wrap=name != "meaning", max_width=60)
    for row in rows:
        # Text, not str: what customers wrote is never read as markup
        grid.add_row(*(Text("" if v is None else str(v).replace("\n", " ")) for v in row.values()))
    console.print(grid)


if __name__ == "__main__":
    raise SystemExit(main())
