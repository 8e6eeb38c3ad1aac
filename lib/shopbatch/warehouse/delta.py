"""Opens Delta tables, reads them as snapshots and writes commits. Besides it, only `history.py` reads Delta's log.

Called by `store.py`. deltalake's `create_write_transaction` checks neither files nor schema, so the store
does.
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
from shopbatch.warehouse.log_sums import check_entry, check_log, seal
from shopbatch.warehouse.snapshot import Mode, Snapshot
from shopbatch.warehouse.writable import read_demands

APP = "shopbatch"  # the application id of our commits, and the key of their metadata
_UNREADABLE = re.compile(r"(?i)unsupported|not supported|max catalog version|schema error|invalid protocol")
_ADD = ("path", "size_bytes", "modification_time", "num_records")


def open_table(uri: str, version: int | None = None) -> DeltaTable | None:
    """Open a fresh handle of a version (None: the newest); None if there is no table.

    Raises:
        DamagedFile: A file of its log does not match its checksums.
        UserError: There is no such version, or delta-rs cannot read what another client made of the table.
    """
    name = uri.rsplit("/", 1)[-1]
    check_log(uri, version)
    try:
        return DeltaTable(uri, version=version)
    except TableNotFoundError:
        return None
    except DeltaError as error:
        _refuse_unreadable(name, error)
        if version is None:
            raise
        raise UserError(f"table {name!r} has no version {version}: {error}") from None


def _refuse_unreadable(name: str, error: DeltaError) -> None:
    """Raise UserError if the error says that delta-rs cannot read what another client made of the table."""
    if _UNREADABLE.search(str(error)) and not files.is_lost_connection(error):
        why = one_line(error, 300)
        raise UserError(f"table {name!r} cannot be read ({why}); undo that, or move the table away") from None


def create_table(uri: str, table: Table) -> DeltaTable:
    """Create an empty table. Another process may create it at the same moment."""
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
    """Read the handle's version. UserError if rows would be read wrongly (deletion vectors, mapped columns)."""
    if _has_deletion_vectors(name, handle):
        raise UserError(f"table {name!r} holds deletion vectors; run OPTIMIZE or REORG ... PURGE on it first")
    metadata = handle.metadata()
    if metadata.configuration.get("delta.columnMapping.mode", "none") != "none":
        raise UserError(f"table {name!r} has mapped columns (delta.columnMapping.mode); write it again without them")
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
    """Yield (version, its actions) of a table, newest first, as far back as the log goes; a checkpoint holds the rest.

    The log is read here because delta-rs's own history is empty if the table's path has a `#` or a `?`.

    Args:
        uri: The table.
        version: The first version to yield.
        holding: Only the actions whose line holds these bytes are parsed.
    """
    fs, log = files.filesystem(f"{uri}/_delta_log")
    for number in range(version, -1, -1):
        check_entry(uri, number)
        try:
            with fs.open_input_file(f"{log}/{number:020}.json") as stream:
                lines = stream.read().splitlines()
        except FileNotFoundError:
            return
        yield number, [json.loads(line) for line in lines if line.strip() and holding in line]


def _last_metadata(uri: str, version: int) -> dict[str, Any]:
    """Return what our newest commit up to a version stored with it; {} if the log does not go back that far."""
    for _, actions in read_log(uri, version, b'"commitInfo"'):
        for action in actions:
            if APP in action.get("commitInfo", {}):
                return dict(json.loads(action["commitInfo"][APP]))
    return {}


def _file_ref(uri: str, add: Mapping[str, Any]) -> FileRef:
    """Convert a row of the log's file list to a file of a snapshot."""
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
    """Write one commit on top of the handle's version, and return its own. CommitFailedError if another came first.

    Args:
        handle: The table, opened afresh.
        snapshot: The handle's version.
        added: Files to show.
        removed: Paths of visible files to take out (a `replace` takes out all without naming them).
        mode: See `Store.commit`.
        metadata: What is stored with the commit.
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
    """The version of our commit with that number; others may have been made since."""
    newest = int(DeltaTable(uri).version())
    for version, actions in read_log(uri, newest, b'"txn"'):
        if any(a.get("txn", {}).get("appId") == APP and a["txn"]["version"] == number for a in actions):
            return version
    return newest
