"""Checks whether a table that other clients changed can be written, and refuses commits that would break its rules.

Delta's protocol obliges every writer to keep constraints and table features. Neither `create_write_transaction` nor the
store evaluates expressions. So a table with constraints is refused before any work is done, with a message that names
them.
"""

from __future__ import annotations

import json
from typing import Any

from deltalake import DeltaTable

from shopbatch.core.errors import UserError, one_line
from shopbatch.tables.schema import Table
from shopbatch.warehouse.evolution import check_schema
from shopbatch.warehouse.snapshot import Demands, Mode, Snapshot

# Features that the store's commits respect: they add and remove whole files, check nulls, and change a schema only by
# new columns. Constraints, expressions and mappings that some features stand for are looked for in the table itself.
_KEPT = {
    "appendOnly",
    "changeDataFeed",  # without change files, readers derive the changes from the files added and removed
    "checkConstraints",
    "columnMapping",
    "deletionVectors",
    "generatedColumns",
    "invariants",
    "timestampNtz",
    "v2Checkpoint",
    "variantType",
    "variantType-preview",
}
_LEGACY = {6: "identityColumns"}  # features, not among those above, that a writer version implies
_CONSTRAINT = "delta.constraints."
_LONGEST = 120  # characters of an expression that a message shows


def read_demands(handle: DeltaTable) -> Demands:
    """Return the constraints and features of a table that its writers must respect, at the handle's version."""
    metadata = handle.metadata()
    refused = [
        f"the writer feature {name}, which shopbatch cannot keep (ALTER TABLE ... DROP FEATURE {name})"
        for name in _unknown_features(handle)
    ]
    for key, expression in sorted(metadata.configuration.items()):
        if key.startswith(_CONSTRAINT):
            name, rule = key.removeprefix(_CONSTRAINT), one_line(expression, _LONGEST)
            drop = f"ALTER TABLE ... DROP CONSTRAINT {name}"
            refused.append(f"the constraint {name} ({rule}), which shopbatch does not check ({drop})")
    for column in json.loads(handle.schema().to_json())["fields"]:
        refused += [f"{what}, which shopbatch does not keep" for what in _expressions(column)]
    return Demands(
        refused=tuple(refused),
        append_only=metadata.configuration.get("delta.appendOnly", "").lower() == "true",
        partition_by=tuple(metadata.partition_columns),
    )


def _unknown_features(handle: DeltaTable) -> list[str]:
    """Return the names of features that a writer must support and that shopbatch does not support."""
    protocol = handle.protocol()
    unknown = sorted(set(protocol.writer_features or ()) - _KEPT)
    if protocol.min_writer_version > 7:
        unknown.append(f"of writer version {protocol.min_writer_version}")
    elif protocol.min_writer_version in _LEGACY:
        unknown.append(_LEGACY[protocol.min_writer_version])
    return unknown


def _expressions(column: dict[str, Any]) -> list[str]:
    """Return the rules in a column's definition, also of nested fields, as phrases: "the identity column id"."""
    name, metadata = column["name"], column.get("metadata", {})
    found = []
    if "delta.invariants" in metadata:
        found.append(f"an invariant of column {name} ({_rule(metadata['delta.invariants'])})")
    if "delta.generationExpression" in metadata:
        rule = one_line(metadata["delta.generationExpression"], _LONGEST)
        found.append(f"the generated column {name} ({rule})")
    if any(key.startswith("delta.identity.") for key in metadata):
        found.append(f"the identity column {name}")
    if isinstance(column["type"], dict):
        found += [text for inner in column["type"].get("fields", ()) for text in _expressions(inner)]
    return found


def _rule(invariant: str) -> str:
    """Return the expression of an invariant, which is stored as JSON within JSON; the text itself if it is not."""
    try:
        return one_line(json.loads(invariant)["expression"]["expression"], _LONGEST)
    except (ValueError, KeyError, TypeError):
        return one_line(invariant, _LONGEST)


def check_target(table: Table, snapshot: Snapshot, mode: Mode = "append") -> None:
    """Check that a commit of that mode can be made to a table in the warehouse.

    Args:
        table: The declaration of the table.
        snapshot: Its newest version in the warehouse.
        mode: The kind of commit, see `Store.commit`.

    Raises:
        UserError: The table has other columns than declared, or another client has given it a constraint or feature
            that forbids the commit. The message names it and says what to do.
    """
    check_schema(table, snapshot)
    demands, refused = snapshot.demands, list(snapshot.demands.refused)
    fields = {f.name: f for f in snapshot.schema}
    for column in table.columns:
        if column.nullable and column.name in fields and not fields[column.name].nullable:
            refused.append(
                f"NOT NULL on column {column.name}, which may be null here "
                f"(ALTER TABLE ... ALTER COLUMN {column.name} DROP NOT NULL)"
            )
    if demands.append_only and mode in ("rewrite", "replace") and snapshot.files:
        refused.append(
            "delta.appendOnly, and this would take rows out (ALTER TABLE ... UNSET TBLPROPERTIES ('delta.appendOnly'))"
        )
    if demands.partition_by != table.partition_by:
        expected = ", ".join(table.partition_by) or "none"
        refused.append(f"the partition columns {', '.join(demands.partition_by) or 'none'} (expected: {expected})")
    if refused:
        raise UserError(
            f"table {table.name!r} in the warehouse has {'; and '.join(refused)}; undo that, or move the table away"
        )
