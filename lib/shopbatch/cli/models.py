"""`shopbatch models`: the published models, and which of them a row helped to train."""

from __future__ import annotations

import click

from shopbatch.cli.options import environment, open_store
from shopbatch.cli.printing import print_rows


@click.command()
@click.option(
    "--trained-on", nargs=2, metavar="TABLE KEY", help="Only models trained on this row, such as reviews w-17."
)
@environment()
def models(trained_on: tuple[str, str] | None, env: str) -> None:
    """List the published models, or those trained on a row."""
    from shopbatch.capabilities.sentiment.stage import review_text
    from shopbatch.models import erasure

    print_rows(erasure.list_models(open_store(env), trained_on, {"reviews": review_text}))
