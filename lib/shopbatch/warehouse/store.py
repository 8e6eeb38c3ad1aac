"""The warehouse: tables are read as snapshots, and files become visible in one atomic commit.

Called by jobs, by `sample` and `load`, and by the driver of an inference run. Tasks write files with
`warehouse.files`; what they wrote becomes visible here or not at all. An object store is used through the same calls,
with a URI as its root.
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
_UNEXPLAINED = 3  # failures after which there must be a reason to try again
_LOADS = 1000  # number of loads that a table's metadata lists: the newest ones


class Store:
    """A warehouse: `<root>/<table>` is a Delta table that any Delta client reads."""

    def __init__(self, root: str) -> None:
        place = folder_or_uri(root)
        self.root = place.rstrip("/") if "://" in place else os.path.abspath(re.sub("^/+", "/", place))
        if trouble := files.unusable_path(self.root):
            raise UserError(f"warehouse {root}: {trouble}; rename that folder, or choose another warehouse")
        try:  # an object store's options must be set before delta-rs is first used
            files.filesystem(self.root)
        except pa.ArrowInvalid as error:
            raise UserError(f"warehouse {root}: neither a folder nor a known object store ({error})") from None

    def uri(self, name: str) -> str:
        """Return the path or URI of a table. UserError for a name that could lead out of the warehouse."""
        if not _NAME.fullmatch(name):
            raise UserError(f"table name {name!r}: it may not leave the warehouse; expected small letters, digits, _")
        return f"{self.root}/{name}"

    def check_writable(self) -> None:
        """Check, before any work is done, that files can be written. UserError if not, Stopped if not at the moment."""
        try:
            files.write_bytes(f"{self.root}/_runs/.writable", b"", durable=False)
        except OSError as error:
            if files.is_lost_connection(error):
                raise Stopped(f"warehouse {self.root} does not answer") from None
            if files.is_full(error):
                raise Stopped(f"warehouse {self.root}: no space left") from None
            raise UserError(f"warehouse {self.root}: cannot write there ({error.strerror or error})") from None

    def exists(self, name: str) -> bool:
        """Return whether there is a table of that name."""
        return bool(DeltaTable.is_deltatable(self.uri(name)))

    def names(self) -> list[str]:
        """Return the names of the tables that exist, sorted."""
        fs, path = files.filesystem(self.root)
        try:
            entries = files.entries(fs, path)
        except (NotADirectoryError, PermissionError) as error:
            raise UserError(f"warehouse {self.root}: cannot be read ({error.strerror or error})") from None
        folders = sorted(f.base_name for f in entries if f.type == pafs.FileType.Directory)
        return [n for n in folders if _NAME.fullmatch(n) and self.exists(n)]

    def snapshot(self, name: str, version: int | None = None) -> Snapshot:
        """Pin a version of a table (None: the newest). UserError if there is no such table or version.

        A column that is declared and that an older version of shopbatch did not write is null in every row.
        """
        table = delta.open_table(self.uri(name), version)
        if table is None:
            raise UserError(f"no table {name!r} in warehouse {self.root}: {self._filled_by(name)}")
        return self._declared(delta.read_snapshot(name, self.uri(name), table))

    def _filled_by(self, name: str) -> str:
        """Say what fills a table that does not exist yet, or what the name was meant to be."""
        if (table := declared(name)) is not None:
            return f"it is filled by {table.filled_by}"
        return hint(name, self.names(), "tables there")

    def find(self, name: str) -> Snapshot | None:
        """Pin the newest version of a table; None if it does not exist."""
        table = delta.open_table(self.uri(name))
        return None if table is None else self._declared(delta.read_snapshot(name, self.uri(name), table))

    @staticmethod
    def _declared(snapshot: Snapshot) -> Snapshot:
        return as_declared(TABLES[snapshot.name], snapshot) if snapshot.name in TABLES else snapshot

    def recall(self, name: str, version: int) -> Snapshot | None:
        """Pin a former version of a table; None if the log or one of its files is gone."""
        try:
            snapshot = self.snapshot(name, version)
            files.check_whole(snapshot.uri, snapshot.files)
        except (UserError, FileNotFoundError):
            return None
        return snapshot

    def require(
        self, table: Table, columns: Sequence[str], version: int | None = None, optional: Sequence[str] = ()
    ) -> Snapshot:
        """Pin a source that must have these columns. UserError names a column that is missing or of another type.

        `optional` columns may be missing, as in a table that another system writes, but not of another type.
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
        """Check, before any work is done, that commits of that mode may be made to these tables. UserError if not."""
        for table in tables:
            if (snapshot := self.find(table.name)) is not None:
                check_target(table, snapshot, mode)

    def write_file(self, table: Table, data: pa.Table, run_id: str, index: int) -> DataFile:
        """Write one data file of an unpartitioned table, where it will stay; `commit` makes it visible."""
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
        """Make files visible in one atomic commit. If another commit comes first, it is repeated on the new version.

        A commit of its own adds the columns that were declared since the table was made.

        Args:
            table: The table; it is created if it does not exist.
            added: Files that lie under the table. Their columns were checked when they were described.
            mode: `append`: adds the files that are not visible yet. `compact`: takes out the files of `removed`, whose
                rows the added ones hold. `rewrite`: takes out `removed`, whose rows change; it may add no file.
                `replace`: takes out everything else.
            run_key: Names the run in the commit's metadata.
            metadata: What is stored with the commit. Its key `scope` ({column: value}) names the partition that a
                `replace` is about: other partitions' files and metadata stay (see `Snapshot.part`). An `append` adds
                its `loads` and `inputs` to those that the table's metadata lists already.
            removed: Paths of visible files to take out.
            guard: Sees the newest snapshot before each attempt, and may raise to give up.

        Returns:
            The table's version.

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
                return snapshot.version  # an object store's answer was lost, not the commit
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
        """Whether another attempt may succeed: another commit came first, or the object store did not answer.

        A store may list the other commit a moment later, so that the first failures are no proof.
        """
        if failures < _UNEXPLAINED:
            return True
        explained = files.is_lost_connection(error) or DeltaTable(uri).version() > snapshot.version
        return failures < _ATTEMPTS and explained

    def discard(self, table: Table, written: Sequence[DataFile]) -> None:
        """Delete files that this run wrote and will not make visible."""
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
    """The files to show and the paths to take out; a `replace` of the whole table names none of these."""
    new = list(added) if mode == "replace" else [f for f in added if f.path not in snapshot.by_path]
    shown = [f.path for f in snapshot.part(scope).files] if scope and mode == "replace" else removed
    return new, [path for path in shown if path in snapshot.by_path]


def _said(snapshot: Snapshot, mode: Mode, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a commit, with what earlier commits stored about other partitions and loads."""
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
    """Return whether a commit that was reported as failed has nevertheless been made."""
    shown = all(f.path in snapshot.by_path for f in added) if added else snapshot.metadata.get("run_key") == run_key
    return shown and not any(p in snapshot.by_path for p in removed)


def conform(table: Table, data: pa.Table) -> pa.Table:
    """Give `data` the table's file schema. TypeError: a column is missing, unknown, of another type, or has a null."""
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
