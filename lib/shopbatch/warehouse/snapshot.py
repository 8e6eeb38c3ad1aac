"""`Snapshot`: one pinned version of a table, with the methods that read its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.warehouse import files
from shopbatch.warehouse.files import FileRef

if TYPE_CHECKING:
    import ray.data

Mode = Literal["append", "compact", "rewrite", "replace"]


@dataclass(frozen=True)
class Demands:
    """What a Delta table in the warehouse demands of programs that write to it.

    Attributes:
        refused: Constraints and features that shopbatch cannot keep, one phrase each that says what to do about it. If
            there are any, commits are refused.
        append_only: Whether rows may only be added.
        partition_by: The partition columns, whose values are folder names.
    """

    refused: tuple[str, ...] = ()
    append_only: bool = False
    partition_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """One pinned version of one table: later commits do not change what is read from it.

    Attributes:
        name: The table.
        uri: Path or URI of its folder.
        version: The version.
        table_id: Delta's id of the table; another one if the table was made anew.
        schema: Its columns.
        files: Its data files, in the order of the commits that added them.
        metadata: The metadata of the last commit that shopbatch made, {} if there is none.
        adds: The file list of Delta's log, with statistics.
        demands: What the table demands of programs that write to it.
    """

    name: str
    uri: str
    version: int
    table_id: str
    schema: pa.Schema
    files: tuple[FileRef, ...]
    metadata: Mapping[str, Any]  # of the last commit that shopbatch made
    adds: pa.Table = field(repr=False, compare=False)  # the log's file list, with statistics
    demands: Demands = field(default_factory=Demands, repr=False, compare=False)  # on those who write to the table

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(f.rows for f in self.files)

    @cached_property
    def by_path(self) -> dict[str, FileRef]:
        """The files by their paths, {path relative to the table's folder: file}."""
        return {f.path: f for f in self.files}

    def part(self, scope: Mapping[str, str]) -> Snapshot:
        """Narrow the snapshot to one partition.

        Args:
            scope: Value of each partition column, {column: value}; {} returns the whole table.

        Returns:
            A snapshot with the files of that partition, and with the metadata of the last commit for it ({} if none).
        """
        if not scope:
            return self
        inside = tuple(f for f in self.files if all(f.partition.get(k) == v for k, v in scope.items()))
        return replace(self, files=inside, metadata=self.metadata.get("scopes", {}).get(scope_name(scope), {}))

    def part_or_newest(self, scope: Mapping[str, str]) -> Snapshot | None:
        """Narrow the snapshot to one partition or, if nothing was committed for it, to the newest partition.

        The newest is the one with the greatest value, for example the last day. Gates compare a new version with the
        snapshot that this method returns.

        Args:
            scope: Value of the partition column, {column: value}.

        Returns:
            The narrowed snapshot; None if no partition was committed.
        """
        if (part := self.part(scope)).metadata:
            return part
        column, _, value = max(self.metadata.get("scopes") or {}, default="").partition("=")
        return self.part({column: value}) if column else None

    def bounds(self, column: str) -> dict[str, tuple[Any, Any]]:
        """Return the least and greatest value of a column in each file, from Delta's statistics.

        Returns:
            {path: (least, greatest)}. Files without statistics of the column are left out.
        """
        names = [f"min.{column}", f"max.{column}"]
        if not set(names) <= set(self.adds.column_names):
            return {}
        listed = zip(self.adds["path"].to_pylist(), *(self.adds[n].to_pylist() for n in names), strict=True)
        return {unquote(path): (low, high) for path, low, high in listed if low is not None and high is not None}

    def select(self, columns: Sequence[str] | None) -> pa.Schema:
        """Return the schema of these columns; None returns that of all columns."""
        return self.schema if columns is None else pa.schema([self.schema.field(c) for c in columns])

    def read(
        self, columns: Sequence[str] | None = None, where: pc.Expression | None = None, limit: int | None = None
    ) -> pa.Table:
        """Read the rows of a small table, or the first rows of a large one, into memory, in file order.

        Args:
            columns: Columns to read; None: all.
            where: Condition on the rows, which may use any column of the table; None: all rows.
            limit: Greatest number of rows; None: no limit.
        """
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
        """Yield (file, row groups to read); None as row groups means the whole file.

        Args:
            small: Whether each row group is yielded alone, so that reading a few rows does not cost a whole file.
        """
        for file in self.files:
            if small:
                yield from ((file, [group]) for group in range(len(files.row_group_rows(file.uri))))
            else:
                yield file, None

    def dataset(self, columns: Sequence[str] | None = None, where: pc.Expression | None = None) -> ray.data.Dataset:
        """Return the rows as a Ray Dataset, with one task per file that reads it and applies `where`.

        Args:
            columns: Columns to read; None: all.
            where: Condition on the rows, which may use any column of the table; None: all rows.
        """
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


def scope_name(scope: Mapping[str, str]) -> str:
    """Return the key of a partition in the commit metadata: {"day": "2026-11-22"} -> "day=2026-11-22"."""
    return "/".join(f"{k}={v}" for k, v in sorted(scope.items()))
