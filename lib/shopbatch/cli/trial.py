"""The command `shopbatch try`: computes a few rows by a job within seconds; nothing is published or kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from shopbatch.cli.export import plain_rows
from shopbatch.cli.options import COUNT, environment
from shopbatch.cli.printing import print_rows, print_vertical
from shopbatch.core import config
from shopbatch.core.controls import printable_json
from shopbatch.core.errors import UserError
from shopbatch.core.scratch import scratch
from shopbatch.runs.command import complete_jobs
from shopbatch.runs.declaration import Job, find

_COLUMNS = 8  # results with more columns are printed with one column per line


@click.command("try")
@click.argument("job", shell_complete=complete_jobs, help="A job that computes row by row, such as score_reviews.")
@click.argument("texts", nargs=-1, metavar='["TEXT"]...', help="Texts; key.path=value is an override.")
@click.option("--file", "path", metavar="FILE", help="Rows of a file of any format that `shopbatch load` reads.")
@click.option("-n", "count", type=COUNT, default=20, help="Number of the file's rows (default: 20).")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per row.")
@environment()
def try_(job: str, texts: Sequence[str], path: str | None, count: int, as_json: bool, env: str) -> None:
    """Show what a job would publish for a few rows. Nothing is published or kept."""
    declared = find(job)
    overrides = [word for word in texts if _is_override(word, declared)]
    words: list[Any] = [word for word in texts if word not in overrides]
    if bool(words) == (path is not None):
        raise UserError(f'give texts or a file: shopbatch try {job} "TEXT", or shopbatch try {job} --file FILE')
    from shopbatch.api import score_with_rows

    table = ""
    if path is not None:
        table = config.load(declared.config, job, env, overrides).required_tables()[0]
        words = _file_rows(table, path, count)
    keys: dict[str, Any] = {}
    for item in overrides:
        keys = config.merge(keys, config.override(item))
    results = [
        result | ({declared.text: row.get(declared.text)} if declared.text else {})
        for row, result in score_with_rows(words, declared, env, keys, table)
    ]
    if not results:
        raise UserError(f"{path}: no row holds a text that {job} reads")
    if as_json:
        for result in results:
            print(printable_json(result))
        return
    names = [n for n in dict.fromkeys(name for result in results for name in result) if n != declared.text]
    whole = [{name: result.get(name) for name in [*names, declared.text]} for result in results]
    if len(names) > _COLUMNS:
        print_vertical([{name: value for name, value in row.items() if value not in (None, [])} for row in whole])
    else:
        print_rows(whole, declared.text)


def _is_override(word: str, job: Job) -> bool:
    """Return True if a word is an override `key.path=value` with a key of the job's configuration, and not a text."""
    key, equals, _ = word.partition("=")
    return bool(equals) and key.partition(".")[0] in job.config.model_fields


def _file_rows(table: str, path: str, count: int) -> list[dict[str, Any]]:
    """Return the first rows of a file, read as `shopbatch load` would read them.

    They are loaded into a temporary warehouse, which is removed afterwards.

    Args:
        table: Name of the source table.
        path: The file.
        count: Number of rows.
    """
    from shopbatch.load import load_file
    from shopbatch.load.options import Options
    from shopbatch.warehouse.store import Store

    with scratch("shopbatch-try-") as folder:
        store = Store(str(folder / "warehouse"))
        load_file(store, table, path, Options(auto=True))
        return plain_rows(store.snapshot(table).read(limit=count))
