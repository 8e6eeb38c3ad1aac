"""The warehouse: the only file that knows Delta. Snapshots are read, files are registered in one atomic commit.

Called by jobs, by `sample` and `load`, and by the driver of an inference run. Tasks write files with
`tables.files`; what they wrote becomes visible here or not at all. Object stores: the same calls with a URI.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from shopbatch.core.errors import Stopped, UserError
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile, FileRef

if TYPE_CHECKING:
    import ray.data

APP = "shopbatch"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_ATTEMPTS = 20
_LOADS = 1000  # that a table remembers
_ADD = ("path", "size_bytes", "modification_time", "num_records")
Mode = Literal["append", "compact", "rewrite", "replace"]


@dataclass(frozen=True)
class Snapshot:
    """One version of one table, pinned: what was read stays what is read."""

    name: str
    uri: str
    version: int
    table_id: str
    schema: pa.Schema
    files: tuple[FileRef, ...]
    metadata: Mapping[str, Any]  # of the last commit that shopbatch made
    adds: pa.Table = field(repr=False, compare=False)  # the log's file list, with statistics

    @property
    def rows(self) -> int:
        return sum(f.rows for f in self.files)

    @cached_property
    def by_path(self) -> dict[str, FileRef]:
        return {f.path: f for f in self.files}

    def part(self, scope: Mapping[str, str]) -> Snapshot:
        """The files of one partition alone, and what its own last commit said; {}: the whole table."""
        if not scope:
            return self
        mine = tuple(f for f in self.files if all(f.partition.get(k) == v for k, v in scope.items()))
        return replace(self, files=mine, metadata=self.metadata.get("scopes", {}).get(_scope_name(scope), {}))

    def bounds(self, column: str) -> dict[str, tuple[Any, Any]]:
        """Least and greatest value of a column by file path; files that do not tell are left out."""
        names = [f"min.{column}", f"max.{column}"]
        if not set(names) <= set(self.adds.column_names):
            return {}
        told = zip(self.adds["path"].to_pylist(), *(self.adds[n].to_pylist() for n in names), strict=True)
        return {unquote(path): (low, high) for path, low, high in told if low is not None and high is not None}

    def select(self, columns: Sequence[str] | None) -> pa.Schema:
        return self.schema if columns is None else pa.schema([self.schema.field(c) for c in columns])

    def read(
        self, columns: Sequence[str] | None = None, where: pc.Expression | None = None, limit: int | None = None
    ) -> pa.Table:
        """Rows of a small table, or the first `limit` of a large one, in file order."""
        schema, parts, rows = self.select(columns), [self.schema.empty_table().select(columns or self.schema.names)], 0
        for file, groups in self._pieces(limit is not None):
            part = files.read(file.uri, self.schema if where is not None else schema, file.partition, groups)
            if where is not None:
                part = part.filter(where).select(schema.names)
            parts.append(part)
            rows += part.num_rows
            if limit is not None and rows >= limit:
                break
        whole = pa.concat_tables(parts)
        return whole if limit is None else whole.slice(0, limit)

    def _pieces(self, small: bool) -> Iterator[tuple[FileRef, list[int] | None]]:
        """The files, whole or (small) a row group at a time, so that a few rows do not cost a file."""
        for file in self.files:
            if small:
                yield from ((file, [group]) for group in range(len(files.row_group_rows(file.uri))))
            else:
                yield file, None

    def dataset(self, columns: Sequence[str] | None = None, where: pc.Expression | None = None) -> ray.data.Dataset:
        """The snapshot as a Ray Dataset: one read task a file, `where` applied in the task."""
        import ray.data

        schema, whole = self.select(columns), self.schema

        def load(batch: pa.Table) -> pa.Table:
            parts = [schema.empty_table()]
            for uri, partition in zip(batch["uri"].to_pylist(), batch["partition"].to_pylist(), strict=True):
                part = files.read(uri, schema if where is None else whole, json.loads(partition))
                parts.append(part if where is None else part.filter(where).select(schema.names))
            return pa.concat_tables(parts)

        if not self.files:
            return ray.data.from_arrow(schema.empty_table())
        units = [{"uri": f.uri, "partition": json.dumps(dict(f.partition))} for f in self.files]
        source = ray.data.from_items(units, override_num_blocks=len(units))
        return source.map_batches(load, batch_size=1, batch_format="pyarrow")


def _scope_name(scope: Mapping[str, str]) -> str:
    return "/".join(f"{k}={v}" for k, v in sorted(scope.items()))


class Store:
    """A warehouse: `<root>/<table>` is a Delta table that any Delta client reads."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") if "://" in root else os.path.abspath(os.path.expanduser(root))
        try:  # an object store's options are settled before delta-rs is asked for anything
            files.filesystem(self.root)
        except pa.ArrowInvalid as error:
            raise UserError(f"warehouse {root}: no folder and no object store that is known ({error})") from None

    def uri(self, name: str) -> str:
        """Where a table lies. UserError for a name that could leave the warehouse."""
        if not _NAME.fullmatch(name):
            raise UserError(f"table name {name!r}: it may not leave the warehouse; expected small letters, digits, _")
        return f"{self.root}/{name}"

    def check_writable(self) -> None:
        """UserError if nothing can be written here, found before any work is done. Stopped: not now."""
        try:
            files.write_bytes(f"{self.root}/_runs/.writable", b"")
        except OSError as error:
            if files.is_lost_connection(error):
                raise Stopped(f"warehouse {self.root} does not answer") from None
            if files.is_full(error):
                raise Stopped(f"warehouse {self.root}: no space left") from None
            raise UserError(f"warehouse {self.root}: cannot write there ({error.strerror or error})") from None

    def exists(self, name: str) -> bool:
        return bool(DeltaTable.is_deltatable(self.uri(name)))

    def names(self) -> list[str]:
        """The tables there are, by name."""
        fs, path = files.filesystem(self.root)
        try:
            found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
        except (NotADirectoryError, PermissionError) as error:
            raise UserError(f"warehouse {self.root}: cannot be read ({error.strerror or error})") from None
        folders = sorted(f.base_name for f in found if f.type == pafs.FileType.Directory)
        return [n for n in folders if _NAME.fullmatch(n) and self.exists(n)]

    def snapshot(self, name: str, version: int | None = None) -> Snapshot:
        """A version of a table (the newest if None). UserError if there is no such table or version."""
        table = self._open(name, version)
        if table is None:
            there = ", ".join(self.names()) or "none"
            raise UserError(f"no table {name!r} in warehouse {self.root} (tables there: {there})")
        return self._snapshot(name, table)

    def find(self, name: str) -> Snapshot | None:
        """The newest snapshot, or None where the table was never made."""
        table = self._open(name, None)
        return None if table is None else self._snapshot(name, table)

    def recall(self, name: str, version: int) -> Snapshot | None:
        """A former version of a table, or None where the log or one of its files is gone."""
        try:
            snapshot = self.snapshot(name, version)
            files.check_whole(snapshot.uri, snapshot.files)
        except (UserError, FileNotFoundError):
            return None
        return snapshot

    def require(self, table: Table, columns: Sequence[str], version: int | None = None) -> Snapshot:
        """A source's snapshot with these columns. UserError names the column that is missing or of another type."""
        snapshot = self.snapshot(table.name, version)
        declared = {c.name: c.type for c in table.columns}
        for name in columns:
            if name not in snapshot.schema.names:
                raise UserError(
                    f"table {table.name!r} has no column {name!r} (it has: {', '.join(snapshot.schema.names)})"
                )
            actual = snapshot.schema.field(name).type
            if actual != declared[name]:
                raise UserError(f"table {table.name!r}: column {name!r} is {actual}, expected {declared[name]}")
        return snapshot

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
        """Make files visible in one atomic commit; returns the table's version.

        added: files that lie under the table, their columns checked when they were described.
        mode: `append` (of what is not visible already), `compact` (takes out the files of `removed`, whose rows the
        added ones hold), `rewrite` (takes out `removed`, whose rows change; a commit also of no file), `replace` (all).
        metadata: `scope` in it ({column: value}) names the partition that a `replace` takes the place of; the other
        partitions' files and metadata stay (see `Snapshot.part`). `loads`: an `append` puts them after those there.
        guard: sees the newest snapshot before each attempt and may raise, e.g. because it is newer than ours.
        Raises UserError if the table there has another schema, FileNotFoundError if a file is gone or cut short.
        Every commit carries one constant app id with a growing version, so one made on a stale view is refused
        and tried again on a fresh one.
        """
        files.check_whole(self.uri(table.name), added)  # Delta itself would register a file that is not there
        for attempt in range(_ATTEMPTS):
            handle = self._open(table.name, None) or self._create(table)
            snapshot = self._snapshot(table.name, handle)
            check_schema(table, snapshot)
            if attempt and _landed(snapshot, added, removed, run_key):
                return snapshot.version  # an object store's answer was lost, not the commit
            if guard is not None:
                guard(snapshot)
            told = {**(metadata or {}), "run_key": run_key}
            new = list(added) if mode == "replace" else [f for f in added if f.path not in snapshot.by_path]
            gone = [p for p in removed if p in snapshot.by_path]
            if scope := told.get("scope"):
                gone = [f.path for f in snapshot.part(scope).files] if mode == "replace" else gone
                told = {"scopes": {**snapshot.metadata.get("scopes", {}), _scope_name(scope): told}, "run_key": run_key}
            if mode == "append" and "loads" in told:
                told["loads"] = [*snapshot.metadata.get("loads", []), *told["loads"]][-_LOADS:]
            if mode in ("append", "compact") and not new and not gone:
                return snapshot.version
            try:
                self._write(table, handle, snapshot, new, gone, "rewrite" if scope else mode, told)
            except CommitFailedError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.02 * (attempt + 1))
                continue
            return int(DeltaTable(self.uri(table.name)).version())
        raise AssertionError("unreachable")

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

    def _open(self, name: str, version: int | None) -> DeltaTable | None:
        """A fresh handle, or None where there is no table."""
        try:
            return DeltaTable(self.uri(name), version=version)
        except TableNotFoundError:
            return None
        except DeltaError as error:
            if version is None:
                raise
            raise UserError(f"table {name!r} has no version {version}: {error}") from None

    def _create(self, table: Table) -> DeltaTable:
        try:
            DeltaTable.create(
                self.uri(table.name),
                schema=Schema.from_arrow(table.schema()),
                mode="error",
                partition_by=list(table.partition_by),
                name=table.name,
                description=table.meaning,
            )
        except DeltaError:
            if self._open(table.name, None) is None:
                raise
        return DeltaTable(self.uri(table.name))

    def _snapshot(self, name: str, handle: DeltaTable) -> Snapshot:
        deleted = handle.deletion_vectors()
        if any(True for _ in deleted):
            raise UserError(f"table {name!r} holds deletion vectors; run OPTIMIZE or REORG ... PURGE on it first")
        metadata = handle.metadata()
        if metadata.configuration.get("delta.columnMapping.mode", "none") != "none":
            raise UserError(f"table {name!r} has mapped columns (delta.columnMapping.mode); write it anew without them")
        adds = pa.table(handle.get_add_actions(flatten=True))
        plain = [n for n in adds.column_names if n in _ADD or n.startswith("partition.")]
        refs = []
        for add in adds.select(plain).to_pylist():
            path = unquote(add["path"])
            parts = {k.removeprefix("partition."): v for k, v in add.items() if k.startswith("partition.")}
            rows = add.get("num_records")
            uri = f"{self.uri(name)}/{path}"
            modified = add["modification_time"]
            refs.append(
                FileRef(
                    path=path,
                    uri=uri,
                    size=add["size_bytes"],
                    rows=sum(files.row_group_rows(uri)) if rows is None else rows,
                    committed_ms=int(modified.timestamp() * 1000) if hasattr(modified, "timestamp") else int(modified),
                    partition={k: None if v is None else str(v) for k, v in parts.items()},
                )
            )
        refs.sort(key=lambda f: (f.committed_ms, f.path))
        ours = handle.transaction_version(APP) is not None  # else other systems alone wrote here
        told = (h for limit in (20, None) for h in handle.history(limit) if APP in h) if ours else iter(())
        return Snapshot(
            name=name,
            uri=self.uri(name),
            version=handle.version(),
            table_id=str(metadata.id),
            schema=pa.schema(handle.schema().to_arrow()),
            files=tuple(refs),
            metadata=json.loads(next(told, {APP: "{}"})[APP]),
            adds=adds,
        )

    def _write(
        self,
        table: Table,
        handle: DeltaTable,
        snapshot: Snapshot,
        new: Sequence[DataFile],
        gone: Sequence[str],
        mode: Mode,
        metadata: Mapping[str, Any],
    ) -> None:
        # modification_time doubles as the order of commits, which the log's file list does not keep
        newest = max((f.committed_ms for f in snapshot.files), default=0)
        now = max(int(time.time() * 1000), newest + 1)
        changes = mode != "compact"
        actions: list[Any] = [AddAction(f.path, f.size, dict(f.partition), now, changes, f.stats) for f in new]
        for path in gone:
            file = snapshot.by_path[path]
            actions.append(RemoveAction(path, changes, now, file.size, dict(file.partition)))
        last = handle.transaction_version(APP)
        handle.create_write_transaction(
            actions,
            mode="overwrite" if mode == "replace" else "append",
            schema=handle.schema(),
            partition_by=list(table.partition_by),
            commit_properties=CommitProperties(
                custom_metadata={APP: json.dumps(dict(metadata))},
                app_transactions=[Transaction(APP, 0 if last is None else last + 1)],
            ),
        )


def _landed(snapshot: Snapshot, added: Sequence[DataFile], removed: Sequence[str], run_key: str) -> bool:
    """Whether a commit that was said to have failed is there all the same."""
    shown = all(f.path in snapshot.by_path for f in added) if added else snapshot.metadata.get("run_key") == run_key
    return shown and not any(p in snapshot.by_path for p in removed)


def conform(table: Table, data: pa.Table) -> pa.Table:
    """`data` with the table's file schema. TypeError if a column is missing, more, of another type, or null."""
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


def check_schema(table: Table, snapshot: Snapshot) -> None:
    """UserError if the table in the warehouse does not have the declared columns (a commit would not check)."""
    declared, actual = table.schema(), snapshot.schema
    if declared.names == actual.names and all(declared.field(n).type == actual.field(n).type for n in declared.names):
        return
    raise UserError(
        f"table {table.name!r} in the warehouse has columns {', '.join(actual.names)}; "
        f"this version of shopbatch writes {', '.join(declared.names)}: move the old table away"
    )
