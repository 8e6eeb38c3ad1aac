"""Detects, names and undoes changes that other clients made to tables that only shopbatch writes.

These tables are published tables and their rejects, memos, tiles, verdicts, refused rows of loads and training blocks.
An UPDATE, DELETE, append, RESTORE or overwrite by another client would otherwise pass for rows that shopbatch published
or computed. Runs call `put_right` when they start. Commits that change no row (OPTIMIZE, VACUUM, new columns) are
allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from shopbatch.core.errors import Stopped, UserError
from shopbatch.core.notices import note
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.delta import read_log
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.log_files import APP, set_aside_newest
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_ATTEMPTS = 5


class _Moved(Exception):
    """Another commit came between examining the table and undoing changes, so both must be repeated."""


@dataclass(frozen=True)
class _Foreign:
    """The changes by other clients since shopbatch's newest commit to a table.

    Attributes:
        own: The version of shopbatch's newest commit.
        said: The changes, oldest first, as "version 5: UPDATE".
    """

    own: int
    said: list[str]


def put_all_right(store: Store, tables: Iterable[Table], anew: bool = False) -> list[str]:
    """Undo changes by other clients to several tables; return one sentence for each table that had such changes.

    Args:
        store: The warehouse.
        tables: Tables that only shopbatch writes.
        anew: Whether the run makes all missing rows of these tables again, see `put_right`.
    """
    return [said for table in tables if (said := put_right(store, table, anew))]


def put_right(store: Store, table: Table, anew: bool = False) -> str:
    """Undo changes by other clients since shopbatch's newest commit to a table: commit the files of that version again.

    Files that are gone (by VACUUM) stay gone. In that case the metadata that names the table's source is dropped, so
    that the run publishes the table anew.

    Args:
        store: The warehouse.
        table: A table that only shopbatch writes.
        anew: Whether the run makes all missing rows of the table again. If so, a damaged newest entry of its log is set
            aside. If not, such an entry is an error, because what its commit stored (a verdict, the profiles of a past
            day) may not come again.

    Returns:
        One sentence that names what was undone; "" if there was nothing.

    Raises:
        UserError: The table can no longer be read or written: others gave it other columns or features, or its log is
            damaged.
    """
    damaged = _set_newest_aside(store, table) if anew else ""
    return note("; ".join(filter(None, [damaged, _undo(store, table)])))


def _set_newest_aside(store: Store, table: Table) -> str:
    try:
        store.find(table.name)
    except UserError as error:
        left = set_aside_newest(store.uri(table.name), getattr(error, "uri", ""), getattr(error, "why", ""))
        if left is None:
            raise
        after = f"version {left} is the newest" if left >= 0 else "no version is left"
        return f"the newest log entry of {table.name} was damaged and is set aside: {after}, its rows are made again"
    return ""


def _undo(store: Store, table: Table) -> str:
    for _ in range(_ATTEMPTS):
        newest = store.find(table.name)
        if newest is None or (foreign := _foreign(newest)) is None:
            return ""
        before = store.snapshot(table.name, foreign.own)
        whole = _whole_files(table, before)
        lost = len(before.files) - len(whole)
        metadata = _recipes(before.metadata) if lost else {k: v for k, v in before.metadata.items() if k != "run_key"}
        kept = {file.path for file in whole}
        removed = [file.path for file in newest.files if file.path not in kept]
        try:
            key = str(before.metadata.get("run_key", "put right"))
            store.commit(table, whole, "rewrite", key, metadata, removed, guard=_guard(newest.version))
        except _Moved:
            continue
        left = f"; {lost} of its files are gone" if lost else ""
        what = f"others changed {table.name} after our version {foreign.own} ({', '.join(foreign.said)})"
        return f"{what}; that is undone{left}"
    return ""


def _recipes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that is true even after files were lost: the recipe of the table or of its partitions."""
    kept = {"recipe": metadata["recipe"]} if "recipe" in metadata else {}
    scopes = {name: _recipes(inner) for name, inner in (metadata.get("scopes") or {}).items()}
    return kept | ({"scopes": scopes} if scopes else {})


def refuse_foreign(newest: Snapshot) -> None:
    """Raise Stopped if other clients changed rows of a table in the middle of a run.

    A commit on top of such changes would hide them. The next run undoes them.

    Args:
        newest: The newest version of a table that only shopbatch writes. `Store.commit` passes it to its `guard`.

    Raises:
        Stopped: Others changed rows since shopbatch's newest commit.
    """
    if (foreign := _foreign(newest)) is not None:
        raise Stopped(f"others changed {newest.name} in the middle of the run ({', '.join(foreign.said)})")


def _guard(version: int) -> Any:
    def check(newest: Snapshot) -> None:
        if newest.version != version:
            raise _Moved

    return check


def _foreign(newest: Snapshot) -> _Foreign | None:
    """Return the changes of rows by other clients since shopbatch's newest commit.

    None if there are none, or if the log holds no commit of shopbatch.
    """
    said: list[str] = []
    for version, actions in read_log(newest.uri, newest.version):
        info: dict[str, Any] = next((a["commitInfo"] for a in actions if "commitInfo" in a), {})
        if APP in info:
            return _Foreign(version, said[::-1]) if said else None
        changes = [a.get("add") or a.get("remove") for a in actions]
        if any(change is not None and change.get("dataChange", True) for change in changes):
            said.append(f"version {version}: {info.get('operation') or 'an unnamed operation'}")
    return None


def _whole_files(table: Table, snapshot: Snapshot) -> list[DataFile]:
    """Return the files of a version that still exist, have their old size and match their checksums."""
    fs, base = files.filesystem(snapshot.uri)
    infos = fs.get_file_info([f"{base}/{file.path}" for file in snapshot.files])
    return [
        _describe(table, snapshot.uri, file)
        for file, info in zip(snapshot.files, infos, strict=True)
        if info.type == pafs.FileType.File and info.size == file.size and files.is_good(file.uri)
    ]


def _describe(table: Table, uri: str, file: FileRef) -> DataFile:
    """Describe a file for a new commit, with the columns that it has: an older file may lack columns declared later."""
    fs, path = files.filesystem(f"{uri}/{file.path}")
    with pq.ParquetFile(path, filesystem=fs) as parquet:
        names = parquet.schema_arrow.names
    schema = pa.schema([field for field in table.file_schema() if field.name in names])
    return files.describe(uri, file.path, schema, {k: v for k, v in file.partition.items() if v is not None})
