"""`shopbatch run`, `jobs` and `report`: run a job here, and find its report."""

from __future__ import annotations

import ast

import click

from shopbatch.cli.options import environment, open_store
from shopbatch.core import config
from shopbatch.runs.command import complete_jobs, run_command
from shopbatch.runs.declaration import find, names
from shopbatch.runs.job import execute

run = run_command(execute)


@click.command()
@environment()
def jobs(env: str) -> None:
    """List the jobs."""
    for name in names():
        document = ast.get_docstring(ast.parse((config.root() / "jobs" / f"{name}.py").read_text("utf-8"))) or ""
        print(f"{name:24} {document.splitlines()[0]}")


@click.command()
@click.argument("job", shell_complete=complete_jobs, help="The job.")
@environment()
def report(job: str, env: str) -> None:
    """Say where the newest report of a job is, and the files that it links to."""
    from shopbatch.warehouse import browse

    page = browse.newest_report(open_store(env), find(job).name)
    print(f"report: {page}")
    for title, path in browse.report_links(page).items():
        print(f"{title}: {path}")
