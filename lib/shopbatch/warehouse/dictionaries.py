"""Chooses which columns of a Parquet file get dictionary encoding: those whose values repeat.

Keys, hashes, vectors and probabilities hardly repeat. A dictionary for them takes most of the writing time, is given up
in the middle of the column, and makes the file larger.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

_SAMPLE = 1_000  # rows by which a column is judged
_DISTINCT = 0.5  # a column with a greater share of distinct values in them gets no dictionary


def repeating_columns(data: pa.Table) -> list[str]:
    """Return the paths of the Parquet columns that get a dictionary, as `use_dictionary` of pyarrow takes them.

    A column is judged by its first rows; nested columns always get one.
    """
    paths: list[str] = []
    for field, column in zip(data.schema, data.columns, strict=True):
        if field.type.num_fields or _repeats(column.slice(0, _SAMPLE)):
            paths += _leaves(field.name, field.type)
    return paths


def _repeats(sample: pa.ChunkedArray) -> bool:
    try:
        return bool(pc.count_distinct(sample).as_py() <= _DISTINCT * len(sample))
    except pa.ArrowNotImplementedError:  # a type whose values Arrow cannot compare
        return True


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    """Yield the paths of the Parquet columns that make up one Arrow column, such as "tags.list.element"."""
    if pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _leaves(f"{path}.{kind.field(i).name}", kind.field(i).type)
    elif pa.types.is_map(kind):
        yield from _leaves(f"{path}.key_value.key", kind.key_type)
        yield from _leaves(f"{path}.key_value.value", kind.item_type)
    elif kind.num_fields:
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path
