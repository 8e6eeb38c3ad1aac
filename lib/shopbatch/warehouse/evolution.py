"""Handles tables that an older shopbatch wrote: columns declared since then read as null, until a commit adds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from deltalake import DeltaTable, Schema

from shopbatch.core.errors import UserError
from shopbatch.tables.schema import Table
from shopbatch.warehouse.snapshot import Snapshot


def missing_fields(table: Table, actual: pa.Schema) -> list[pa.Field] | None:
    """Return the declared columns that a table in the warehouse lacks.

    Args:
        table: The declaration of the table.
        actual: The columns of the table in the warehouse.

    Returns:
        [] if no column is missing. None if the table is not an older form of the declared one: it has an unknown column
        or one of another type, or lacks a column that every row must have.
    """
    declared = table.schema()
    if any(f.name not in declared.names or declared.field(f.name).type != f.type for f in actual):
        return None
    missing = [f for f in declared if f.name not in actual.names]
    needed = {*table.needed_key, *table.partition_by, *table.must_have}
    return None if any(f.name in needed or not f.nullable for f in missing) else missing


def as_declared(table: Table, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with all declared columns, in the declared order; missing columns read as null.

    A table that is not an older form of the declared one is returned unchanged.
    """
    missing = missing_fields(table, snapshot.schema)
    if missing is None:
        return snapshot
    fields = {f.name: f for f in (*snapshot.schema, *missing)}
    return replace(snapshot, schema=pa.schema([fields[name] for name in table.names]))


def check_schema(table: Table, snapshot: Snapshot) -> None:
    """Raise UserError if a table in the warehouse lacks columns, or has others, so that it cannot be written.

    A table that only lacks columns declared later passes, because the next commit adds them.
    """
    if missing_fields(table, snapshot.schema) is None:
        raise UserError(
            f"table {table.name!r} in the warehouse has columns {', '.join(snapshot.schema.names)}; "
            f"this version of shopbatch writes {', '.join(table.names)}: move the old table away"
        )


def add_columns(handle: DeltaTable, fields: Sequence[pa.Field]) -> None:
    """Add columns to a table by a separate commit. CommitFailedError if another commit came first."""
    handle.alter.add_columns(list(Schema.from_arrow(pa.schema(fields)).fields))
