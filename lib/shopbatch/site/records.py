"""What the pages of the site show: jobs with their runs, tables with their versions, and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One run of a job, as its report tells it. Every part but the names may be missing there.

    read, written: {table: version}. models: {name in the report: digest}. page: the path of its report.html.
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
    """A job that is declared or that has run here.

    reads, writes: tables. loads, makes: names of models. skipped: what is not shown of its runs, in sentences.
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
    """One version of a table; rows and size are None where Delta's log no longer holds them."""

    number: int
    at: str | None
    rows: int | None
    size: int | None
    writer: str


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: str
    meaning: str
    is_key: bool


@dataclass(frozen=True)
class Table:
    """A table that is declared or that exists. Without versions it does not exist yet, or has a problem.

    kind: source, published, rejects, memo or other. samples: a few rows, masked, as text in the order of the columns.
    filled_by: the commands that fill it, where no job does.
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
        """The version that readers see."""
        return self.versions[0] if self.versions else None


@dataclass(frozen=True)
class Model:
    """A published model. metrics: (name, value) pairs. trained_on: {table: version} that its run read."""

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
    """All that the site shows. root: the warehouse, without secrets. local: its folder; None for an object store."""

    root: str
    local: str | None
    jobs: Sequence[Job]
    tables: Sequence[Table]
    models: Sequence[Model]
    notes: Sequence[str] = ()
