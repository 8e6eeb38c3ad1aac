"""The command `shopbatch review`: exports published texts as a sheet for a person, and loads that person's verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import click

from shopbatch.cli.export import whole_file
from shopbatch.cli.options import COUNT, environment, open_store
from shopbatch.core import config
from shopbatch.core.controls import one_printable_line
from shopbatch.core.errors import UserError


@click.command()
@click.argument("table", type=click.Choice(["product_descriptions"]), help="The table whose texts are reviewed.")
@click.option("--output", metavar="FILE.csv", help="Write the texts that nobody has reviewed yet into this file.")
@click.option("-n", "count", type=COUNT, help="Number of texts (default: all); with --output.")
@click.option("--where", multiple=True, metavar="column=value", help="Only such rows, as in show; with --output.")
@click.option(
    "--load", "sheet", metavar="FILE", help="Read the verdicts back: accept, edit (with the new text) or refuse."
)
@click.option("--trust", is_flag=True, help="Load edits that say what the product's facts do not back; with --load.")
@environment()
def review(
    table: str, output: str | None, count: int | None, where: Sequence[str], sheet: str | None, trust: bool, env: str
) -> None:
    """Let a person accept, edit or refuse published copy, in a spreadsheet.

    The next run of the job publishes edited texts in place of the written ones, and refused texts no more.
    """
    if (output is None) == (sheet is None):
        raise UserError(f"say --output FILE.csv or --load FILE: shopbatch review {table} --output FILE.csv")
    if output is None and (count is not None or where):
        raise UserError("-n and --where choose what --output writes; --load takes every row that has a verdict")
    if sheet is None and trust:
        raise UserError("--trust: add it to --load")
    from shopbatch.capabilities.copywriting.config import Config
    from shopbatch.capabilities.copywriting.review_load import load_reviews
    from shopbatch.capabilities.copywriting.review_sheet import write_sheet
    from shopbatch.capabilities.copywriting.review_texts import to_review

    store = open_store(env)
    if sheet is not None:
        loaded = load_reviews(store, config.load(Config, "describe_products", env, []), sheet, trust)
        print("\n".join(one_printable_line(line) for line in loaded.lines()))
        return
    rows, changed = to_review(store, count, where)
    if changed:
        print(f"{changed:,} left out: their products have changed since; run describe_products first")
    if not rows:
        print("nothing to review; no file was written")
        return
    with whole_file(str(output), "w") as out:
        write_sheet(out, rows)
    print(f"{len(rows):,} texts to review; fill in the column verdict, then: shopbatch review {table} --load {output}")
