"""Reading sequences: the same purchases whatever the order of rows and files, and nothing for who has none."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from shopbatch.capabilities.recommendations.sequences_reader import read_sequences

SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("products", pa.list_(pa.string())),
        ("days", pa.list_(pa.date32())),
        ("actions", pa.list_(pa.int8())),
    ]
)
ROWS = [
    ("u2", ["tea", "ale", "tea"], [date(2024, 1, 3), date(2024, 1, 5), date(2024, 1, 5)], [1, 1, 3]),
    ("u1", ["ale", "fig"], [date(2024, 1, 1), date(2024, 2, 1)], [3, 1]),
    ("u3", [], [], []),
    ("u4", None, None, None),
]


def table(rows: list[tuple[object, ...]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


def purchases(sequences: pa.Table, **settings: object) -> list[tuple[str, str, date]]:
    named = read_sequences(sequences, **settings)  # type: ignore[arg-type]
    h, days = named.history, pa.array(named.history.day, pa.int32()).cast(pa.date32()).to_pylist()
    return [(named.users[u], named.products[i], d) for u, i, d in zip(h.user, h.item, days, strict=True)]


@pytest.mark.parametrize("whole", [table(ROWS), table(ROWS[::-1]), pa.concat_tables([table([r]) for r in ROWS])])
def test_purchases_do_not_depend_on_the_order_of_rows(whole: pa.Table) -> None:
    bought = [("u1", "fig", date(2024, 2, 1)), ("u2", "tea", date(2024, 1, 3)), ("u2", "ale", date(2024, 1, 5))]
    assert purchases(whole, actions=[1]) == bought
    seen = purchases(whole, actions=[1, 3])
    assert len(seen) == 5 and ("u1", "ale", date(2024, 1, 1)) in seen and ("u2", "tea", date(2024, 1, 5)) in seen
    named = read_sequences(whole, [1])
    assert named.users == ["u1", "u2", "u3", "u4"] and named.history.users == 4


def test_the_products_of_a_model_keep_their_numbers() -> None:
    named = read_sequences(table(ROWS), [1], products=["zoo", "ale", "tea"])
    assert named.products == ["ale", "tea", "zoo"] and named.history.items == 3
    assert purchases(table(ROWS), actions=[1], products=["zoo", "ale", "tea"])[0][1] == "tea"
    assert len(named.history.item) == 2


def test_no_users() -> None:
    assert read_sequences(table([]), [1]).history.users == 0
