"""Shows what a warehouse holds: its tables, their rows, and where a row comes from. Nothing is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from shopbatch.core.errors import UserError
from shopbatch.tables import TABLES
from shopbatch.warehouse import files
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.store import Snapshot, Store


def list_tables(store: Store) -> list[dict[str, Any]]:
    """List every table that is declared or exists: name, rows and version (None: not filled yet), meaning."""
    there = store.names()
    rows = []
    for name in [*TABLES, *(n for n in there if n not in TABLES)]:
        snapshot = store.find(name) if name in there else None
        rows.append(
            {
                "table": name,
                "rows": snapshot.rows if snapshot else None,
                "version": snapshot.version if snapshot else None,
                "meaning": TABLES[name].meaning if name in TABLES else "",
            }
        )
    return rows


def describe(store: Store, name: str) -> list[dict[str, Any]]:
    """List the columns of a table: name, type, meaning (those of the table in the warehouse, if it exists)."""
    snapshot = store.find(name)
    if snapshot is None and name not in TABLES:
        raise UserError(f"no table {name!r}; there are: {', '.join(dict.fromkeys([*TABLES, *store.names()]))}")
    schema = snapshot.schema if snapshot else TABLES[name].schema()
    return [
        {"column": f.name, "type": str(f.type), "meaning": (f.metadata or {}).get(b"comment", b"").decode()}
        for f in schema
    ]


def show(store: Store, name: str, count: int, where: Sequence[str]) -> pa.Table:
    """Read the first `count` rows of a table that meet every `column=value` of `where`; `column=` means null."""
    snapshot = store.snapshot(name)
    condition = None
    for term in where:
        one, column, value = _condition(snapshot, term)
        condition = one if condition is None else condition & one
        snapshot = _narrowed(snapshot, column, value)
    return snapshot.read(where=condition, limit=count)


def _narrowed(snapshot: Snapshot, column: str, value: Any) -> Snapshot:
    """Return the snapshot without the files whose partition or statistics show that they cannot hold the value."""
    if not isinstance(value, str | int | date) or isinstance(value, datetime):
        return snapshot  # a null, or a value of a type whose statistics are rounded
    bounds = snapshot.bounds(column)

    def may_hold(file: FileRef) -> bool:
        if column in file.partition:
            return file.partition[column] == str(value)
        low, high = bounds.get(file.path, (value, value))
        return bool(low <= value <= high)

    return replace(snapshot, files=tuple(f for f in snapshot.files if may_hold(f)))


def _condition(snapshot: Snapshot, term: str) -> tuple[pc.Expression, str, Any]:
    """Parse `column=value`: return it as an expression, and its column and value."""
    column, equals, text = term.partition("=")
    if not equals or column not in snapshot.schema.names:
        raise UserError(f"--where {term!r}: expected column=value, with a column of {', '.join(snapshot.schema.names)}")
    if not text:
        return pc.field(column).is_null(), column, None
    kind = snapshot.schema.field(column).type
    try:
        value = pa.scalar(text).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UserError(f"--where {term!r}: column {column!r} is {kind}") from None
    return pc.field(column) == value, column, value.as_py()


def newest_report(store: Store, job: str) -> str:
    """Find the newest report of a job. UserError if it never ran here."""
    fs, runs = files.filesystem(f"{store.root}/_runs/{job}")
    folders = fs.get_file_info(pafs.FileSelector(runs, allow_not_found=True))
    for folder in sorted((f.base_name for f in folders), reverse=True):
        if fs.get_file_info(f"{runs}/{folder}/report.html").type == pafs.FileType.File:
            return f"{store.root}/_runs/{job}/{folder}/report.html"
    raise UserError(f"job {job!r} has left no report in warehouse {store.root}")


def report_links(report: str) -> dict[str, str]:
    """Find the files that a report links to: {title: path or URI}.

    Args:
        report: Path or URI of its page, as `newest_report` returns it.
    """
    folder = report.rpartition("/")[0]
    fs, path = files.filesystem(f"{folder}/report.json")
    with fs.open_input_stream(path) as stream:
        links = json.loads(stream.read()).get("links", {})
    return {title: f"{folder}/{name}" for title, name in links.items()}


def why(store: Store, name: str, key: str) -> dict[str, Any]:
    """Explain a row of a published table: the row, the source row, the memo's entries, and the run's report.

    Raises:
        UserError: No inference job publishes the table, or the key is neither in it, in its rejects nor in its source.
    """
    published = store.snapshot(name)
    if name not in TABLES or "job" not in published.metadata or "content_hash" not in published.schema.names:
        raise UserError(f"table {name!r} is not published by an inference job: there is nothing to explain")
    column, job = TABLES[name].key[0], published.metadata["job"]
    source = store.snapshot(published.metadata["source"]["table"])
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
        explained["memo"] = _memo(store, f"{job}_memo", row["recipe"], row["content_hash"])
        explained["report"] = f"{store.root}/_runs/{job}/{row['run_id']}/report.html"
    if not rows["published"] and not rows["rejected"]:
        explained["note"] = f"not published yet: {name} is of version {published.metadata['source']['version']}"
    return explained


def _rows(snapshot: Snapshot, column: str, value: str) -> list[dict[str, Any]]:
    return list(snapshot.read(where=pc.field(column) == value).to_pylist())


def _memo(store: Store, name: str, recipe: str, content_hash: str) -> list[dict[str, Any]]:
    """Return the memo's entries of one content under one recipe, oldest commit first."""
    snapshot = store.find(name)
    if snapshot is None:
        return []
    words = [int.from_bytes(bytes.fromhex(content_hash[i : i + 16]), "big", signed=True) for i in (0, 16)]
    same = (pc.field("recipe") == recipe) & (pc.field("hash_hi") == words[0]) & (pc.field("hash_lo") == words[1])
    return list(snapshot.read(where=same).to_pylist())
