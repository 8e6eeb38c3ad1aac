"""Converts values to lists of texts and to maps from names to texts, for columns such as `tags` and `attributes`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load.conversion import NESTED, Converted, refuse_all, to_mask
from shopbatch.load.text_values import is_text, to_text, without_null_words
from shopbatch.text.markup import plain_text

_SEPARATORS = (";", "|", "\n", ",")  # between entries of a cell; the first of these that occurs in the cell is used
_ENTRY = re.compile(r"^\s*([^:=]{1,60}?)\s*[:=]\s*(.*?)\s*$", re.DOTALL)


def to_lists(raw: pa.Array | Sequence[Any], html: bool = False) -> Converted:
    """Convert lists, JSON arrays, and cells such as `red, summer` to lists of strings [n]; an empty list becomes null.

    Args:
        raw: The values, [n].
        html: Whether the texts are HTML, which is converted to plain text.
    """
    return _convert(raw, pa.list_(pa.string()), (_parse_list, _list_of), html)


def to_maps(raw: pa.Array | Sequence[Any], html: bool = False) -> Converted:
    """Convert maps, structs, JSON objects, and cells such as `colour: red; size: M` to maps of strings [n].

    `colour=red,size=M` is read as well. A cell with text and no name, such as `red`, is refused; an empty map becomes
    null.

    Args:
        raw: The values, [n].
        html: Whether the texts are HTML, which is converted to plain text.
    """
    return _convert(raw, pa.map_(pa.string(), pa.string()), (_parse_map, _map_of), html)


def join_maps(base: pa.Array | None, entries: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """Add entries to the maps of a column; each entry is given as a column of texts, and replaces one of the same name.

    Args:
        base: The maps, [n]; None if there are none yet.
        entries: Name of an entry -> its texts, string [n]; null where a row lacks the entry.
        rows: The number of rows, n.

    Returns:
        Maps with their names in alphabetical order, [n]; null where a map is empty.
    """
    names = sorted(entries)
    if base is None or base.null_count == rows:
        return _maps_of_columns(names, [entries[n] for n in names], rows)
    columns = [entries[n].to_pylist() for n in names]
    whole = []
    for known, *values in zip(base.to_pylist(), *columns, strict=True):
        merged = dict(known or ()) | {n: v for n, v in zip(names, values, strict=True) if v is not None}
        whole.append(sorted(merged.items()) or None)
    return pa.array(whole, pa.map_(pa.string(), pa.string()))


def _maps_of_columns(names: Sequence[str], columns: Sequence[pa.Array], rows: int) -> pa.Array:
    """Build maps [rows], one entry for each column that is not null in the row, without a Python object for each row.

    Args:
        names: The names of the entries, one for each column.
        columns: The texts of each entry, [rows].
        rows: The number of rows.
    """
    if not names:
        return pa.nulls(rows, pa.map_(pa.string(), pa.string()))
    there = np.column_stack([to_mask(column.is_valid()) for column in columns])
    flat = np.flatnonzero(there.ravel())
    row, column = np.divmod(flat, len(names))
    stacked = pa.concat_arrays([c.cast(pa.string()) for c in columns])
    items = stacked.take(pa.array(column * rows + row))
    counts = there.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    keys = pa.array(names, pa.string()).take(pa.array(column))
    empty = np.append(counts == 0, False)
    return pa.MapArray.from_arrays(pa.array(offsets, mask=empty), keys, items)


def _convert(
    raw: pa.Array | Sequence[Any],
    kind: pa.DataType,
    readers: tuple[Callable[[str], Any], Callable[[Any], Any]],
    html: bool,
) -> Converted:
    """Convert values to lists or maps; refuse those that no parser can read (`nested`).

    Args:
        raw: The values, [n].
        kind: The Arrow type of the result.
        readers: The parser of a text cell, and the converter of a Python object. Each returns `NotImplemented` for a
            value that it cannot read.
        html: Whether the texts are HTML, which is converted to plain text. A text cell is converted before it is split
            into entries, as `&amp;` contains the separator `;`.
    """
    parse, read = readers
    if isinstance(raw, pa.Array) and is_text(raw.type):
        result = _parse_cells(to_text(raw), kind, parse, html)
    elif isinstance(raw, pa.Array) and _is_flat(raw.type):
        result = _cast(raw, kind)
    else:
        objects = raw.to_pylist() if isinstance(raw, pa.Array) else raw
        result = _collect([v if v is None else parse(v) if isinstance(v, str) else read(v) for v in objects], kind)
    result.values = _plain_texts(result.values) if html else result.values
    return result


def _parse_cells(text: Converted, kind: pa.DataType, parse: Callable[[str], Any], html: bool) -> Converted:
    """Parse cells of text into lists or maps, each distinct cell once.

    Args:
        text: The cells, with the faults found so far.
        kind: The Arrow type of the result.
        parse: The parser of one cell; returns `NotImplemented` for a cell that it cannot read.
        html: Whether the cells are HTML, which is converted to plain text first.
    """
    known = without_null_words(text.values)
    if html:
        known = pc.if_else(pc.match_substring_regex(known, r"^\s*[\[{]"), known, plain_text(known))  # JSON stays
    cells = pc.dictionary_encode(known)
    distinct = _collect([parse(cell) for cell in cells.dictionary.to_pylist()], kind)
    result = Converted(distinct.values.take(cells.indices), text.faults)
    if distinct.faults:
        result.refuse(NESTED, to_mask(pa.array(distinct.refused).take(cells.indices)))
    return result


def _is_flat(kind: pa.DataType) -> bool:
    """Return True if an Arrow type is a map, list or struct that holds only text."""
    if pa.types.is_map(kind):
        return is_text(kind.key_type) and is_text(kind.item_type)
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(is_text(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and is_text(kind.value_type)


def _cast(raw: pa.Array, kind: pa.DataType) -> Converted:
    """Cast maps, lists or structs of text to the column's type; refuse maps for lists and lists for maps."""
    if pa.types.is_struct(raw.type) and pa.types.is_map(kind):
        fields = {raw.type.field(i).name: column.cast(pa.string()) for i, column in enumerate(raw.flatten())}
        return Converted(join_maps(None, fields, len(raw)))
    if pa.types.is_map(raw.type) != pa.types.is_map(kind):
        return refuse_all(raw, kind, NESTED)
    values = raw.cast(kind)
    if pa.types.is_map(kind):
        lengths = np.diff(values.offsets.to_numpy())
    else:
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
    return Converted(pc.if_else(pa.array(lengths > 0), values, pa.scalar(None, kind)))


def _collect(found: list[Any], kind: pa.DataType) -> Converted:
    """Build an array from parsed values: `NotImplemented` is refused, an empty list or map becomes null."""
    bad = np.array([value is NotImplemented for value in found], bool)
    result = Converted(pa.array([None if value is NotImplemented else value or None for value in found], kind))
    result.refuse(NESTED, bad)
    return result


def _text_of(value: Any) -> str | None:
    """Return a scalar as trimmed text (true -> "true", 5.0 -> "5"); None for null, NaN and blank text."""
    if type(value) is str:  # the usual case
        return value.strip() or None
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip() or None


def _list_of(value: Any) -> Any:
    """Return a Python object as a list of texts; `NotImplemented` for mappings and nested lists."""
    if not isinstance(value, list | tuple):
        return NotImplemented if isinstance(value, dict) else [t for t in (_text_of(value),) if t]
    if any(isinstance(item, dict | list) for item in value):
        return NotImplemented
    return [text for item in value if (text := _text_of(item)) is not None]


def _map_of(value: Any) -> Any:
    """Return a Python mapping, or a list of pairs, as sorted (name, text) pairs; `NotImplemented` for anything else."""
    if isinstance(value, dict) and all(type(item) is str for item in value.values()) and "" not in value.values():
        return sorted(value.items())
    pairs = value.items() if isinstance(value, dict) else value
    if not isinstance(value, dict | list) or not all(isinstance(p, tuple) and len(p) == 2 for p in pairs):
        return NotImplemented
    entries = {}
    for name, item in pairs:
        items = item if isinstance(item, list | tuple) else [item]
        texts = [text for one in items if not isinstance(one, dict) and (text := _text_of(one)) is not None]
        if texts and str(name).strip():
            entries[str(name).strip()] = ", ".join(texts)
    return sorted(entries.items())


def _parse_list(cell: str) -> Any:
    """Parse a cell into a list of texts: as a JSON array, or split at the first separator that occurs in it."""
    if cell.lstrip()[:1] == "[":
        found = _load_json(cell, list)
        listed = NotImplemented if found is None else _list_of(found)
        if listed is not NotImplemented:
            return listed
    separator = next((s for s in _SEPARATORS if s in cell), ",")
    return [item.strip() for item in cell.split(separator) if item.strip()]


def _parse_map(cell: str) -> Any:
    """Parse a cell (a JSON object, or entries such as `size: M`) into sorted (name, text) pairs.

    The result is `NotImplemented` if the cell begins with text without a name; later such text continues the entry
    before.
    """
    if cell.lstrip()[:1] == "{":
        found = _load_json(cell, dict)
        return NotImplemented if found is None else _map_of(found)
    entries: dict[str, str] = {}
    last = ""
    separator = next((s for s in _SEPARATORS if s in cell), ",")
    for part in cell.split(separator):
        if match := _ENTRY.match(part):
            last = match[1]
            entries[last] = match[2]
        elif last and part.strip():  # the value itself contains the separator
            entries[last] += f"{separator}{part}".rstrip()
        elif part.strip():
            return NotImplemented
    return sorted((name, text) for name, text in entries.items() if text)


def _load_json(cell: str, kind: type) -> Any:
    """Parse text as JSON; None if it is not valid, or not of the wanted type."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, kind) else None


def _plain_texts(values: pa.Array) -> pa.Array:
    """Return lists or maps whose texts are plain: entities are decoded and HTML tags are removed."""
    texts = values.items if pa.types.is_map(values.type) else pc.list_flatten(values)
    if plain_text(texts).equals(texts):
        return values
    plain = {text: plain for text, plain in zip(texts.to_pylist(), plain_text(texts).to_pylist(), strict=True)}
    if pa.types.is_map(values.type):
        rows = [v and [(name, plain.get(text, text)) for name, text in v] for v in values.to_pylist()]
    else:
        rows = [v and [plain.get(text, text) for text in v] for v in values.to_pylist()]
    return pa.array(rows, values.type)
