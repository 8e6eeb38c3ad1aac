"""The command `shopbatch verify`: reads everything in the warehouse and reports what is damaged."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from shopbatch.cli.options import complete_tables, environment, open_store, tell_warehouse
from shopbatch.cli.printing import Count, note, print_rows
from shopbatch.core.controls import one_printable_line, printable_json
from shopbatch.runs.outcomes import DONE, REFUSED


@click.command()
@click.argument("tables", nargs=-1, shell_complete=complete_tables, help="Tables (default: all that is there).")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per table, model, checkpoint and key.")
@environment()
def verify(tables: Sequence[str], as_json: bool, env: str) -> int:
    """Read everything in the warehouse and say what is damaged.

    Checks every file against its checksums and its rows against the log, the entries of the log, the keys of
    published tables, that the memo holds what was published, models, checkpoints of trainings, and the key of keyed
    hashes. Writes nothing. The exit code is 3 if something is damaged, 0 if nothing is.
    """
    from shopbatch.doctor import verification

    store = open_store(env)
    if not as_json:
        tell_warehouse(env)
    done = []
    for checked in verification.verify(store, tables):
        done.append(checked)
        if as_json:
            fields = asdict(checked) | {"do": verification.what_to_do(store, checked) if checked.findings else ""}
            print(printable_json(fields), flush=True)
            continue
        for finding in checked.findings:
            print(f"damaged: {checked.kind} {one_printable_line(f'{checked.name}: {finding}')}", flush=True)
        if checked.findings:
            print(f"         -> {verification.what_to_do(store, checked)}", flush=True)
    bad = sum(len(checked.findings) for checked in done)
    if not as_json and done:
        print_rows(
            [
                {
                    "what": f"{checked.kind} {checked.name}",
                    "files": Count(checked.files),
                    "rows": "" if checked.rows is None else Count(checked.rows),
                    "bytes": Count(checked.size),
                    "result": f"{len(checked.findings)} damaged" if checked.findings else "good",
                }
                for checked in done
            ],
            "what",
        )
        if unprotected := sum(checked.unprotected for checked in done):
            note(f"{unprotected:,} files have no checksum of their own: an older version or another program wrote them")
        if aside := verification.set_aside(store):
            note(f"{aside:,} damaged files were set aside by earlier runs, in {store.root}/_damaged")
    if bad:
        print(f"shopbatch: {bad:,} finding{'s' if bad > 1 else ''}: see above", file=sys.stderr)
    return REFUSED if bad else DONE
