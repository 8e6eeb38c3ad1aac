"""Tables of an older version of shopbatch: a column that was declared later is null in them, until a commit adds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from deltalake import DeltaTable, Schema

from shopbatch.core.errors import UserError
from shopbatch.tables.schema import Table
from shopbatch.warehouse.snapshot import Snapshot


def missing_fields(table: Table, actual: pa.Schema) -> list[pa.Field] | None:
    """Return the declared fields that the table in the warehouse lacks; [] if it has all of them.

    Returns:
        None if the table is not an older form of the declared one: it has a column that is unknown or of another type,
        or lacks one that every row must have.
    """
    declared = table.schema()
    if any(f.name not in declared.names or declared.field(f.name).type != f.type for f in actual):
        return None
    missing = [f for f in declared if f.name not in actual.names]
    needed = {*table.needed_key, *table.partition_by, *table.must_have}
    return None if any(f.name in needed or not f.nullable for f in missing) else missing


def as_declared(table: Table, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with all columns of the declaration, in its order; those that are missing are read as null.

    A table that is not an older form of the declared one is returned as it is.
    """
    missing = missing_fields(table, snapshot.schema)
    if missing is None:
        return snapshot
    fields = {f.name: f for f in (*snapshot.schema, *missing)}
    return replace(snapshot, schema=pa.schema([fields[name] for name in table.names]))


def check_schema(table: Table, snapshot: Snapshot) -> None:
    """Check that a commit may be made to the table in the warehouse. UserError if its columns do not allow it."""
    if missing_fields(table, snapshot.schema) is None:
        raise UserError(
            f"table {table.name!r} in the warehouse has columns {', '.join(snapshot.schema.names)}; "
            f"this version of shopbatch writes {', '.join(table.names)}: move the old table away"
        )


def add_columns(handle: DeltaTable, fields: Sequence[pa.Field]) -> None:
    """Add columns to a table in a commit of their own. CommitFailedError if another commit came first."""
    handle.alter.add_columns(list(Schema.from_arrow(pa.schema(fields)).fields))
