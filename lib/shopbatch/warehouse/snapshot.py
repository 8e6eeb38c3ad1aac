"""A snapshot: one version of one table, and how its rows are read."""

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
    """What a table asks of its writers.

    Attributes:
        refused: What shopbatch does not keep, each with what to do about it.
        append_only: Whether rows may only be added.
        partition_by: The columns whose values are folders.
    """

    refused: tuple[str, ...] = ()
    append_only: bool = False
    partition_by: tuple[str, ...] = ()


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
    demands: Demands = field(default_factory=Demands, repr=False, compare=False)  # on those who write to the table

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(f.rows for f in self.files)

    @cached_property
    def by_path(self) -> dict[str, FileRef]:
        """The files by their paths relative to the table."""
        return {f.path: f for f in self.files}

    def part(self, scope: Mapping[str, str]) -> Snapshot:
        """Narrow the snapshot to one partition, with the metadata of that partition's own last commit.

        Args:
            scope: Value of each partition column; {} gives the whole table.
        """
        if not scope:
            return self
        inside = tuple(f for f in self.files if all(f.partition.get(k) == v for k, v in scope.items()))
        return replace(self, files=inside, metadata=self.metadata.get("scopes", {}).get(scope_name(scope), {}))

    def part_or_newest(self, scope: Mapping[str, str]) -> Snapshot | None:
        """Narrow the snapshot to a partition or, if nothing was committed for it, to that with the greatest value.

        Returns:
            What a new version of the partition is compared with, such as the newest day; None if there is nothing.
        """
        if (part := self.part(scope)).metadata:
            return part
        column, _, value = max(self.metadata.get("scopes") or {}, default="").partition("=")
        return self.part({column: value}) if column else None

    def bounds(self, column: str) -> dict[str, tuple[Any, Any]]:
        """Least and greatest value of a column by file path. Files without these statistics are left out."""
        names = [f"min.{column}", f"max.{column}"]
        if not set(names) <= set(self.adds.column_names):
            return {}
        listed = zip(self.adds["path"].to_pylist(), *(self.adds[n].to_pylist() for n in names), strict=True)
        return {unquote(path): (low, high) for path, low, high in listed if low is not None and high is not None}

    def select(self, columns: Sequence[str] | None) -> pa.Schema:
        """The schema of these columns; None gives that of all."""
        return self.schema if columns is None else pa.schema([self.schema.field(c) for c in columns])

    def read(
        self, columns: Sequence[str] | None = None, where: pc.Expression | None = None, limit: int | None = None
    ) -> pa.Table:
        """Read the rows of a small table, or the first `limit` rows of a large one, in file order."""
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
        """The files as a whole or, if `small`, one row group at a time: a few rows then do not cost a whole file."""
        for file in self.files:
            if small:
                yield from ((file, [group]) for group in range(len(files.row_group_rows(file.uri))))
            else:
                yield file, None

    def dataset(self, columns: Sequence[str] | None = None, where: pc.Expression | None = None) -> ray.data.Dataset:
        """Read the snapshot as a Ray Dataset: one task per file, which also applies `where`."""
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
    """The name under which a commit keeps the metadata of a partition."""
    return "/".join(f"{k}={v}" for k, v in sorted(scope.items()))
