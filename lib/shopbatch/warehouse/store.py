"""The store of the warehouse: pins tables as snapshots, and makes written files visible in one atomic commit.

Jobs, the packages `sample` and `load`, and the driver of an inference run use it. Tasks write files with
`warehouse.files`; these files become visible by `Store.commit` or not at all. An object store is used through the same
methods, with a URI as root.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from shopbatch.core.errors import Stopped, UserError
from shopbatch.core.locations import folder_or_uri
from shopbatch.core.nearest import hint
from shopbatch.tables import TABLES, declared
from shopbatch.tables.schema import Table
from shopbatch.warehouse import delta, files
from shopbatch.warehouse.evolution import add_columns, as_declared, check_schema, missing_fields
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.snapshot import Mode, Snapshot, scope_name
from shopbatch.warehouse.writable import check_target

__all__ = ["Mode", "Snapshot", "Store", "check_schema", "check_target", "conform"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_ATTEMPTS = 20
_UNEXPLAINED = 3  # from this number of failures on, there must be a reason to try again
_LOADS = 1000  # number of loads that a table's metadata lists: the newest ones


class Store:
    """A warehouse: a folder or object store. Each `<root>/<table>` is a Delta table that any Delta client reads."""

    def __init__(self, root: str) -> None:
        """Open a warehouse, which need not exist yet.

        Args:
            root: A folder, or the URI of a place in an object store such as `s3://bucket/warehouse`.

        Raises:
            UserError: The path holds characters that delta-rs reads differently, or the object store is unknown.
        """
        place = folder_or_uri(root)
        self.root = place.rstrip("/") if "://" in place else os.path.abspath(re.sub("^/+", "/", place))
        if trouble := files.unusable_path(self.root):
            raise UserError(f"warehouse {root}: {trouble}; rename that folder, or choose another warehouse")
        try:  # an object store's options must be set before delta-rs is first used
            files.filesystem(self.root)
        except pa.ArrowInvalid as error:
            raise UserError(f"warehouse {root}: neither a folder nor a known object store ({error})") from None

    def uri(self, name: str) -> str:
        """Return the path or URI of a table.

        Raises:
            UserError: The name has other characters than small letters, digits and `_`, so that it could lead out of
                the warehouse.
        """
        if not _NAME.fullmatch(name):
            raise UserError(f"table name {name!r}: it may not leave the warehouse; expected small letters, digits, _")
        return f"{self.root}/{name}"

    def check_writable(self) -> None:
        """Check that files can be written to the warehouse, before any work is done.

        Raises:
            UserError: The warehouse cannot be written.
            Stopped: It cannot be written at the moment: the object store does not answer, or no space is left.
        """
        try:
            files.write_bytes(f"{self.root}/_runs/.writable", b"", durable=False)
        except OSError as error:
            if files.is_lost_connection(error):
                raise Stopped(f"warehouse {self.root} does not answer") from None
            if files.is_full(error):
                raise Stopped(f"warehouse {self.root}: no space left") from None
            raise UserError(f"warehouse {self.root}: cannot write there ({error.strerror or error})") from None

    def exists(self, name: str) -> bool:
        """Return True if the warehouse has a table of that name."""
        return bool(DeltaTable.is_deltatable(self.uri(name)))

    def names(self) -> list[str]:
        """Return the names of all tables in the warehouse, sorted."""
        fs, path = files.filesystem(self.root)
        try:
            entries = files.entries(fs, path)
        except (NotADirectoryError, PermissionError) as error:
            raise UserError(f"warehouse {self.root}: cannot be read ({error.strerror or error})") from None
        folders = sorted(f.base_name for f in entries if f.type == pafs.FileType.Directory)
        return [n for n in folders if _NAME.fullmatch(n) and self.exists(n)]

    def snapshot(self, name: str, version: int | None = None) -> Snapshot:
        """Return a version of a table as a snapshot; the table must exist.

        A declared column that the table does not have yet, because an older shopbatch wrote it, is null in every row.

        Args:
            name: The table.
            version: The version; None: the newest.

        Raises:
            UserError: There is no such table or version; the message says what fills the table.
        """
        table = delta.open_table(self.uri(name), version)
        if table is None:
            raise UserError(f"no table {name!r} in warehouse {self.root}: {self._filled_by(name)}")
        return self._declared(delta.read_snapshot(name, self.uri(name), table))

    def _filled_by(self, name: str) -> str:
        """Say which command fills a table that does not exist yet, or suggest a table with a similar name."""
        if (table := declared(name)) is not None:
            return f"it is filled by {table.filled_by}"
        return hint(name, self.names(), "tables there")

    def find(self, name: str) -> Snapshot | None:
        """Return the newest version of a table as a snapshot; None if the table does not exist."""
        table = delta.open_table(self.uri(name))
        return None if table is None else self._declared(delta.read_snapshot(name, self.uri(name), table))

    @staticmethod
    def _declared(snapshot: Snapshot) -> Snapshot:
        return as_declared(TABLES[snapshot.name], snapshot) if snapshot.name in TABLES else snapshot

    def recall(self, name: str, version: int) -> Snapshot | None:
        """Return an earlier version of a table as a snapshot; None if it can no longer be read.

        That is so if its log entries or one of its files are gone.
        """
        try:
            snapshot = self.snapshot(name, version)
            files.check_whole(snapshot.uri, snapshot.files)
        except (UserError, FileNotFoundError):
            return None
        return snapshot

    def require(
        self, table: Table, columns: Sequence[str], version: int | None = None, optional: Sequence[str] = ()
    ) -> Snapshot:
        """Return a source table as a snapshot, after checking that it has the columns that a job needs.

        Args:
            table: The declaration of the table.
            columns: Columns that the table must have, with the declared types.
            version: The version; None: the newest.
            optional: Columns that may be missing, as in a table that another system writes. If present, they must have
                the declared types.

        Raises:
            UserError: There is no such table or version; or a column is missing or of another type, and the message
                names it.
        """
        snapshot = as_declared(table, self.snapshot(table.name, version))
        declared = {c.name: c.type for c in table.columns}
        for name in (*columns, *(n for n in optional if n in snapshot.schema.names)):
            if name not in snapshot.schema.names:
                raise UserError(
                    f"table {table.name!r} has no column {name!r} (it has: {', '.join(snapshot.schema.names)})"
                )
            actual = snapshot.schema.field(name).type
            if actual != declared[name]:
                raise UserError(f"table {table.name!r}: column {name!r} is {actual}, expected {declared[name]}")
        return snapshot

    def check_targets(self, tables: Iterable[Table], mode: Mode = "append") -> None:
        """Check that commits of that mode can be made to these tables, before any work is done. UserError if not.

        Tables that do not exist yet pass.
        """
        for table in tables:
            if (snapshot := self.find(table.name)) is not None:
                check_target(table, snapshot, mode)

    def write_file(self, table: Table, data: pa.Table, run_id: str, index: int) -> DataFile:
        """Write one data file of an unpartitioned table. It stays invisible until `commit` adds it to the table.

        Args:
            table: The declaration of the table.
            data: The rows, with the table's columns and types (TypeError if not).
            run_id: The run; it names the folder of the file.
            index: Number of the file within the run.

        Returns:
            The description of the file that `commit` takes.
        """
        path = f"{run_id}/part-{index:05d}.parquet"
        files.write(f"{self.uri(table.name)}/{path}", conform(table, data))
        return files.describe(self.uri(table.name), path, table.file_schema())

    def commit(
        self,
        table: Table,
        added: Sequence[DataFile],
        mode: Mode,
        run_key: str,
        metadata: Mapping[str, Any] | None = None,
        removed: Sequence[str] = (),
        guard: Callable[[Snapshot], None] | None = None,
    ) -> int:
        """Make files visible in one atomic commit; if another commit comes first, try again on top of the new version.

        If columns were declared since the table was made, a separate commit adds them first.

        Args:
            table: The declaration of the table, which is created if it does not exist.
            added: Files that were written under the table's folder. Their columns were checked by `files.describe`.
            mode: How the files take their place. `append` adds those that are not visible yet. `compact` removes the
                files of `removed`, whose rows are all in the added files. `rewrite` removes the files of `removed`,
                whose rows change; it may add no file. `replace` removes all other files.
            run_key: Name of the run, stored in the commit's metadata.
            metadata: Further metadata of the commit. Its key `scope` ({column: value}) names the partition to which a
                `replace` is limited: files and metadata of other partitions stay (see `Snapshot.part`). An `append`
                adds its `loads` and `inputs` to the lists that the table's metadata holds already.
            removed: Paths of visible files to remove.
            guard: Called with the newest snapshot before each attempt; it can raise an error to give up.

        Returns:
            The version of the table that shows the files.

        Raises:
            UserError: The table cannot be written (see `check_target`).
            FileNotFoundError: A file is missing or truncated.
        """
        uri, scope, failures = self.uri(table.name), (metadata or {}).get("scope"), 0
        files.check_whole(uri, added)  # Delta itself would register a file that does not exist
        files.sync(uri, added)
        while True:
            handle = delta.open_table(uri) or delta.create_table(uri, table)
            snapshot = delta.read_snapshot(table.name, uri, handle)
            check_target(table, snapshot, mode)
            if failures and _landed(snapshot, added, removed, run_key):
                return snapshot.version  # the commit was made; only the object store's answer was lost
            if guard is not None:
                guard(as_declared(table, snapshot))
            new, gone = _changes(snapshot, added, removed, mode, scope)
            if mode in ("append", "compact") and not new and not gone:
                return snapshot.version
            try:
                if missing := missing_fields(table, snapshot.schema):
                    add_columns(handle, missing)
                    continue  # with a fresh handle, and the guard sees the newest version again
                said = _said(snapshot, mode, {**(metadata or {}), "run_key": run_key})
                return delta.write_commit(handle, snapshot, new, gone, "rewrite" if scope else mode, said)
            except CommitFailedError as error:
                failures += 1
                if not self._may_succeed(uri, snapshot, error, failures):
                    raise
                time.sleep(0.02 * failures)

    @staticmethod
    def _may_succeed(uri: str, snapshot: Snapshot, error: CommitFailedError, failures: int) -> bool:
        """Return True if another attempt at a failed commit may succeed.

        The first failures (fewer than _UNEXPLAINED) are always tried again, because a store may list another commit
        only a moment later. After that, another attempt is made only if another commit came first or the object store
        did not answer, and never after _ATTEMPTS failures.
        """
        if failures < _UNEXPLAINED:
            return True
        explained = files.is_lost_connection(error) or DeltaTable(uri).version() > snapshot.version
        return failures < _ATTEMPTS and explained

    def discard(self, table: Table, written: Sequence[DataFile]) -> None:
        """Delete files that this run wrote and will not make visible, and their folders if these are then empty."""
        fs, root = files.filesystem(self.uri(table.name))
        folders = set()
        for file in written:
            files.remove(f"{self.uri(table.name)}/{file.path}")
            folders.add(os.path.dirname(f"{root}/{file.path}"))
        for folder in folders:
            with suppress(FileNotFoundError):  # an object store has no folder once its last file is gone
                if not fs.get_file_info(pafs.FileSelector(folder)):
                    fs.delete_dir(folder)


def _changes(
    snapshot: Snapshot, added: Sequence[DataFile], removed: Sequence[str], mode: Mode, scope: Mapping[str, str] | None
) -> tuple[list[DataFile], list[str]]:
    """Return (files to add, paths to remove) of a commit on top of the newest snapshot.

    Files that are visible already are not added again, except by a `replace`. If a `replace` has no `scope`, no paths
    are listed, because Delta's overwrite removes all files anyway.
    """
    new = list(added) if mode == "replace" else [f for f in added if f.path not in snapshot.by_path]
    shown = [f.path for f in snapshot.part(scope).files] if scope and mode == "replace" else removed
    return new, [path for path in shown if path in snapshot.by_path]


def _said(snapshot: Snapshot, mode: Mode, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata to store with a commit: the commit's own, merged with the table's present metadata.

    The metadata of other partitions is kept. For an `append`, the lists under the keys `loads` and `inputs` are
    continued, and their newest _LOADS entries are kept.
    """
    if scope := metadata.get("scope"):
        metadata = {
            "scopes": {**snapshot.metadata.get("scopes", {}), scope_name(scope): metadata},
            "run_key": metadata["run_key"],
        }
    for key in ("loads", "inputs"):
        if mode == "append" and key in metadata:
            metadata[key] = [*snapshot.metadata.get(key, []), *metadata[key]][-_LOADS:]
    return metadata


def _landed(snapshot: Snapshot, added: Sequence[DataFile], removed: Sequence[str], run_key: str) -> bool:
    """Return True if a commit that was reported as failed is in the newest snapshot nevertheless.

    That happens if an object store's answer was lost.
    """
    shown = all(f.path in snapshot.by_path for f in added) if added else snapshot.metadata.get("run_key") == run_key
    return shown and not any(p in snapshot.by_path for p in removed)


def conform(table: Table, data: pa.Table) -> pa.Table:
    """Return the rows with the schema that data files of the table must have.

    Raises:
        TypeError: A column is missing, unknown, at another place, of another type, or has a null where none is allowed.
    """
    schema = table.file_schema()
    if data.schema.names != schema.names:
        raise TypeError(f"table {table.name!r} has columns {schema.names}, not {data.schema.names}")
    for f in schema:
        column = data[f.name]
        if column.type != f.type:
            raise TypeError(f"table {table.name!r}: column {f.name!r} is {column.type}, expected {f.type}")
        if not f.nullable and column.null_count:
            raise TypeError(f"table {table.name!r}: {column.null_count} null(s) in column {f.name!r}")
    return pa.table(data.columns, schema=schema)
