"""Changes that others made to a table that only shopbatch writes: they are noticed, named and undone.

A sink, its rejects, a memo, the tiles, verdicts, refused rows of loads and training blocks are what our commits say.
An UPDATE, DELETE, append, RESTORE or overwrite by another client would otherwise pass for what we published or
computed. Called at the start of a run. Commits that change no row (OPTIMIZE, VACUUM, new columns) are nobody's mistake.
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
    """Another commit came between looking and undoing."""


@dataclass(frozen=True)
class _Foreign:
    """What others did since our newest commit.

    own: the version of that commit. said: the others' operations, oldest first: "version 5: UPDATE".
    """

    own: int
    said: list[str]


def put_all_right(store: Store, tables: Iterable[Table], anew: bool = False) -> list[str]:
    """Undo what others did to several tables; see `put_right`. Returns a sentence for each table that was changed."""
    return [said for table in tables if (said := put_right(store, table, anew))]


def put_right(store: Store, table: Table, anew: bool = False) -> str:
    """Undo what others did to a table since our newest commit, by one commit that shows our files again.

    Files that are gone (by VACUUM) stay gone. The table then no longer says of which source it is, so that the run
    publishes it anew.

    Args:
        store: The warehouse.
        table: A table that only shopbatch writes.
        anew: Whether the run makes all its rows again if they are missing. A damaged newest entry of its log is then
            set aside; else it is refused, because what its commit said (a verdict, the profiles of a past day) may not
            come again.

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
    """What stays true of a table that has lost files: by which recipe its rows were computed."""
    kept = {"recipe": metadata["recipe"]} if "recipe" in metadata else {}
    scopes = {name: _recipes(inner) for name, inner in (metadata.get("scopes") or {}).items()}
    return kept | ({"scopes": scopes} if scopes else {})


def refuse_foreign(newest: Snapshot) -> None:
    """Refuse to build on what others did in the middle of a run: behind our next commit nobody would notice it.

    Args:
        newest: The newest version of a table that only shopbatch writes; a guard of `Store.commit` gets it.

    Raises:
        Stopped: Others changed rows since our newest commit. The next run undoes that.
    """
    if (foreign := _foreign(newest)) is not None:
        raise Stopped(f"others changed {newest.name} in the middle of the run ({', '.join(foreign.said)})")


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
