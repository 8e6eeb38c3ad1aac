"""Columns of a Parquet file whose values repeat have a dictionary; those of keys and numbers that differ have none."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from shopbatch.warehouse.checksums import to_parquet

ROWS = 2_400
DATA = pa.table(
    {
        "key": [f"r{i}" for i in range(ROWS)],
        "hash": [i * 2**40 for i in range(ROWS)],
        "label": ["good", "bad", None] * (ROWS // 3),
        "nothing": pa.nulls(ROWS, pa.string()),
        "half": pa.array([1.5] * ROWS, pa.float16()),  # Arrow cannot count its values
        "tags": [["a", "b"]] * ROWS,
        "facts": pa.array([[("size", ["L"])]] * ROWS, pa.map_(pa.string(), pa.list_(pa.string()))),
        "place": [{"x": 1, "y": {"z": ["q"]}}] * ROWS,
    }
)


def test_columns_whose_values_repeat_have_a_dictionary() -> None:
    file = pq.ParquetFile(pa.BufferReader(bytes(to_parquet(DATA, 1_000))))
    assert file.read().equals(DATA)
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        columns = [group.column(i) for i in range(group.num_columns)]
        without = {c.path_in_schema for c in columns if not c.has_dictionary_page}
        assert without == {"key", "hash"}
    assert pq.ParquetFile(pa.BufferReader(bytes(to_parquet(DATA[:0])))).read().equals(DATA[:0])
