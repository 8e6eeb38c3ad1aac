"""Converts the values of a file to those of a column, or refuses them one by one with a reason.

Pure functions of Arrow arrays. What happens to a value never depends on its neighbours: each rule is one vectorised
expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load.conversion import CHOICE, NESTED, NO_KEY, NO_VALUE, RANGE, Converted, refuse_all, to_mask
from shopbatch.load.number_values import to_integers, to_money
from shopbatch.load.text_values import to_text
from shopbatch.load.time_values import to_timestamps
from shopbatch.tables.schema import MONEY, TIMESTAMP, Column


def convert(column: Column, raw: pa.Array | Sequence[Any], key: bool) -> Converted:
    """Convert the values of one column.

    Args:
        column: The column of the table.
        raw: Values as an Arrow array, or as Python objects parsed from JSON; [n].
        key: Whether the column is part of the table's key, so that null and blank values are refused.
    """
    result = _from_arrow(column, raw) if isinstance(raw, pa.Array) else _from_json(column, raw)
    if column.between is not None:
        low, high = column.between
        outside = pc.or_(pc.less(result.values, low), pc.greater(result.values, high))
        result.refuse(RANGE, to_mask(outside))
    if column.one_of:
        known = pc.is_in(result.values, pa.array(column.one_of))
        result.refuse(CHOICE, to_mask(pc.and_(result.values.is_valid(), pc.invert(known))))
    if key:
        result.refuse(NO_KEY, to_mask(_null_or_blank(result.values)))
    elif not column.nullable:
        result.refuse(NO_VALUE, to_mask(_null_or_blank(result.values)))
    return result


def _null_or_blank(values: pa.Array) -> pa.Array:
    if not pa.types.is_string(values.type):
        return values.is_null()
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True)


def _from_arrow(column: Column, raw: pa.Array) -> Converted:
    if isinstance(raw, pa.ExtensionArray):
        raw = raw.storage
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    if pa.types.is_null(raw.type):
        return Converted(pa.nulls(len(raw), column.type))
    if pa.types.is_nested(raw.type):
        return refuse_all(raw, column.type, NESTED)
    if column.type == pa.string():
        return to_text(raw)
    if column.type == TIMESTAMP:
        return to_timestamps(raw)
    if column.type == MONEY:
        return to_money(raw)
    if pa.types.is_integer(column.type):
        return to_integers(raw, column.type)
    raise TypeError(f"column {column.name!r}: values of type {column.type} cannot be loaded")


def _from_json(column: Column, raw: Sequence[Any]) -> Converted:
    """Python values: one Arrow array if all are of one type, else one per type, because Arrow would make true 1.0."""
    if len({type(value) for value in raw} - {type(None)}) <= 1:
        try:
            return _from_arrow(column, pa.array(raw))
        except (pa.ArrowInvalid, UnicodeEncodeError, OverflowError):
            pass  # a lone surrogate, an integer of more than 64 bits, or lists of several types
    whole = Converted(pa.nulls(len(raw), column.type))
    parts: list[pa.Array] = []
    positions: list[int] = []
    values = [_for_arrow(value) for value in raw]
    for kind in (bytes, bool, int, float):
        of_kind = [i for i, value in enumerate(values) if type(value) is kind]
        part = _from_arrow(column, pa.array([values[i] for i in of_kind]))
        _add_faults(whole, part, of_kind)
        parts.append(part.values)
        positions += of_kind
    whole.refuse(NESTED, np.array([isinstance(v, list | dict) for v in raw]))
    if positions:
        order = np.full(len(raw), -1)
        order[positions] = np.arange(len(positions))
        whole.values = pc.take(pa.concat_arrays(parts), pa.array(order, mask=order < 0))
    return whole


def _add_faults(whole: Converted, part: Converted, positions: Sequence[int]) -> None:
    """Add the faults of the rows at these positions to those of all rows."""
    for reason, rows in part.faults.items():
        everywhere = whole.faults.setdefault(reason, np.zeros(len(whole.values), bool))
        everywhere[np.array(positions)[rows]] = True


def _for_arrow(value: Any) -> Any:
    """A JSON value as Arrow accepts it: text as bytes (a lone surrogate is invalid UTF-8), huge integers as digits."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if type(value) is int and not -(2**63) <= value < 2**63:
        return str(value).encode()
    return value
