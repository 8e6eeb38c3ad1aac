"""Checks `--set COLUMN=VALUE`, by which a user states one value for all rows of a file, such as their currency."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.load import values, words
from shopbatch.load.column_formats import ColumnFormat
from shopbatch.tables.schema import Table


def checked(table: Table, constants: Mapping[str, str]) -> dict[str, str]:
    """Return the values of `--set` after checking that they fit the table; a currency becomes its ISO 4217 code.

    Args:
        table: The table that is loaded.
        constants: Column -> value, as the user wrote it.

    Raises:
        UserError: The table has no such column, the column cannot be the same in every row (a key or a list), or the
            value does not fit the column.
    """
    by_name = {column.name: column for column in table.columns}
    result = {}
    for name, text in constants.items():
        if name not in by_name:
            raise UserError(f"--set {name}=...: table {table.name!r} has no such column; {hint(name, by_name)}")
        column = by_name[name]
        if name in table.key or column.type.num_fields:
            why = "names its rows" if name in table.key else "holds lists"
            raise UserError(f"--set {name}=...: {name!r} {why}, so it cannot be one value")
        if name == "currency" and (text := words.currencies().get(text.casefold()) or "") == "":
            raise UserError(f"--set {name}={constants[name]}: expected an ISO 4217 code, such as USD")
        raw = pa.array([text], pa.string())
        converted = values.convert(column, raw, False, ColumnFormat(table=table.name))
        if converted.refused.any() or converted.values.null_count:
            allowed = f" (allowed: {', '.join(column.one_of)})" if column.one_of else ""
            raise UserError(f"--set {name}={text}: the value does not fit the column{allowed}")
        result[name] = text
    return result
