"""Converts the raw values of one column to the column's type; each value that does not fit is refused with a reason.

The functions are pure, on Arrow arrays. How a column's values are written is decided before (`column_formats.py`), so
the result for one value does not depend on the others. `batches.py` calls `convert` for each column of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load import words
from shopbatch.load.column_formats import ColumnFormat
from shopbatch.load.conversion import CHOICE, NESTED, NO_KEY, NO_VALUE, RANGE, Converted, Mask, refuse_all, to_mask
from shopbatch.load.nested_values import to_lists, to_maps
from shopbatch.load.number_values import to_integers, to_money, to_stars
from shopbatch.load.text_values import to_ids, to_text, without_null_words
from shopbatch.load.time_values import to_timestamps
from shopbatch.tables.schema import TIMESTAMP, Column
from shopbatch.text.markup import plain_text

_SHOWN = 80  # most characters of a refused value in the list of rejects
_USUAL = ColumnFormat()


def convert(column: Column, raw: pa.Array | Sequence[Any], key: bool, written: ColumnFormat = _USUAL) -> Converted:
    """Convert the values of one column.

    Args:
        column: The column of the table.
        raw: Values as an Arrow array, or as Python objects parsed from JSON or a workbook; [n].
        key: Whether the column is part of the table's key, so that null and blank values are refused.
        written: How the values are written (decimal mark, order of dates, HTML).

    Returns:
        The values in the column's type [n], null where refused, and the refused rows by reason.
    """
    if column.type.num_fields:
        result = (to_maps if pa.types.is_map(column.type) else to_lists)(raw, written.html)
    elif isinstance(raw, pa.Array):
        result = _from_arrow(column, raw, written)
    else:
        result = _from_json(column, raw, written)
    if column.between is not None:
        low, high = column.between
        outside = pc.or_(pc.less(result.values, low), pc.greater(result.values, high))
        result.refuse(RANGE, to_mask(outside))
    if key:
        result.refuse(NO_KEY, to_mask(_null_or_blank(result.values)))
    elif not column.nullable:
        result.refuse(NO_VALUE, to_mask(_null_or_blank(result.values)))
    return result


def show(raw: pa.Array | Sequence[Any], rows: Mask) -> list[str | None]:
    """Return the raw values of chosen rows as text for the list of rejects, at most 80 characters each.

    Args:
        raw: The values, [n].
        rows: The chosen rows, boolean [n].

    Returns:
        One text for each chosen row; None for a null.
    """
    chosen = np.flatnonzero(rows)
    values = raw.take(pa.array(chosen)).to_pylist() if isinstance(raw, pa.Array) else [raw[i] for i in chosen.tolist()]
    return [None if value is None else _show_one(value) for value in values]


def _show_one(value: Any) -> str:
    """Return a value as valid UTF-8 text, cut to 80 characters."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be stored
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _null_or_blank(values: pa.Array) -> pa.Array:
    """Return a boolean array [n]: True for null and, among strings, for those of white space alone."""
    if not pa.types.is_string(values.type):
        return values.is_null()
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True)


def _from_arrow(column: Column, raw: pa.Array, written: ColumnFormat) -> Converted:
    """Convert an Arrow array to the type of a column that is neither a list nor a map."""
    if isinstance(raw, pa.ExtensionArray):
        raw = raw.storage
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    if pa.types.is_null(raw.type):
        return Converted(pa.nulls(len(raw), column.type))
    if pa.types.is_nested(raw.type):
        return refuse_all(raw, column.type, NESTED)
    if column.type == pa.string():
        return _to_column_text(column, raw, written)
    if column.type == TIMESTAMP:
        return to_timestamps(raw, written.orders, written.pattern)
    if pa.types.is_decimal(column.type):
        return to_money(raw, column.type, written.decimal)
    if column.stars:
        return to_stars(raw, column.type, written.decimal)
    if pa.types.is_integer(column.type):
        return to_integers(raw, column.type, written.decimal)
    if pa.types.is_boolean(column.type):
        return _to_booleans(raw)
    raise TypeError(f"column {column.name!r}: values of type {column.type} cannot be loaded")


def _to_column_text(column: Column, raw: pa.Array, written: ColumnFormat) -> Converted:
    """Convert to a text column: an allowed word, a language code, an id, or free text."""
    result = to_text(raw)
    result.values = without_null_words(
        result.values, "text" if column.free_text else "words", f"{written.table}.{column.name}"
    )
    if column.one_of:
        allowed = words.values(written.table, column.name)
        _take_meaning(result, lambda word: allowed.get(words.normal_value(word)), pa.string())
    elif column.name == "language":
        _take_meaning(result, words.language, pa.string())
    elif column.is_id:
        result.values = to_ids(result.values, written.float_ids)
    elif written.html:
        result.values = plain_text(result.values)
    return result


def _to_booleans(raw: pa.Array) -> Converted:
    """Convert Booleans and the words for yes and no; other values are refused."""
    if pa.types.is_boolean(raw.type):
        return Converted(raw)
    text = to_text(raw)
    result = Converted(without_null_words(text.values), text.faults)
    known = words.booleans()
    _take_meaning(result, lambda word: known.get(words.normal_value(word)), pa.bool_())
    return result


def _take_meaning(result: Converted, meaning: Callable[[str], Any], kind: pa.DataType) -> None:
    """Replace each word of a text column by the value that it stands for, in place; refuse words that stand for none.

    Blank text becomes null.

    Args:
        result: A column of text, [n].
        meaning: Function from a trimmed word to its value ("yes" -> True); None if it has none.
        kind: The Arrow type of the values.
    """
    encoded = pc.dictionary_encode(result.values)
    known = [word.strip() for word in encoded.dictionary.to_pylist()]
    meanings = pa.array([meaning(word) if word else None for word in known], kind)
    blank = pa.array([not word for word in known], pa.bool_())
    values = meanings.take(encoded.indices)
    stated = pc.and_(result.values.is_valid(), pc.invert(pc.fill_null(blank.take(encoded.indices), True)))
    result.values = values
    result.refuse(CHOICE, to_mask(pc.and_(stated, values.is_null())))


def _from_json(column: Column, raw: Sequence[Any], written: ColumnFormat) -> Converted:
    """Convert Python values: as one Arrow array if all have the same type, else as one array for each type.

    A single array would not do for several types, because Arrow would turn true into 1.0.
    """
    if len({type(value) for value in raw} - {type(None)}) <= 1:
        try:
            return _from_arrow(column, pa.array(raw), written)
        except (pa.ArrowInvalid, UnicodeEncodeError, OverflowError):
            pass  # a lone surrogate, an integer beyond 64 bits, or lists of several types: convert by type below
    whole = Converted(pa.nulls(len(raw), column.type), rounded=np.zeros(len(raw), bool))
    parts: list[pa.Array] = []
    positions: list[int] = []
    values = [_for_arrow(value) for value in raw]
    for kind in (bytes, bool, int, float, Decimal, datetime, date):
        of_kind = [i for i, value in enumerate(values) if type(value) is kind]
        if of_kind:
            part = _from_arrow(column, pa.array([values[i] for i in of_kind]), written)
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
    """Add the faults of some rows to the result for all rows, in place.

    Args:
        whole: The result for all rows.
        part: The result for some rows.
        positions: The positions of these rows among all rows.
    """
    at = np.array(positions)
    for reason, rows in part.faults.items():
        everywhere = whole.faults.setdefault(reason, np.zeros(len(whole.values), bool))
        everywhere[at[rows]] = True
    if part.rounded is not None and whole.rounded is not None:
        whole.rounded[at[part.rounded]] = True


def _for_arrow(value: Any) -> Any:
    """Convert a JSON value to a form that Arrow accepts; other values are returned as they are.

    Text becomes bytes, since Arrow strings cannot hold a lone surrogate (which is refused later as invalid UTF-8).
    Integers beyond 64 bits become bytes of their digits.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if type(value) is int and not -(2**63) <= value < 2**63:
        return str(value).encode()
    return value
