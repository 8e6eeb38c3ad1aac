"""Changes that others made to a table that only shopbatch writes: they are noticed, named and undone.

A sink, its rejects, a memo and the tiles are what our own commits say. An UPDATE, DELETE, append, RESTORE or overwrite
by another client would otherwise pass for what we published or computed. Called at the start of a run. Commits that
change no row (OPTIMIZE, VACUUM, new columns) are nobody's mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.delta import APP, read_log
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_ATTEMPTS = 5


class _Moved(Exception):
    """Another commit came between looking and undoing."""


@dataclass(frozen=True)
class _Foreign:
    """What others did since our newest commit.

    own: the version of that commit. said: the others' operations, oldest first: "version 5: UPDATE".
    """

    own: int
    said: list[str]


def put_right(store: Store, table: Table) -> str:
    """Undo what others did to a table since our newest commit, by one commit that shows our files again.

    Files that are gone (by VACUUM) stay gone. The table then no longer says of which source it is, so that the run
    publishes it anew.

    Args:
        store: The warehouse.
        table: A table that only shopbatch writes.

    Returns:
        One sentence that names what was undone; "" if there was nothing.

    Raises:
        UserError: The table can no longer be written: others gave it other columns, or features that we cannot write.
    """
    for _ in range(_ATTEMPTS):
        newest = store.find(table.name)
        if newest is None or (foreign := _foreign(newest)) is None:
            return ""
        before = store.snapshot(table.name, foreign.own)
        whole = _whole_files(table, before)
        lost = len(before.files) - len(whole)
        metadata = {} if lost else {k: v for k, v in before.metadata.items() if k != "run_key"}
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


def _guard(version: int) -> Any:
    def check(newest: Snapshot) -> None:
        if newest.version != version:
            raise _Moved

    return check


def _foreign(newest: Snapshot) -> _Foreign | None:
    """What others did to the rows since our newest commit; None if nothing, or if no commit of ours is known."""
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
    """The files of a version that are still there, with the sizes that they had, and undamaged."""
    fs, base = files.filesystem(snapshot.uri)
    infos = fs.get_file_info([f"{base}/{file.path}" for file in snapshot.files])
    return [
        _describe(table, snapshot.uri, file)
        for file, info in zip(snapshot.files, infos, strict=True)
        if info.type == pafs.FileType.File and info.size == file.size and files.is_good(file.uri)
    ]


def _describe(table: Table, uri: str, file: FileRef) -> DataFile:
    """Describe a file anew, with the columns that it has: an older one may lack columns that were declared later."""
    fs, path = files.filesystem(f"{uri}/{file.path}")
    with pq.ParquetFile(path, filesystem=fs) as parquet:
        names = parquet.schema_arrow.names
    schema = pa.schema([field for field in table.file_schema() if field.name in names])
    return files.describe(uri, file.path, schema, {k: v for k, v in file.partition.items() if v is not None})
