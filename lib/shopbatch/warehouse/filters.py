"""Parses conditions on rows as users write them: `rating>=4`, `text~broken` (contains), `title=` (is null).

`warehouse.rows` uses it for `shopbatch show --where`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.snapshot import Snapshot

_TERM = re.compile(r"(.+?)(!=|<=|>=|=|<|>|~)(.*)", re.S)
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_HELD: Mapping[
    str, Callable[[Any, Any, Any], bool]
] = {  # whether a file with these bounds can hold a row that meets the condition
    "=": lambda low, high, value: low <= value <= high,
    "<": lambda low, high, value: low < value,
    "<=": lambda low, high, value: low <= value,
    ">": lambda low, high, value: high > value,
    ">=": lambda low, high, value: high >= value,
}


@dataclass(frozen=True)
class Condition:
    """One parsed condition on rows.

    Attributes:
        column: The column that is compared.
        operator: One of =, !=, <, <=, >, >= and ~ (contains).
        value: The Python value to compare with; None stands for null.
        expression: The condition as an Arrow expression. As in SQL, a null meets no condition but `column=`.
    """

    column: str
    operator: str
    value: Any
    expression: pc.Expression


def column_of(term: str) -> str:
    """Return the column name in a condition, without checking that the column exists: "rating>=4" -> "rating"."""
    parts = _TERM.fullmatch(term)
    return term if parts is None else parts[1]


def parse_condition(term: str, schema: pa.Schema) -> Condition:
    """Parse a condition of the form `column OPERATOR value`.

    Args:
        term: The text that the user wrote. Without a value, `=` means null, and `!=` means not null.
        schema: The columns of the table.

    Raises:
        UserError: The text is no condition, there is no such column, or its type does not allow the operator or value.
    """
    parts = _TERM.fullmatch(term)
    if parts is None:
        raise UserError(f"--where {term!r}: expected column=value, or !=, <, <=, >, >=, ~ (contains) in place of =")
    column, sign, text = parts.groups()
    if column not in schema.names:
        raise UserError(f"--where {term!r}: no column {column!r}; {hint(column, schema.names)}")
    field, kind = pc.field(column), schema.field(column).type
    if not text and sign in ("=", "!="):
        return Condition(column, sign, None, field.is_null() if sign == "=" else field.is_valid())
    if not text:
        raise UserError(f"--where {term!r}: a value must follow {sign}; only = (null) and != (not null) need none")
    if sign == "~":
        if not (pt.is_string(kind) or pt.is_large_string(kind)):
            raise UserError(f"--where {term!r}: column {column!r} is {kind}, and ~ looks into texts only")
        return Condition(column, sign, text, pc.match_substring(field, text))
    value = _value(text, kind)
    if value is None:
        raise UserError(f"--where {term!r}: column {column!r} is {kind}, which {text!r} is not")
    return Condition(column, sign, value.as_py(), _COMPARE[sign](_wide(field, kind), value))


def _value(text: str, kind: pa.DataType) -> pa.Scalar | None:
    """Convert a text to an Arrow value that can be compared with a column of this type; None if it is no such value.

    A number may be larger, or have more digits, than the column can hold.
    """
    try:
        if pt.is_integer(kind):
            return pa.scalar(text).cast(pa.int64())
        if pt.is_decimal(kind):
            return pa.scalar(Decimal(text)) if Decimal(text).is_finite() else None
        if pt.is_timestamp(kind):
            moment = datetime.fromisoformat(text)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return pa.scalar(aware if kind.tz else aware.astimezone(UTC).replace(tzinfo=None), kind)
        return pa.scalar(text).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, InvalidOperation, OverflowError):
        return None


def _wide(field: pc.Expression, kind: pa.DataType) -> pc.Expression:
    """Return the column for a comparison: whole numbers as int64, so that an int8 can be compared with 1000."""
    return field.cast(pa.int64()) if pt.is_integer(kind) else field


def narrowed(snapshot: Snapshot, condition: Condition) -> Snapshot:
    """Return the snapshot without files in which, by partition or statistics, no row can meet the condition."""
    column, value, held = condition.column, condition.value, _HELD.get(condition.operator)
    if held is None or not isinstance(value, str | int | date) or isinstance(value, datetime):
        return snapshot  # a null, or a value of a type whose statistics are rounded
    bounds = snapshot.bounds(column)

    def may_hold(file: FileRef) -> bool:
        if column in file.partition:
            return condition.operator != "=" or file.partition[column] == str(value)
        low, high = bounds.get(file.path, (None, None))
        return low is None or held(low, high, value)

    return replace(snapshot, files=tuple(f for f in snapshot.files if may_hold(f)))
