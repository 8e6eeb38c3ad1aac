"""The commands `shopbatch sample`, `load`, `tables` and `why`: fill the source tables and look at the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shopbatch.cli.explain import explain
from shopbatch.cli.options import (
    COUNT,
    Number,
    complete_sources,
    complete_tables,
    environment,
    open_store,
    tell_warehouse,
)
from shopbatch.cli.printing import Count, note, print_rows
from shopbatch.core.controls import one_printable_line, printable_json
from shopbatch.core.errors import UserError

if TYPE_CHECKING:
    from shopbatch.load.identity import Mode

_SOURCES = (
    "Source table: products, users, transactions, campaigns, coupons, redemptions, offers, experiments, events, "
    "referral_events, reviews, support_dialogs, product_copy, glossary, translation_references, queries, "
    "shopper_requests, search_events, judgements, synonyms, orders, order_lines, tickets, ticket_feedback, "
    "intent_examples, aspect_labels, policies (a folder of Markdown files), or images (a folder of pictures)."
)

_IMAGES = ("images", "product_images")


@click.command()
@click.option("--source", type=click.Choice(["real", "generated", "boutique"]), default="real", help="Default: real.")
@click.option(
    "--rows",
    type=COUNT,
    help="Number of reviews (default: all real ones, or 100,000 generated); of a boutique, of products (620).",
)
@click.option("--seed", type=int, default=0, help="Seed of a generated shop.")
@click.option(
    "--transactions",
    type=COUNT,
    help="Number of transaction lines of a generated shop, and of its events (default: 2 per review).",
)
@click.option("--notes", is_flag=True, help="Say where each table comes from, its licence, what is known of it.")
@environment()
def sample(source: str, rows: int | None, seed: int, transactions: int | None, notes: bool, env: str) -> None:
    """Fill the source tables with sample data."""
    from shopbatch import sample as filling

    store = open_store(env)
    store.check_writable()
    if source != "generated" and transactions is not None:
        raise UserError("--transactions: only a generated shop has as many as you like; add --source generated")
    if source == "real":
        report = filling.fill_real(store, rows)
    elif source == "boutique":
        report = filling.fill_boutique(store, rows, seed)
    else:
        report = filling.fill_generated(store, 100_000 if rows is None else rows, seed, lines=transactions)
    print("\n".join(report.lines(notes)))
    if not notes:
        print("origins and licences: shopbatch sample --notes")


@click.command()
@click.argument("table", shell_complete=complete_sources, help=_SOURCES)
@click.argument(
    "file",
    nargs=-1,
    help="A file or folder; nothing with --from. Images: also a CSV with the columns file, product_id.",
)
@click.option(
    "--map",
    "renames",
    multiple=True,
    metavar='COLUMN="Their Column"',
    help="Which column is which; several may follow. COLUMN= leaves one out, attributes.NAME=... adds to a map, auto "
    "takes what is proposed.",
)
@click.option(
    "--set",
    "constants",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="A value for rows that state none, such as currency=USD. Repeatable.",
)
@click.option(
    "--unpublished", is_flag=True, help="Also load products that the export marks as drafts, archived or hidden."
)
@click.option("--from", "database", metavar="URI", help="A database, postgresql://... or env:NAME; with --query.")
@click.option("--query", help="The query whose rows are loaded.")
@click.option("--preset", help="The system that the file comes from (default: recognised; csv: none).")
@click.option("--encoding", help="Of a text file (default: recognised).")
@click.option("--columns", help="The names a,b,c of the columns of a file without a header.")
@click.option("--decimal", help="What marks decimals, . or , (default: recognised).")
@click.option(
    "--date-format",
    "dates",
    multiple=True,
    metavar="[COLUMN=]FORMAT",
    help="dmy, mdy, epoch_s, epoch_ms, epoch_us, epoch_ns, excel or %d.%m.%Y (default: recognised). Repeatable.",
)
@click.option("--max-rejects", type=Number(0, 1), default=0.1, help="Share of rows that may be refused (default: 0.1).")
@click.option(
    "--max-unpacked",
    type=Number(0.001, 10_000),
    metavar="GB",
    help="What a compressed file may become, or a workbook take of the memory (default: 100 times its size, or 1 GB if "
    "that is more, up to 100 GB; a workbook 4 GB).",
)
@click.option(
    "--replace",
    is_flag=True,
    help="Replace the table instead of appending to it: what is not in the file leaves the table.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be loaded, and write nothing.")
@environment()
def load(table: str, file: Sequence[str], replace: bool, dry_run: bool, env: str, **stated: Any) -> None:
    """Load a CSV, JSON lines, Parquet, Delta, spreadsheet or database source, or a folder of policies or pictures."""
    from shopbatch.load import load_file, load_query
    from shopbatch.load import options as said

    if table == "policies":
        _load_policies(file, dry_run, env, stated)
        return
    if table in _IMAGES:
        _load_images(file, dry_run, env, stated)
        return
    uri, query = stated["database"], stated["query"]
    path, renames = _file_and_renames(file, stated["renames"], uri is not None)
    mapping, auto = said.parse_mapping(renames)
    options = said.Options(
        mapping,
        auto,
        stated["preset"],
        said.parse_encoding(stated["encoding"]),
        said.parse_decimal(stated["decimal"]),
        said.parse_dates(stated["dates"]),
        said.parse_names(stated["columns"]),
        stated["max_rejects"],
        stated["max_unpacked"],
        said.parse_constants(stated["constants"]),
        stated["unpublished"],
    )
    store = open_store(env)
    if not dry_run:
        store.check_writable()
    mode: Mode = "replace" if replace else "append"
    if uri is None:
        report = load_file(store, table, path, options, mode, dry_run)
    elif query is None:
        raise UserError("--from: add --query with the query whose rows are loaded")
    else:
        report = load_query(store, table, uri, query, options, mode, dry_run)
    print("\n".join(map(one_printable_line, report.lines())))


def _load_policies(words: Sequence[str], dry_run: bool, env: str, stated: dict[str, Any]) -> None:
    """Load a folder of policies (Markdown files); options that only apply to tables are refused.

    Args:
        words: The arguments of the command: one folder.
        dry_run: Whether nothing is written.
        env: Name of the environment.
        stated: The other options of the command.

    Raises:
        UserError: There is not exactly one folder, or an option was given.
    """
    from shopbatch.load import load_policies

    said = sorted(name for name in stated if name != "max_rejects" and stated[name])
    if said or len(words) != 1:
        raise UserError(
            "policies come from one folder of Markdown files, without options: shopbatch load policies FOLDER"
        )
    store = open_store(env)
    if not dry_run:
        store.check_writable()
    print("\n".join(map(one_printable_line, load_policies(store, words[0], dry_run).lines())))


def _load_images(words: Sequence[str], dry_run: bool, env: str, stated: dict[str, Any]) -> None:
    """Load a folder of pictures, and optionally a CSV list of the products that they show.

    Args:
        words: The arguments of the command: the folder, then the list.
        dry_run: Whether nothing is written.
        env: Name of the environment.
        stated: The other options of the command.

    Raises:
        UserError: The arguments are no folder and list, or an option other than --max-rejects was given.
    """
    from shopbatch.load import load_images

    said = sorted(name for name in stated if name != "max_rejects" and stated[name])
    if said or not 1 <= len(words) <= 2:
        raise UserError(
            "pictures come from one folder, and maybe a list with the columns file and product_id: "
            "shopbatch load images FOLDER [LIST.csv] [--max-rejects SHARE]"
        )
    store = open_store(env)
    if not dry_run:
        store.check_writable()
    report = load_images(store, words[0], words[1] if len(words) > 1 else None, stated["max_rejects"], dry_run)
    print("\n".join(map(one_printable_line, report.lines())))


def _file_and_renames(words: Sequence[str], renames: Sequence[str], database: bool) -> tuple[str, list[str]]:
    """Split the arguments of `shopbatch load` into the file and further values of `--map`.

    After `--map a=x`, users may write more items without the option: `--map a=x b=y` also renames b. Such an item is an
    argument with "=" that is not the name of a file.

    Args:
        words: The arguments of the command.
        renames: The values of `--map`.
        database: Whether `--from` names a database; then there must be no file.

    Returns:
        The file ("" with a database), and all items of `--map`.

    Raises:
        UserError: There is not exactly one file, or a file was named in addition to a database.
    """
    more = [word for word in words if renames and "=" in word and not Path(word).exists()]
    files = [word for word in words if word not in more]
    if database and not files:
        return "", [*renames, *more]
    if len(files) != 1 or database:
        there = f"{' '.join(files) or 'none'}{' beside a database' if database else ''}"
        raise UserError(f"expected one file or folder, not {there}: shopbatch load TABLE FILE")
    return files[0], [*renames, *more]


@click.command()
@click.argument("table", required=False, shell_complete=complete_tables, help="A table whose columns are listed.")
@environment()
def tables(table: str | None, env: str) -> None:
    """List the tables, or the columns of one."""
    from shopbatch.warehouse import browse

    store = open_store(env)
    if table:
        columns = browse.describe(store, table)
        tell_warehouse(env)
        note(browse.meaning_of(table), cut=False)
        print_rows(columns, "meaning", wrap=True)
        return
    there = browse.list_tables(store)
    tell_warehouse(env)
    if there:
        print_rows(
            [row | {"rows": Count(row["rows"])} if row["version"] is not None else row for row in there], "meaning"
        )
        for row in there:
            if row["version"] is None:
                note(row["meaning"], cut=False)
    if missing := browse.list_missing(store):
        note("not there yet:")
        width = max(map(len, missing))
        for name, filled_by in missing.items():
            note(f"  {name:{width}}  {filled_by}")


@click.command()
@click.argument("table", shell_complete=complete_tables, help="A table that an inference job published.")
@click.argument("key", help="The key of the row.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known, as JSON.")
@environment()
def why(table: str, key: str, as_json: bool, env: str) -> None:
    """Say why a row is as it is: content hash, recipe, attempt, run."""
    from shopbatch.warehouse import browse

    store = open_store(env)
    answer = browse.why(store, table, key)
    if as_json:
        print(printable_json(answer, indent=2))
    else:
        explain(store, table, key, answer, env)
