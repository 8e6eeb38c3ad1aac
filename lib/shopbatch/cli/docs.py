"""The command `shopbatch docs`: writes a static site that describes the warehouse."""

from __future__ import annotations

import click

from shopbatch.cli.options import environment, open_store


@click.command()
@click.option("--output", metavar="FOLDER", help="Where the site is written (default: _site in the warehouse).")
@click.option("--open", "show", is_flag=True, help="Open the site in the browser.")
@environment()
def docs(output: str | None, show: bool, env: str) -> None:
    """Write a static site of the warehouse: jobs, runs, tables, models, lineage.

    The pages show a few rows of each table, in which e-mail addresses, telephone and card numbers are masked. They
    have no scripts and load nothing.
    """
    from shopbatch.site.build import build_site

    index = build_site(open_store(env), env, output)
    print(f"site: {index}")
    if show:
        click.launch(str(index))
