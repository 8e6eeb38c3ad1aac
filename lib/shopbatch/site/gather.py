"""Collects the content of the site: declarations of jobs and tables, reports, models and the warehouse's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import FunctionType

import pyarrow.fs as pafs

from shopbatch.core import config
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError, one_line
from shopbatch.core.privacy import redact_text
from shopbatch.runs import declaration
from shopbatch.site.models import describe_models
from shopbatch.site.records import Job, Model, Run, Site
from shopbatch.site.reports import jobs_with_reports, read_runs
from shopbatch.site.tables import describe_tables
from shopbatch.tables import TABLES
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store


def gather(store: Store, env: str) -> Site:
    """Collect everything that the site shows about a warehouse.

    Args:
        store: The warehouse.
        env: The environment whose configurations determine which tables and models the jobs read.
    """
    notes: list[str] = []
    declared = declaration.names()
    jobs = []
    for name in dict.fromkeys([*declared, *jobs_with_reports(store.root)]):
        runs, skipped = read_runs(store.root, name)
        jobs.append(Job(name, summary(name) if name in declared else "", runs, skipped=skipped))
    jobs = [_declared(job, env, notes) if job.name in declared else job for job in jobs]
    known = {run.run_id: run for job in jobs for run in job.runs}
    starting = {model for job in jobs for model in job.loads if "@" not in model}
    models = describe_models(store.root, known.values(), starting)
    fs, path = files.filesystem(store.root)
    return Site(
        redact_text(store.root.partition("?")[0] if "://" in store.root else store.root),
        path if isinstance(fs, pafs.LocalFileSystem) else None,
        [_as_run(job, models) for job in jobs],
        describe_tables(store, known),
        models,
        notes,
    )


def summary(name: str) -> str:
    """Return the first line of the docstring of a job's file, with "->" as an arrow and without backquotes."""
    run = declaration.find(name).run
    document = run.__globals__["__doc__"] if isinstance(run, FunctionType) else None
    return str(document or "").partition("\n")[0].replace("->", "→").replace("`", "")


def _declared(job: Job, env: str, notes: list[str]) -> Job:
    """Return the job with the tables and models that its configuration and the table declarations name.

    Args:
        job: A declared job.
        env: The environment of the configuration.
        notes: List to which a sentence is appended if the configuration cannot be loaded.
    """
    writes = frozenset(table.name for table in TABLES.values() if table.job == job.name)
    try:
        settings: JobConfig = config.load(declaration.find(job.name).config, job.name, env, [])
    except UserError as error:
        notes.append(f"The configuration of {job.name} cannot be loaded: {one_line(error)}.")
        return replace(job, writes=writes)
    loads = frozenset(settings.required_models().values())
    reads = frozenset((*settings.required_tables(), *settings.optional_tables()))
    return replace(job, reads=reads, writes=writes, loads=loads)


def _as_run(job: Job, models: Sequence[Model]) -> Job:
    """Return the job with what its runs really used, for the lineage graph.

    The tables and models of its newest run that read or wrote a table are added to the declared ones. The models that
    the job trained are set as `makes`.
    """
    made = frozenset(model.name for model in models if model.job == job.name)
    loads = frozenset(reference.partition("@")[0] for reference in job.loads if _is_name(reference))
    run = next((run for run in job.runs if run.read or run.written), None)
    if run is None:
        return replace(job, loads=loads, makes=made)
    used = _used(run, models)
    return replace(
        job,
        reads=job.reads | set(run.read),
        writes=job.writes | set(run.written),
        loads=loads | (used - made),
        makes=made,
    )


def _used(run: Run, models: Sequence[Model]) -> set[str]:
    """Return the names of the models whose digests are in the run's report."""
    return {model.name for model in models if any(digest.startswith(model.digest) for digest in run.models.values())}


def _is_name(reference: str) -> bool:
    """Return True if a model reference names a model of the registry, and not a folder or a model of a hub."""
    return bool(reference) and "/" not in reference and "\\" not in reference
