"""Looks up what a warehouse holds: its tables, their columns and rows, and how a row came to be. Writes nothing.

The command line (`shopbatch tables`, `show`, `why` and so on) uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
from typing_extensions import TypedDict

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.tables import TABLES, declared
from shopbatch.tables.published import memo_name
from shopbatch.warehouse import files, state_files
from shopbatch.warehouse.rows import Query, read_table
from shopbatch.warehouse.store import Snapshot, Store


class _Saved(TypedDict):
    """The fields of a run's `report.json` that this module reads."""

    links: NotRequired[dict[str, str]]
    models: NotRequired[dict[str, str]]


def list_tables(store: Store) -> list[dict[str, Any]]:
    """List the tables of the warehouse: declared tables first, in the order of their declaration, then the others.

    Returns:
        One {"table", "rows", "version", "meaning"} per table. If a table cannot be read, its meaning says why, and its
        rows and version are None.
    """
    there = store.names()
    rows: list[dict[str, Any]] = []
    for name in [*(n for n in TABLES if n in there), *(n for n in there if n not in TABLES)]:
        try:
            snapshot = store.snapshot(name)
        except UserError as error:
            rows.append({"table": name, "rows": None, "version": None, "meaning": str(error)})
            continue
        rows.append({"table": name, "rows": snapshot.rows, "version": snapshot.version, "meaning": meaning_of(name)})
    return rows


def list_missing(store: Store) -> dict[str, str]:
    """Return the declared tables that do not exist yet: {name: the commands that fill it}."""
    there = store.names()
    return {name: table.filled_by for name, table in TABLES.items() if name not in there}


def meaning_of(name: str) -> str:
    """Return what a row of a table is, by its declaration; "" for a table that is not declared."""
    table = declared(name)
    return table.meaning if table else ""


def describe(store: Store, name: str) -> list[dict[str, Any]]:
    """List the columns of a table: the actual ones, or the declared ones if the table does not exist yet.

    Returns:
        One {"column", "type", "meaning"} per column.

    Raises:
        UserError: The table neither exists nor is declared.
    """
    snapshot = store.find(name)
    if snapshot is None and name not in TABLES:
        raise UserError(f"no table {name!r}; {hint(name, dict.fromkeys([*TABLES, *store.names()]))}")
    schema = snapshot.schema if snapshot else TABLES[name].schema()
    return [
        {"column": f.name, "type": str(f.type), "meaning": (f.metadata or {}).get(b"comment", b"").decode()}
        for f in schema
    ]


def show(store: Store, name: str, count: int, where: Sequence[str]) -> pa.Table:
    """Return the first `count` rows of a table that meet every condition of `where` (see `warehouse.filters`)."""
    return read_table(store.snapshot(name), Query(count, where))


def newest_report(store: Store, job: str) -> str:
    """Return the path or URI of the HTML report of a job's newest run. UserError if no run left one here."""
    fs, runs = files.filesystem(f"{store.root}/_runs/{job}")
    folders = files.entries(fs, runs)
    for folder in sorted((f.base_name for f in folders), reverse=True):
        if fs.get_file_info(f"{runs}/{folder}/report.html").type == pafs.FileType.File:
            return f"{store.root}/_runs/{job}/{folder}/report.html"
    raise UserError(f"job {job!r} has left no report in warehouse {store.root}")


def report_links(report: str) -> dict[str, str]:
    """Return the files to which a report links: {title: path or URI}; {} if they are not known.

    Args:
        report: Path or URI of the report's HTML page, as `newest_report` returns it.
    """
    folder = report.rpartition("/")[0]
    saved = state_files.read(f"{folder}/report.json", _Saved, "its links are not known", keep=True) or {}
    return {title: f"{folder}/{name}" for title, name in saved.get("links", {}).items()}


def why(store: Store, name: str, key: str) -> dict[str, Any]:
    """Explain how a row of a published table came to be.

    Args:
        store: The warehouse.
        name: A table that an inference job publishes.
        key: The key of the row.

    Returns:
        The table's name and the key, with lists of rows under `source`, `published` and `rejected`. If it was published
        or rejected, `memo` has the memo's entries for its content, and `report` the report of its run; else `note` says
        that it is not published yet.

    Raises:
        UserError: No inference job publishes the table, or the key is neither in it, in its rejects nor in its source.
    """
    published = store.snapshot(name)
    made = _made(published)
    if name not in TABLES or "job" not in made or "content_hash" not in published.schema.names:
        raise UserError(f"table {name!r} is not published by an inference job: there is nothing to explain")
    column, job = TABLES[name].key[0], made["job"]
    source = store.snapshot(made["source"]["table"])
    rejects = store.find(f"{name}_rejects")
    rows = {
        "source": _rows(source, column, key),
        "published": _rows(published, column, key),
        "rejected": _rows(rejects, column, key) if rejects else [],
    }
    if not any(rows.values()):
        raise UserError(f"no row {column}={key!r} in {source.name}, {name} or {name}_rejects")
    explained: dict[str, Any] = {"table": name, column: key, **rows}
    for row in [*rows["published"], *rows["rejected"]]:
        explained["memo"] = _memo(store, memo_name(job, str(made.get("step", ""))), row["recipe"], row["content_hash"])
        explained["report"] = f"{store.root}/_runs/{job}/{row['run_id']}/report.html"
    if not rows["published"] and not rows["rejected"]:
        explained["note"] = f"not published yet: {name} is of version {made['source']['version']}"
    return explained


def _made(published: Snapshot) -> Mapping[str, Any]:
    """Return the metadata of the commit that made the rows of a table: its job, recipe and source.

    If the table has partitions, each has such metadata, and that of the first one is returned.
    """
    parts: Mapping[str, Mapping[str, Any]] = published.metadata.get("scopes", {})
    return next(iter(parts.values()), published.metadata)


def run_models(store: Store, table: str, run_id: str) -> dict[str, str]:
    """Return the models that a run used, from its report: {role: digest}; {} if the report is gone."""
    uri = f"{store.root}/_runs/{TABLES[table].job}/{run_id}/report.json"
    saved = state_files.read(uri, _Saved, "its models are not known", keep=True) or {}
    return dict(saved.get("models", {}))


def _rows(snapshot: Snapshot, column: str, value: str) -> list[dict[str, Any]]:
    return list(snapshot.read(where=pc.field(column) == value).to_pylist())


def _memo(store: Store, name: str, recipe: str, content_hash: str) -> list[dict[str, Any]]:
    """Return the memo's entries for one content under one recipe, oldest commit first."""
    snapshot = store.find(name)
    if snapshot is None:
        return []
    words = [int.from_bytes(bytes.fromhex(content_hash[i : i + 16]), "big", signed=True) for i in (0, 16)]
    same = (pc.field("recipe") == recipe) & (pc.field("hash_hi") == words[0]) & (pc.field("hash_lo") == words[1])
    return list(snapshot.read(where=same).to_pylist())
