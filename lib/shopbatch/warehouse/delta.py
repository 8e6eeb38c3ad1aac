"""Opens Delta tables, reads them as snapshots, and writes commits to their logs, with the library deltalake.

`store.py` calls it. deltalake's `create_write_transaction` checks neither files nor schema, so the store does. Besides
this module only `history.py` and `foreign.py` read entries of Delta's log, by `read_log`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from shopbatch.core.errors import UserError, one_line
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.log_files import APP, check_log, find_damage, how_to_fill, recover
from shopbatch.warehouse.log_sums import check_entry, seal
from shopbatch.warehouse.snapshot import Mode, Snapshot
from shopbatch.warehouse.writable import read_demands

_UNREADABLE = re.compile(r"(?i)unsupported|not supported|max catalog version|schema error|invalid protocol")
_DAMAGED = re.compile(r"(?i)^kernel error|no table metadata or protocol")
_ADD = ("path", "size_bytes", "modification_time", "num_records")


def open_table(uri: str, version: int | None = None) -> DeltaTable | None:
    """Open a fresh deltalake handle of a table's version; None if there is no table.

    A damaged checkpoint of the log is set aside (renamed) if the log's entries hold the same information.

    Args:
        uri: Path or URI of the table.
        version: The version; None: the newest.

    Raises:
        DamagedFile: A file of the log is damaged or lost; the message is one line (see `log_files`).
        UserError: There is no such version, or delta-rs cannot read a feature that another client gave the table.
    """
    try:
        return _open(uri, version)
    except (DeltaError, UserError) as error:
        if files.is_lost_connection(error) or not recover(uri, getattr(error, "uri", None)):
            raise
    return _open(uri, version)


def _open(uri: str, version: int | None) -> DeltaTable | None:
    name = uri.rsplit("/", 1)[-1]
    check_log(uri, version)
    try:
        handle = DeltaTable(uri, version=version)
    except TableNotFoundError:
        if damage := find_damage(uri, version):
            raise damage from None
        return None
    except DeltaError as error:
        if not files.is_lost_connection(error) and (damage := find_damage(uri, version, whole=True)):
            raise damage from None
        _refuse_unreadable(name, error)
        if version is None:
            _refuse_damaged(name, uri, error)
            raise
        raise UserError(f"table {name!r} has no version {version}: {error}") from None
    if damage := find_damage(uri, version):  # damage that delta-rs does not notice
        raise damage
    return handle


def _refuse_unreadable(name: str, error: DeltaError) -> None:
    """Raise UserError if a deltalake error says that the table has a feature which delta-rs does not support.

    Another client has given the table that feature. For other errors, nothing happens.
    """
    if _UNREADABLE.search(str(error)) and not files.is_lost_connection(error):
        why = one_line(error, 300)
        raise UserError(f"table {name!r} cannot be read ({why}); undo that, or move the table away") from None


def _refuse_damaged(name: str, uri: str, error: DeltaError) -> None:
    """Raise UserError if a deltalake error says that the table's log cannot be understood. Else nothing happens."""
    if _DAMAGED.search(str(error)) and not files.is_lost_connection(error):
        do = f"restore it from a backup, or move the folder {uri} away and {how_to_fill(name)} again"
        raise UserError(f"table {name!r}: its log {uri}/_delta_log is damaged ({one_line(error, 200)}); {do}") from None


def create_table(uri: str, table: Table) -> DeltaTable:
    """Create an empty Delta table and return its handle.

    If another process creates the table at the same moment, the handle of that table is returned.
    """
    try:
        DeltaTable.create(
            uri,
            schema=Schema.from_arrow(table.schema()),
            mode="error",
            partition_by=list(table.partition_by),
            name=table.name,
            description=table.meaning,
        )
    except DeltaError:
        if open_table(uri) is None:
            raise
    return DeltaTable(uri)


def read_snapshot(name: str, uri: str, handle: DeltaTable) -> Snapshot:
    """Return the snapshot of the handle's version.

    Args:
        name: The table.
        uri: Path or URI of its folder.
        handle: The table, opened at the wanted version.

    Raises:
        UserError: The table has deletion vectors or mapped columns, with which its rows would be read wrongly.
    """
    away = f"or move the folder {uri} away and {how_to_fill(name)} again"
    if _has_deletion_vectors(name, handle):
        raise UserError(f"table {name!r} holds deletion vectors; run OPTIMIZE or REORG ... PURGE on it first; {away}")
    metadata = handle.metadata()
    if metadata.configuration.get("delta.columnMapping.mode", "none") != "none":
        raise UserError(f"table {name!r} has mapped columns (delta.columnMapping.mode); write it without them; {away}")
    adds = pa.table(handle.get_add_actions(flatten=True))
    known = [n for n in adds.column_names if n in _ADD or n.startswith("partition.")]
    refs = [_file_ref(uri, add) for add in adds.select(known).to_pylist()]
    refs.sort(key=lambda f: (f.committed_ms, f.path))
    ours = handle.transaction_version(APP) is not None  # if not, only other systems wrote here
    return Snapshot(
        name=name,
        uri=uri,
        version=handle.version(),
        table_id=str(metadata.id),
        schema=pa.schema(handle.schema().to_arrow()),
        files=tuple(refs),
        metadata=_last_metadata(uri, handle.version()) if ours else {},
        adds=adds,
        demands=read_demands(handle),
    )


def _has_deletion_vectors(name: str, handle: DeltaTable) -> bool:
    if "deletionVectors" not in (handle.protocol().reader_features or ()):
        return False
    try:
        return any(True for _ in handle.deletion_vectors())
    except DeltaError as error:
        _refuse_unreadable(name, error)
        raise


def read_log(uri: str, version: int, holding: bytes = b"") -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield (version, its actions) of a table's log, newest first, as far back as there are entries.

    Older versions are only in a checkpoint, which is not read. The log is read here because delta-rs's own history is
    empty if the table's path has a `#` or a `?`.

    Args:
        uri: Path or URI of the table.
        version: The first version to yield.
        holding: Only lines that contain these bytes are parsed as actions.

    Raises:
        DamagedFile: An entry does not match its checksum.
    """
    fs, log = files.filesystem(f"{uri}/_delta_log")
    for number in range(version, -1, -1):
        check_entry(uri, number)
        try:
            with fs.open_input_file(f"{log}/{number:020}.json") as stream:
                lines = stream.read().splitlines()
            actions = [json.loads(line) for line in lines if line.strip() and holding in line]
        except (FileNotFoundError, ValueError):  # a damaged entry that a checkpoint replaces ends the log, too
            return
        yield number, [action for action in actions if isinstance(action, dict)]


def _last_metadata(uri: str, version: int) -> dict[str, Any]:
    """Return the metadata of shopbatch's newest commit up to a version; {} if the log does not go back that far."""
    for _, actions in read_log(uri, version, b'"commitInfo"'):
        for action in actions:
            if APP in (action.get("commitInfo") or {}):
                return stored_metadata(action["commitInfo"])
    return {}


def stored_metadata(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that shopbatch stored with a commit.

    Args:
        info: The commit's `commitInfo` action.

    Returns:
        {} for a commit of another client, or if the metadata cannot be read.
    """
    try:
        metadata = json.loads(info.get(APP, "{}"))
    except (ValueError, TypeError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _file_ref(uri: str, add: Mapping[str, Any]) -> FileRef:
    """Convert one row of the log's file list to a `FileRef`."""
    path = unquote(add["path"])
    partition = {k.removeprefix("partition."): v for k, v in add.items() if k.startswith("partition.")}
    rows, modified = add.get("num_records"), add["modification_time"]
    return FileRef(
        path=path,
        uri=f"{uri}/{path}",
        size=add["size_bytes"],
        rows=sum(files.row_group_rows(f"{uri}/{path}")) if rows is None else rows,
        committed_ms=int(modified.timestamp() * 1000) if hasattr(modified, "timestamp") else int(modified),
        partition={k: None if v is None else str(v) for k, v in partition.items()},
    )


def write_commit(
    handle: DeltaTable,
    snapshot: Snapshot,
    added: Sequence[DataFile],
    removed: Sequence[str],
    mode: Mode,
    metadata: Mapping[str, Any],
) -> int:
    """Write one commit on top of the handle's version, and return the commit's version.

    Args:
        handle: The table, opened afresh.
        snapshot: The handle's version.
        added: Files to make visible.
        removed: Paths of visible files to remove (a `replace` removes all without naming them).
        mode: See `Store.commit`.
        metadata: The metadata to store with the commit.

    Raises:
        CommitFailedError: Another commit came first.
    """
    # modification_time doubles as the order of commits, which the log's file list does not keep
    newest = max((f.committed_ms for f in snapshot.files), default=0)
    now = max(int(time.time() * 1000), newest + 1)
    changes = mode != "compact"
    actions: list[Any] = [
        AddAction(f.path, f.size, dict(f.partition), f.committed_ms or now, changes, f.stats) for f in added
    ]
    for path in removed:
        file = snapshot.by_path[path]
        actions.append(RemoveAction(path, changes, now, file.size, dict(file.partition)))
    last = handle.transaction_version(APP)
    number = 0 if last is None else last + 1
    handle.create_write_transaction(
        actions,
        mode="overwrite" if mode == "replace" else "append",
        schema=handle.schema(),
        partition_by=list(handle.metadata().partition_columns),
        commit_properties=CommitProperties(
            custom_metadata={APP: json.dumps(dict(metadata))},
            # one constant application id with a growing version: a commit on a stale view is refused
            app_transactions=[Transaction(APP, number)],
        ),
    )
    version = _version_of(snapshot.uri, number)
    seal(snapshot.uri, version)
    return version


def _version_of(uri: str, number: int) -> int:
    """Return the version of the commit that shopbatch made with transaction number `number`.

    It need not be the newest version, because others may have committed since.
    """
    newest = int(DeltaTable(uri).version())
    for version, actions in read_log(uri, newest, b'"txn"'):
        if any(a.get("txn", {}).get("appId") == APP and a["txn"]["version"] == number for a in actions):
            return version
    return newest
