"""`shopbatch sample`, `load`, `tables`, `show` and `why`: fill the source tables and look at the warehouse."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from shopbatch.cli.options import COUNT, complete_sources, complete_tables, environment, open_store
from shopbatch.cli.printing import print_rows
from shopbatch.core.errors import UserError

_SOURCES = (
    "Source table: products, users, transactions, campaigns, coupons, redemptions, events, reviews, support_dialogs or "
    "product_copy."
)


@click.command()
@click.option("--source", type=click.Choice(["real", "generated"]), default="real", help="Default: real.")
@click.option("--rows", type=COUNT, help="Number of reviews (default: all real ones, or 100,000 generated).")
@click.option("--seed", type=int, default=0, help="Seed of a generated shop.")
@click.option(
    "--transactions",
    type=COUNT,
    help="Number of transaction lines of a generated shop, and of its events (default: 2 per review).",
)
@environment()
def sample(source: str, rows: int | None, seed: int, transactions: int | None, env: str) -> None:
    """Fill the source tables with sample data."""
    from shopbatch import sample as filling

    store = open_store(env)
    store.check_writable()
    if source == "real":
        if transactions is not None:
            raise UserError("--transactions: only a generated shop has as many as you like; add --source generated")
        report = filling.fill_real(store, rows)
    else:
        report = filling.fill_generated(store, 100_000 if rows is None else rows, seed, lines=transactions)
    print("\n".join(report.lines()))


@click.command()
@click.argument("table", shell_complete=complete_sources, help=_SOURCES)
@click.argument("file", help="A file or folder.")
@click.option("--map", "renames", multiple=True, metavar='COLUMN="Their Column"', help="Repeatable.")
@click.option("--replace", is_flag=True, help="Replace the table instead of appending to it.")
@environment()
def load(table: str, file: str, renames: Sequence[str], replace: bool, env: str) -> None:
    """Load a CSV, JSON lines, Parquet or Delta source into a table."""
    from shopbatch.load import load_file

    mapping = {}
    for item in renames:
        target, equals, column = item.partition("=")
        if not equals or not target or not column:
            raise UserError(f'--map {item!r}: expected COLUMN="Their Column"')
        mapping[target] = column
    store = open_store(env)
    store.check_writable()
    report = load_file(store, table, file, mapping, "replace" if replace else "append")
    print("\n".join(report.lines()))


@click.command()
@click.argument("table", required=False, shell_complete=complete_tables, help="A table whose columns are listed.")
@environment()
def tables(table: str | None, env: str) -> None:
    """List the tables, or the columns of one."""
    from shopbatch.warehouse import browse

    store = open_store(env)
    print_rows(browse.describe(store, table) if table else browse.list_tables(store))


@click.command()
@click.argument("table", shell_complete=complete_tables, help="The table.")
@click.option("-n", "count", type=COUNT, default=10, help="Number of rows (default: 10).")
@click.option("--where", multiple=True, metavar="column=value", help="Repeatable; an empty value means null.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per row.")
@environment()
def show(table: str, count: int, where: Sequence[str], as_json: bool, env: str) -> None:
    """Show rows of a table."""
    from shopbatch.warehouse import browse

    rows = browse.show(open_store(env), table, count, where).to_pylist()
    if not as_json:
        print_rows(rows)
        return
    for row in rows:
        print(json.dumps(row, ensure_ascii=False, default=str))


@click.command()
@click.argument("table", shell_complete=complete_tables, help="A table that an inference job published.")
@click.argument("key", help="The key of the row.")
@environment()
def why(table: str, key: str, env: str) -> None:
    """Say why a row is as it is: content hash, recipe, attempt, run."""
    from shopbatch.warehouse import browse

    print(json.dumps(browse.why(open_store(env), table, key), ensure_ascii=False, indent=2, default=str))
