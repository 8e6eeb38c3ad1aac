"""The command `shopbatch show`: prints rows of a table on a terminal, or writes them into a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from shopbatch.cli.export import FORMATS, export
from shopbatch.cli.options import COUNT, complete_tables, environment, open_store
from shopbatch.cli.printing import fit, fixed_of, lengths_of, note, print_grid, print_vertical, screen_width
from shopbatch.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from shopbatch.warehouse.arrange import Arrangement
    from shopbatch.warehouse.rows import Query
    from shopbatch.warehouse.snapshot import Snapshot
    from shopbatch.warehouse.store import Store

_DEFAULT = 10


@click.command()
@click.argument("table", shell_complete=complete_tables, help="The table.")
@click.option("-n", "count", type=COUNT, help="Number of rows (default: 10; with --output all).")
@click.option(
    "--where",
    multiple=True,
    metavar="column=value",
    help="Only such rows: =, !=, <, <=, >, >= or ~ (contains). Repeatable; = with no value means null, != not null.",
)
@click.option("--sort", default="", metavar="[-]column", help="Least first, or with - greatest first; nulls are last.")
@click.option("--columns", metavar="a,b,c", help="These columns only.")
@click.option("--all", "everything", is_flag=True, help="All columns, also digests and ids of runs.")
@click.option("--vertical", is_flag=True, help="All columns of a row below each other.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    help="Default: table. The others have all columns in full. In csv, text that begins with = + - @, which a "
    "spreadsheet would take for a formula, gets a ' in front.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json: one line per row.")
@click.option("--output", metavar="FILE", help="Write csv, json or parquet into this file.")
@click.option("--candidate", metavar="RUN_ID", help="Rows of a run that a gate refused; only rejects are kept.")
@environment()
def show(table: str, count: int | None, where: Sequence[str], sort: str, env: str, **options: Any) -> None:
    """Show rows of a table."""
    from shopbatch.warehouse.arrange import arrange
    from shopbatch.warehouse.candidates import candidate_of
    from shopbatch.warehouse.rows import Query

    store, run, output = open_store(env), options["candidate"], options["output"]
    kind = "json" if options["as_json"] and options["kind"] == "table" else options["kind"]
    if output is not None and kind == "table":
        raise UserError("--output: add --format csv, json or parquet")
    snapshot = candidate_of(store, table, run) if run else store.snapshot(table)
    arrangement = arrange(snapshot)
    limit = count if count is not None or output is not None else _DEFAULT
    query = Query(limit, where, sort)
    if kind != "table":
        _export(store, snapshot, arrangement, query, {**options, "kind": kind, "said": count is not None})
        return
    rows = _rows(store, snapshot, arrangement, query)
    if not rows:
        print("no rows")
        return
    _print(rows, arrangement, options)
    if options["vertical"]:
        return
    if where:
        note(
            f"the first {limit:,} rows that match (-n N for more)"
            if len(rows) == limit
            else f"{len(rows):,} rows match"
        )
    elif len(rows) < snapshot.rows:
        note(f"{len(rows):,} of {snapshot.rows:,} rows (-n N for more)")


def _rows(store: Store, snapshot: Snapshot, arrangement: Arrangement, query: Query) -> list[dict[str, Any]]:
    """Read the rows that match the query, with the source text (such as the review) to which each row belongs.

    Returns:
        The rows by column, in the order of `arrangement.everything`; None where a row has no value.
    """
    from shopbatch.warehouse.rows import add_text, read_table

    rows = add_text(store, snapshot, read_table(snapshot, query))
    return [{name: row.get(name) for name in arrangement.everything} for row in rows.to_pylist()]


def _print(rows: Sequence[Mapping[str, Any]], arrangement: Arrangement, options: Mapping[str, Any]) -> None:
    """Print rows as a table that fits the terminal, or with one column per line.

    One column per line is used for `--vertical`, and if the columns that the user asked for do not fit.

    Args:
        rows: The rows.
        arrangement: The order and importance of the table's columns.
        options: The options of the command.
    """
    from shopbatch.warehouse.arrange import chosen_columns

    names, strict = arrangement.shown, options["everything"] or options["vertical"]
    if strict:
        names = arrangement.everything
    if options["columns"]:
        names, strict = chosen_columns(arrangement, options["columns"]), True
    if not strict:  # leave out empty columns, unless people expect them
        expected = arrangement.expected
        names = tuple(n for n in names if n in expected or any(row[n] is not None for row in rows))
    lengths = lengths_of(rows, names)
    fixed = [*fixed_of(rows, names), *arrangement.key]
    about = arrangement.about if arrangement.about in names else ""
    widths = fit(lengths, fixed, about, screen_width())
    if options["vertical"] or (strict and len(widths) < len(names)):
        print_vertical([{n: row[n] for n in names} for row in rows])
        return
    order = names if options["columns"] else arrangement.in_order(tuple(widths))
    print_grid(rows, {n: widths[n] for n in order})
    if left := [n for n in arrangement.everything if n not in widths and not strict]:
        note(_left_out(left))


def _left_out(names: Sequence[str]) -> str:
    """Return a line that names the columns that are not shown, cut to the width of the terminal."""
    begin, end = f"+ {len(names)} column{'s' * (len(names) > 1)}: ", " (--all, --vertical)"
    room, listed = screen_width() - len(begin) - len(end), ", ".join(names)
    if len(listed) > room:
        listed = listed[: max(0, room - 3)].rpartition(", ")[0]
        listed = f"{listed}, …" if listed else "…"
    return begin + listed + end


def _export(
    store: Store, snapshot: Snapshot, arrangement: Arrangement, query: Query, options: Mapping[str, Any]
) -> None:
    """Write rows as csv, json or parquet to standard output or a file."""
    import pyarrow as pa

    from shopbatch.warehouse.arrange import chosen_columns
    from shopbatch.warehouse.rows import add_text, read_rows, schema_of

    names: Sequence[str] = snapshot.schema.names
    if options["columns"]:
        names = chosen_columns(arrangement, options["columns"])
    text = arrangement.about if arrangement.about in names else ""
    fields = {f.name: f for f in schema_of(snapshot)} | {text: pa.field(text, pa.string())}

    def pieces() -> Iterator[pa.Table]:
        for piece in read_rows(snapshot, query):
            yield (add_text(store, snapshot, piece) if text else piece).select(names)

    rows = export(pieces(), pa.schema([fields[n] for n in names]), options["kind"], options["output"])
    if options["output"]:
        print(f"wrote {rows:,} rows to {options['output']}")
    elif not options["said"] and rows == query.count != snapshot.rows:
        click.echo(f"shopbatch: these are the first {rows} rows; -n N or --output FILE for more", err=True)
