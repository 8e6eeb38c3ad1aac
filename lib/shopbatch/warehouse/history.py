"""Lists the newest commits of a table (time, metadata, rows after it), for the pages of tables on the site."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import unquote

from shopbatch.warehouse.delta import read_log, stored_metadata
from shopbatch.warehouse.snapshot import Snapshot


@dataclass(frozen=True)
class Commit:
    """One version of a table.

    Attributes:
        version: Its number.
        at: When it was committed, UTC; None if the log does not say.
        rows: Rows of the table after it; None if the log no longer holds what is needed to count them.
        size: Bytes of the table's files after it; None in the same case as `rows`.
        metadata: The metadata that shopbatch stored with it; {} if another client made it.
        client: The program that made it, by the name that it wrote into the log.
    """

    version: int
    at: datetime | None
    rows: int | None
    size: int | None
    metadata: Mapping[str, Any]
    client: str


def commits(snapshot: Snapshot, limit: int) -> list[Commit]:
    """List the newest versions of a table, beginning with the snapshot's own, as far back as Delta's log goes.

    Rows and bytes are counted backwards: from the files of a version, those that its commit added are subtracted, and
    those that it removed are added, to get the files of the version before.

    Args:
        snapshot: The table, at the newest version to list.
        limit: Greatest number of versions.
    """
    logs = list(islice(read_log(snapshot.uri, snapshot.version), limit))
    known = {file.path: (file.rows, file.size) for file in snapshot.files}
    for _, actions in logs:
        known |= {unquote(add["path"]): size for add in _of(actions, "add") if (size := _size(add)) is not None}
    visible: set[str] | None = set(snapshot.by_path)
    listed = []
    for version, actions in logs:
        sizes = [known[path] for path in visible or ()]
        info = next(_of(actions, "commitInfo"), {})
        listed.append(
            Commit(
                version,
                _moment(info.get("timestamp")),
                None if visible is None else sum(rows for rows, _ in sizes),
                None if visible is None else sum(size for _, size in sizes),
                stored_metadata(info),
                str(info.get("engineInfo") or info.get("clientVersion") or "another client"),
            )
        )
        removed = {unquote(remove["path"]) for remove in _of(actions, "remove")}
        added = {unquote(add["path"]) for add in _of(actions, "add")}
        visible = None if visible is None or not removed <= known.keys() else (visible - added) | removed
    return listed


def _of(actions: list[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    return (action[kind] for action in actions if isinstance(action.get(kind), dict))


def _size(add: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return (rows, bytes) of an added file; None if its statistics do not say how many rows it has."""
    rows = json.loads(add.get("stats") or "{}").get("numRecords")
    return None if rows is None else (int(rows), int(add["size"]))


def _moment(milliseconds: Any) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if isinstance(milliseconds, int) else None
