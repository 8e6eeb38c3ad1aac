"""The command `shopbatch label`: writes a sheet of the review sentences that are most worth labelling by hand."""

from __future__ import annotations

from collections.abc import Sequence

import click

from shopbatch.cli.export import whole_file
from shopbatch.cli.options import COUNT, environment, open_store
from shopbatch.core import config


@click.command()
@click.option("--output", required=True, metavar="FILE.csv", help="Write the sentences into this file.")
@click.option("-n", "count", type=COUNT, default=100, help="Number of sentences (default: 100).")
@click.option("--taxonomy", "taxonomies", multiple=True, metavar="NAME", help="Repeatable (default: as train_aspects).")
@click.option("--seed", type=int, default=0, help="Another seed draws from other reviews.")
@environment()
def label(output: str, count: int, taxonomies: Sequence[str], seed: int, env: str) -> None:
    """Write the sentences of reviews whose labels would teach train_aspects most into a sheet.

    Fill in the columns aspect and polarity (a copy of the row for each further aspect; `other` if it has none), delete
    the rows that you leave empty, then load it with `shopbatch load aspect_labels FILE.csv`.
    """
    from shopbatch.capabilities.insights.config import TrainAspectsConfig
    from shopbatch.capabilities.insights.label import to_label, write_sheet

    store = open_store(env)
    stated = [f"taxonomies=[{','.join(taxonomies)}]"] if taxonomies else []
    settings = config.load(TrainAspectsConfig, "train_aspects", env, stated)
    sentences = to_label(store, settings, count, seed)
    if not sentences:
        print("nothing to label; no file was written")
        return
    with whole_file(output, "w") as out:
        write_sheet(out, sentences)
    print(f"{len(sentences):,} sentences; fill in aspect and polarity, then: shopbatch load aspect_labels {output}")
