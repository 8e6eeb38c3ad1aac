"""The command `shopbatch erase`: removes users, or single reviews, from the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from shopbatch.cli.options import environment, open_store, tell_warehouse
from shopbatch.core.controls import one_printable_line
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import clean

if TYPE_CHECKING:
    from shopbatch.erasure.erase import Erasure


@click.command()
@click.option("--users", metavar="FILE", help="Ids of users: one a line, or a CSV file with the column user_id.")
@click.option("--reviews", metavar="FILE", help="Ids of single reviews: one a line, or the column review_id.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@click.option("--models", is_flag=True, help="Also delete the models that were trained on what is erased.")
@environment()
def erase(users: str | None, reviews: str | None, dry_run: bool, models: bool, env: str) -> int:
    """Erase users or single reviews from the warehouse, and prove it.

    Every row of theirs leaves every table, the memo, the rejects, the tiles, reports and the logs of Delta, in all
    versions. Then every byte of the warehouse is searched for them. Models that were trained on their rows are named;
    they stay until they are trained anew, or until --models deletes them. The same command goes on after an
    interruption.
    """
    if users is None and reviews is None:
        raise UserError("say whom: --users FILE or --reviews FILE")
    from shopbatch.capabilities.sentiment.stage import review_text  # loads an engine's libraries
    from shopbatch.erasure.erase import StillThere, foretell
    from shopbatch.erasure.erase import erase as erase_all
    from shopbatch.erasure.ids import read_ids

    store = open_store(env)
    names = read_ids(users, "user_id") if users else set(), read_ids(reviews, "review_id") if reviews else set()
    tell_warehouse(env)
    texts = {"reviews": review_text}
    if dry_run:
        _tell(foretell(store, *names, texts), "would be erased")
        return 0
    try:
        done = erase_all(store, *names, texts, models)
    except StillThere as error:
        click.echo(f"shopbatch: {clean(str(error))}", err=True)
        return 1
    _tell(done, "erased")
    if models and done.models:
        print("these models are deleted")
    if done.scanned is not None:
        print(f"searched {done.scanned.files:,} files, {done.scanned.bytes:,} bytes: no erased person is in them")
    print(f"record: {done.record}")
    return 0


def _tell(erasure: Erasure, what: str) -> None:
    """Print what an erasure has changed: counts only, and the affected models with the commands that train them anew.

    Args:
        erasure: What was erased, or would be.
        what: "erased" or "would be erased".
    """
    for table, rows in erasure.tables.items():
        print(f"{table}: {rows:,} row{'s' if rows != 1 else ''} {what}")
    if erasure.files:
        print(f"files beside the tables: {len(erasure.files):,} changed or deleted: {_few(erasure.files)}")
    if not erasure.tables and not erasure.files:
        print("no row is theirs")
    if erasure.unknown:
        print(f"{erasure.unknown:,} of the ids are in no row")
    for model, command in erasure.models.items():
        how = command or "with the job that made it"
        print(one_printable_line(f"model {model} was trained on their rows; train it anew: {how}"))
    if erasure.silent:
        print(f"whether these models were cannot be known, they keep no record: {_few(erasure.silent)}")
    if erasure.runs:
        print(f"under way, so that nothing can be erased now: {_few(erasure.runs)}")


def _few(names: Sequence[str]) -> str:
    """Join names for a message: the first five, then how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return one_printable_line(f"{', '.join(names[:5])}{more}")
