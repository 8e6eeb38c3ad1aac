"""The command `shopbatch recommend`: shows the published recommendations of one user, with their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from shopbatch.cli.options import environment, open_store
from shopbatch.cli.printing import console, fit, lengths_of, note, print_grid, screen_width
from shopbatch.core.controls import one_printable_line, printable_json

_TITLES = {"buy_again": "Buy again", "discover": "Discover"}


@click.command()
@click.argument("user", help="The user's id.")
@click.option("--list", "only", default="", metavar="LIST", help="This list only: buy_again or discover.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per list.")
@environment()
def recommend(user: str, only: str, as_json: bool, env: str) -> None:
    """Show what is recommended to a user, and why."""
    from shopbatch.capabilities.recommendations.recommend.lookup import lists_of

    lists = lists_of(open_store(env), user, only)
    for number, row in enumerate(lists):
        if as_json:
            print(printable_json(row))
            continue
        if number:
            print()
        _print(row)


def _print(row: Mapping[str, Any]) -> None:
    """Print one of a user's recommendation lists (such as "discover") as a table, long reasons wrapped.

    Args:
        row: The list as `lookup.lists_of` returns it, with `list`, `as_of` and `items`.
    """
    from rich.text import Text

    title = f"{_TITLES.get(row['list'], row['list'])}, as of {row['as_of']}"
    console().print(Text(one_printable_line(title), style="bold"))
    if not row["items"]:
        note("no product: the rules leave none, or nothing is known that the user bought")
        return
    items = [
        {
            "#": place,
            "id": item["product_id"],
            "product": item["name"],
            "kind": item["kind"],
            "score": round(item["score"], 6),
            "why": item["reason"] or "",
        }
        for place, item in enumerate(row["items"], 1)
    ]
    widths = fit(lengths_of(items, list(items[0])), ["#", "id", "kind", "score"], "why", screen_width())
    print_grid(items, widths, wrapped="why")
