"""Data classes with the content of the site's pages: jobs and their runs, tables and their versions, models.

`gather` fills them; `pages` passes them to the HTML templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One run of a job, read from its report. Values that the report lacks are None or empty.

    Attributes:
        job: Name of the job.
        run_id: Id of the run.
        outcome: "published", "nothing to do", "refused", "failed", ...; "unknown" if the report names none.
        started: Start, as the report writes it.
        ended: End, as the report writes it.
        message: Final message of the run, with personal data masked.
        rows: {name of the count ("read", "published", ...): number of rows}.
        read: {table: version that was read}.
        written: {table: version that was written}.
        models: {name in the report: digest}.
        page: Path of its report.html, relative to the warehouse.
    """

    job: str
    run_id: str
    outcome: str
    started: str | None
    ended: str | None
    message: str
    rows: Mapping[str, int]
    read: Mapping[str, int]
    written: Mapping[str, int]
    models: Mapping[str, str]
    page: str


@dataclass(frozen=True)
class Job:
    """A job that is declared, or that has reports in the warehouse.

    Attributes:
        name: Name of the job.
        summary: First line of its docstring; "" if it is not declared.
        runs: Its runs, newest first.
        reads: Names of the tables that it reads.
        writes: Names of the tables that it writes.
        loads: References to the models that it loads.
        makes: Names of the models that it trains.
        skipped: Sentences about runs that are not shown.
    """

    name: str
    summary: str
    runs: Sequence[Run]
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    loads: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()
    skipped: Sequence[str] = ()


@dataclass(frozen=True)
class Version:
    """One version of a table.

    Attributes:
        number: Its Delta version.
        at: Time of the commit in ISO format; None if unknown.
        rows: Number of rows; None where Delta's log no longer holds it.
        size: Bytes; None where Delta's log no longer holds them.
        writer: The job or command that made the version; "" if it only created the table.
    """

    number: int
    at: str | None
    rows: int | None
    size: int | None
    writer: str


@dataclass(frozen=True)
class Column:
    """One column of a table, as the site lists it."""

    name: str
    type: str
    meaning: str
    is_key: bool


@dataclass(frozen=True)
class Table:
    """A table that is declared or exists in the warehouse.

    Attributes:
        name: Name of the table.
        kind: source, published, rejects, memo or other.
        meaning: Its meaning as declared; "" for a table that is not declared.
        columns: Its columns, in order.
        writer: The job that writes it; None if no job does.
        versions: Its newest versions, newest first; empty if it does not exist or cannot be read.
        samples: A few rows as masked texts, one per column.
        problem: Why it cannot be read; "" if it can.
        filled_by: The command that fills it.
    """

    name: str
    kind: str
    meaning: str
    columns: Sequence[Column]
    writer: str | None = None
    versions: Sequence[Version] = ()
    samples: Sequence[Sequence[str]] = ()
    problem: str = ""
    filled_by: str = "shopbatch load"

    @property
    def newest(self) -> Version | None:
        """The newest version, which readers see; None if there is none."""
        return self.versions[0] if self.versions else None


@dataclass(frozen=True)
class Model:
    """One version of a model in the registry.

    Attributes:
        name: Name of the model.
        digest: Its version, the first digits of the digest.
        live: True if it is the version that `name@live` means.
        created: When it was made, in ISO format; None if unknown.
        licence: Its licence; "" if unknown.
        built_on: The base model or encoder that it was trained from; "" if none is named.
        metrics: (name, {"value": ..., "low": ..., "high": ...}) pairs; the interval may be missing.
        job: The job that trained it; None if unknown.
        trained_on: {table: version} that its training run read.
    """

    name: str
    digest: str
    live: bool
    created: str | None
    licence: str
    built_on: str
    metrics: Sequence[tuple[str, Any]] = ()
    job: str | None = None
    trained_on: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """Everything that the site shows.

    Attributes:
        root: The warehouse's folder or URI, without secrets.
        local: Its folder; None for an object store.
        jobs: The jobs.
        tables: The tables.
        models: The models.
        notes: Sentences about what could not be loaded.
    """

    root: str
    local: str | None
    jobs: Sequence[Job]
    tables: Sequence[Table]
    models: Sequence[Model]
    notes: Sequence[str] = ()
