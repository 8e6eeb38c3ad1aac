"""The commands `shopbatch run`, `runs`, `jobs` and `report`: run a job on this machine, and look at past runs."""

from __future__ import annotations

import ast

import click

from shopbatch.cli.options import COUNT, environment, open_store
from shopbatch.cli.printing import print_rows
from shopbatch.core.controls import one_printable_line
from shopbatch.runs.command import complete_jobs, run_command
from shopbatch.runs.declaration import find, folder, names
from shopbatch.runs.formats import first_do
from shopbatch.runs.job import dry_run, run_to_exit_code

run = run_command(run_to_exit_code, dry_run)


@click.command()
@click.argument("job", required=False, shell_complete=complete_jobs, help="A job (default: all).")
@click.option("-n", "count", type=COUNT, default=20, help="Number of runs, the newest (default: 20).")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per run.")
@environment()
def runs(job: str | None, count: int, as_json: bool, env: str) -> None:
    """List the newest runs and what became of them, also of those that were killed."""
    from shopbatch.runs import history
    from shopbatch.runs.report import json_line, run_folder

    warehouse = open_store(env).root
    reports = history.newest(warehouse, None if job is None else find(job).name, count)
    if as_json:
        for each in reports:
            print(json_line(each))
        return
    if not reports:
        print(f"no run{'' if job is None else f' of {job}'} in warehouse {warehouse} yet")
        return
    print_rows([history.row(each) for each in reports], "message")
    last = reports[0]
    if last["outcome"] not in ("published", "nothing to do", "running"):
        print(f"\nthe newest: {last['outcome']}: {one_printable_line(last['message'])}")
        print(f"its log:    {run_folder(warehouse, last['job'], last['run_id'])}/log.txt")
        if last.get("command"):
            first = first_do(last)
            print(f"to go on:   {first + ', then: ' if first else ''}{one_printable_line(last['command'])}")


@click.command()
@environment()
def jobs(env: str) -> None:
    """List the jobs."""
    for name in names():
        document = ast.get_docstring(ast.parse((folder() / f"{name}.py").read_text("utf-8"))) or ""
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
        print(f"{one_printable_line(title)}: {one_printable_line(path)}")
