"""Describes the tables of a warehouse for the site: columns, versions with their writers, and a few masked rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.privacy import mask_tree
from shopbatch.site.records import Column, Run, Table, Version
from shopbatch.tables import SOURCES, TABLES, declared, job_of_memo
from shopbatch.warehouse.history import Commit, commits
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

VERSIONS = 30  # most versions of a table that the site shows
ROWS = 3
_CELL = 160  # most characters of a value


def describe_tables(store: Store, runs: Mapping[str, Run]) -> list[Table]:
    """Return the description of every table that is declared or exists in the warehouse.

    Args:
        store: The warehouse.
        runs: {run id: run} of the known runs, by which the job that wrote a version is found.
    """
    there = set(store.names())
    return [_describe(store, name, name in there, runs) for name in [*TABLES, *sorted(there - TABLES.keys())]]


def writer_of(name: str) -> str | None:
    """Return the job that writes a table, from its declaration or (for a memo) its name; None if no job does."""
    if name in TABLES:
        return TABLES[name].job or None
    return job_of_memo(name) if name.endswith("_memo") else None


def _describe(store: Store, name: str, exists: bool, runs: Mapping[str, Run]) -> Table:
    declaration, problem, snapshot, samples = declared(name), "", None, []
    if exists:
        try:
            snapshot = store.find(name)
            samples = _samples(snapshot) if snapshot else []
        except UserError as error:
            problem = one_line(error)
        except FileNotFoundError:
            problem = "A file of its newest version is missing: `shopbatch show` and jobs that read it will fail."
    schema = snapshot.schema if snapshot else declaration.schema() if declaration else pa.schema([])
    key = declaration.key if declaration else ()
    return Table(
        name,
        _kind(name),
        declaration.meaning if declaration else "",
        [Column(f.name, str(f.type), (f.metadata or {}).get(b"comment", b"").decode(), f.name in key) for f in schema],
        writer_of(name),
        [_version(commit, runs) for commit in commits(snapshot, VERSIONS)] if snapshot else (),
        samples,
        problem,
        (declaration.filled_by if declaration else "shopbatch load").replace("`", ""),
    )


def _kind(name: str) -> str:
    if name in SOURCES:
        return "source"
    if name.endswith("_rejects"):
        return "rejects"
    if name.endswith("_memo"):
        return "memo"
    return "published" if name in TABLES else "other"


def _version(commit: Commit, runs: Mapping[str, Run]) -> Version:
    at = commit.at.isoformat(timespec="seconds") if commit.at else None
    return Version(commit.version, at, commit.rows, commit.size, _writer(commit, runs))


def _writer(commit: Commit, runs: Mapping[str, Run]) -> str:
    """Return the job or command that made a commit; "" for a commit that only created the table.

    It is found by the commit's metadata. A commit without metadata of shopbatch is attributed to its client, such as
    Spark.
    """
    said = commit.metadata
    scopes = said.get("scopes")
    newest = [scope for scope in scopes.values() if isinstance(scope, dict)] if isinstance(scopes, dict) else []
    for word in (str(said.get("run_id")), str(said.get("run_key"))):
        if word in runs:
            return runs[word].job
    jobs = {str(tree["job"]) for tree in [said, *newest] if "job" in tree}
    if len(jobs) == 1:
        return jobs.pop()
    command = str(said.get("run_key", "")).partition("/")[0]
    if command in ("sample", "load", "review"):
        return f"shopbatch {command}"
    if not said and commit.version == 0 and not commit.rows:
        return ""
    return "shopbatch" if said else commit.client


def _samples(snapshot: Snapshot) -> list[list[str]]:
    rows = snapshot.read(limit=ROWS).to_pylist()
    return [[_cell(row[name]) for name in snapshot.schema.names] for row in rows]


def _cell(value: Any) -> str:
    """Format a value as one line of masked text, cut after 160 characters; a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):  # a list, or a map as a list of pairs
        value = ", ".join(f"{v[0]}: {v[1]}" if isinstance(v, tuple) and len(v) == 2 else str(v) for v in value)
    text = str(mask_tree(one_line(value)))
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"
