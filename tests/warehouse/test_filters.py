"""Conditions, sorting and limits of `shopbatch show` against plain Python."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from shopbatch.core.errors import UserError
from shopbatch.tables.schema import TIMESTAMP, Column, Table
from shopbatch.warehouse import files
from shopbatch.warehouse.filters import parse_condition
from shopbatch.warehouse.rows import Query, read_table
from shopbatch.warehouse.store import Snapshot, Store

DAY = date(2026, 1, 31)
VALUES: dict[str, list[Any]] = {
    "id": [f"r{i}" for i in range(12)],
    "stars": [1, 5, None, -3, 4, 4, 0, 127, -128, 2, None, 3],
    "price": [Decimal("1.00"), Decimal("2.50"), None, Decimal("-1.00")] * 3,
    "share": [0.5, None, -0.25, 1.0] * 3,
    "day": [DAY + timedelta(days=i) if i % 5 else None for i in range(12)],
    "at": [datetime(2026, 1, 31, i, 30, tzinfo=UTC) if i % 4 else None for i in range(12)],
    "sure": [True, False, None] * 4,
    "text": ["a=b", "", None, "坏了 broken", "Broken", "~", "a", "b", "ab", "aB", "é", "z"],
}
TYPES = {
    "id": pa.string(),
    "stars": pa.int8(),
    "price": pa.decimal128(12, 2),
    "share": pa.float64(),
    "day": pa.date32(),
    "at": TIMESTAMP,
    "sure": pa.bool_(),
    "text": pa.string(),
}
TABLE = Table("toy", "A table for tests.", ("id",), tuple(Column(n, t, n) for n, t in TYPES.items()))
ROWS = [dict(zip(VALUES, row, strict=True)) for row in zip(*VALUES.values(), strict=True)]
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
WANTED = {
    "stars": st.integers(-300, 300),  # beyond what an int8 holds
    "price": st.decimals(-2, 4, places=3),  # finer than the column
    "share": st.sampled_from([-0.25, 0.0, 0.5, 0.75, 1.0]),
    "day": st.dates(DAY - timedelta(days=2), DAY + timedelta(days=14)),
    "at": st.sampled_from([datetime(2026, 1, 31, h, 30, tzinfo=UTC) for h in range(12)]),
    "sure": st.booleans(),
    "text": st.sampled_from(["a", "a=b", "b", "坏了", "Broken", "~", "é", ">", "aa"]),
}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The rows in three files of two row groups each, so that limits and pruning cross their borders."""
    store = Store(str(tmp_path_factory.mktemp("filters")))
    data, written = pa.table(VALUES, TABLE.schema()), []
    for number in range(3):
        path = f"run/part-{number}.parquet"
        files.write(f"{store.uri('toy')}/{path}", data.slice(number * 4, 4), row_group=2)
        written.append(files.describe(store.uri("toy"), path, TABLE.file_schema()))
    store.commit(TABLE, written, "append", "run")
    return store.snapshot("toy")


def ids(snapshot: Snapshot, query: Query) -> list[str]:
    return [str(i) for i in read_table(snapshot, query)["id"].to_pylist()]


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(st.data())
def test_comparisons_and_limits_are_those_of_python(snapshot: Snapshot, data: st.DataObject) -> None:
    terms, met = [], [True] * len(ROWS)
    for _ in range(data.draw(st.integers(1, 2))):
        column, sign = data.draw(st.sampled_from(sorted(WANTED))), data.draw(st.sampled_from(sorted(COMPARE)))
        value = data.draw(WANTED[column])
        terms.append(f"{column}{sign}{str(value).lower() if column == 'sure' else value}")
        for i, row in enumerate(ROWS):
            met[i] &= row[column] is not None and COMPARE[sign](row[column], value)
    want = [row["id"] for row, is_met in zip(ROWS, met, strict=True) if is_met]
    assert ids(snapshot, Query(None, terms)) == want, terms
    count = data.draw(st.integers(0, 5))
    assert ids(snapshot, Query(count, terms)) == want[:count]


@settings(deadline=None, max_examples=60)
@given(column=st.sampled_from(sorted(VALUES)), descending=st.booleans(), count=st.none() | st.integers(0, 13))
def test_sorting_is_that_of_python_with_nulls_last(
    snapshot: Snapshot, column: str, descending: bool, count: int | None
) -> None:
    known = [row for row in ROWS if row[column] is not None]
    if isinstance(VALUES[column][0], str):
        known.sort(key=lambda row: str(row[column]).encode(), reverse=descending)
    else:
        known.sort(key=lambda row: row[column], reverse=descending)
    want = [row[column] for row in [*known, *(row for row in ROWS if row[column] is None)]][:count]
    answer = read_table(snapshot, Query(count, (), f"{'-' * descending}{column}"))
    assert answer[column].to_pylist() == want


@pytest.mark.parametrize(
    ("term", "want"),
    [
        ("text~roken", ["r3", "r4"]),
        ("text~坏", ["r3"]),
        ("text~=", ["r0"]),
        ("text=~", ["r5"]),
        ("text=", ["r2"]),
        ("stars=", ["r2", "r10"]),
        ("price!=", ["r0", "r1", "r3", "r4", "r5", "r7", "r8", "r9", "r11"]),
        ("at>=2026-01-31T10:00", ["r10", "r11"]),
        ("at>=2026-01-31T11:00+01:00", ["r10", "r11"]),
        ("at<2026-02-01", ["r1", "r2", "r3", "r5", "r6", "r7", "r9", "r10", "r11"]),
    ],
)
def test_texts_nulls_and_moments(snapshot: Snapshot, term: str, want: list[str]) -> None:
    assert ids(snapshot, Query(None, [term])) == want


@pytest.mark.parametrize(
    ("term", "says"),
    [
        ("stars", "expected column=value"),
        ("strs=1", "did you mean 'stars'"),
        ("stars=1.5", "column 'stars' is int8, which '1.5' is not"),
        ("stars<99999999999999999999", "is int8"),
        ("price>cheap", "is decimal128"),
        ("price>nan", "is decimal128"),
        ("share>high", "is double"),
        ("day>soon", "is date32"),
        ("at>soon", "is timestamp"),
        ("sure=maybe", "is bool"),
        ("stars~1", "~ looks into texts only"),
        ("stars<", "a value must follow <"),
    ],
)
def test_a_wrong_condition_is_one_line(term: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        parse_condition(term, TABLE.schema())
    assert says in str(error.value) and "\n" not in str(error.value)


def test_files_whose_statistics_rule_them_out_are_not_read(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = files.read
    monkeypatch.setattr(files, "read", lambda uri, *rest: read.append(uri) or original(uri, *rest))
    assert ids(snapshot, Query(None, ["stars>5"])) == ["r7"]
    assert {uri[-9] for uri in read} == {"1"}
