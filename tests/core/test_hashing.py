"""The content hash: two rows have one exactly when every column is equal, byte for byte."""

import datetime
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from shopbatch.core.hashing import all_names, former_hash128, hash128, hex128
from tests.inference.oracle import content_hash


def hexes(*columns: pa.Array | pa.ChunkedArray) -> list[str]:
    return hex128(*hash128(columns)).to_pylist()


def row(*values: str | bytes | None) -> str:
    return hexes(*(pa.array([v], pa.binary() if isinstance(v, bytes) else pa.string()) for v in values))[0]


# The names of what memos hold already: a change here makes every stored result unreachable.
GOLDEN = {
    ("",): "fcdf3ecfe876539956eb77f17f503ac1",
    (None,): "6cc4bdd5dd53ecbfa9d5251c97345d59",
    ("ab", "c"): "4908575d6383ee968a4985146b0da93f",
    ("a", "bc"): "93bfa29802515ebafd633cd636beb203",
    (None, "Great value, fits well."): "25100fb211e222223c6a5a740e1e35a0",
    ("标题", "东西很好 😀\0"): "56ad130d094b029e031f7ff4242e5ab0",
    ("x" * 5000, ""): "2aa0bc1bdfb71c901ffe7ea1bbb8942d",
}


@pytest.mark.parametrize("values", GOLDEN)
def test_hashes_stay_what_they_were(values):
    assert row(*values) == GOLDEN[values]


def test_the_former_hash_finds_what_older_versions_stored():
    column = pa.array(["", None, "x" * 5000])
    assert hex128(*former_hash128([column])).to_pylist() == [
        (empty := "d3d6486a90aeaa167eda146a64d327f8"),
        "b543d1260ab94df856d4acfab6d769e6",
        "e1e46ca486ac5ce64ff29c4a2126e75a",
    ]
    assert all_names([column[:1]]) == [row(""), empty]


def test_null_is_not_empty():
    assert len({row(None), row(""), row("-1"), row("-1:"), row(None, None), row("", None), row(None, "")}) == 7


def test_columns_have_borders():
    assert len({row("ab", "c"), row("a", "bc"), row("abc", ""), row("", "abc"), row("abc"), row("ab:1:c")}) == 6
    assert row("a:1:b") != row("a", "b")  # a value that looks like the frame of two
    assert row("a", "b") != row("b", "a")


def test_binary_and_text_of_one_spelling_are_one_content():
    assert row("é\0") == row("é\0".encode())
    assert row(b"\xff\xfe") != row(b"\xff\xfd")  # bytes that are no text are told apart as well


CELL = st.one_of(st.none(), st.text(st.sampled_from("ab:01-\0é中"), max_size=3))
ROWS = st.lists(st.tuples(CELL, CELL), max_size=30)


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_equal_rows_and_only_they_have_equal_hashes(rows):
    got = hexes(*(pa.array([r[i] for r in rows], pa.string()) for i in range(2)))
    assert got == [content_hash(*r) for r in rows]
    assert len(set(got)) == len(set(rows))


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(0, 5), st.integers(1, 7), st.sampled_from([pa.string(), pa.large_string()]))
def test_the_layout_in_memory_does_not_matter(rows, skip, chunk, kind):
    want = [content_hash(*r) for r in rows[skip:]]
    columns = [pa.array([r[i] for r in rows], kind) for i in range(2)]
    assert hexes(*(c.slice(skip) for c in columns)) == want
    chunked = [pa.chunked_array([c.slice(a, chunk) for a in range(0, len(rows), chunk)], kind) for c in columns]
    assert hexes(*(c.slice(skip) for c in chunked)) == want
    # the two columns need not be cut at the same rows
    assert hexes(chunked[0].slice(skip), columns[1].slice(skip)) == want


def test_numbers_are_hashed_as_written():
    assert hexes(pa.array([1, None, -3], pa.int8())) == [content_hash("1"), content_hash(None), content_hash("-3")]
    assert hexes(pa.array(["a", "b"]).dictionary_encode()) == [content_hash("a"), content_hash("b")]


def test_hex_is_the_high_word_then_the_low_one():
    high, low = np.array([0, 1, 2**64 - 1], np.uint64), np.array([10, 0, 2**63], np.uint64)
    assert hex128(high, low).to_pylist() == ["0" * 31 + "a", "0" * 15 + "1" + "0" * 16, "f" * 16 + "8" + "0" * 15]
    assert hex128(high[:0], low[:0]).to_pylist() == []
    assert hex128(*hash128([pa.array([], pa.string())])).to_pylist() == []


# Nested values, against the encoding as the module's docstring states it, written value by value.


def frame(encoded: bytes | None) -> bytes:
    return b"-1:" if encoded is None else b"%d:%s" % (len(encoded), encoded)


def encode(value: Any, kind: pa.DataType) -> bytes | None:
    if value is None:
        return None
    if pa.types.is_struct(kind):
        fields = sorted((kind.field(i) for i in range(kind.num_fields)), key=lambda f: f.name)
        return b"".join(frame(encode(value[f.name], f.type)) for f in fields)
    if pa.types.is_map(kind):
        entries = [frame(encode(k, kind.key_type)) + frame(encode(v, kind.item_type)) for k, v in value]
        return b"".join(sorted(entries))
    if kind.num_fields:
        return b"".join(frame(encode(v, kind.value_type)) for v in value)
    return value if isinstance(value, bytes) else str(value).encode()


LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.text(st.sampled_from("a1:-é"), max_size=3)),
    (pa.binary(), st.binary(max_size=3)),
    (pa.int64(), st.integers(-20, 20)),
    (pa.date32(), st.dates(datetime.date(2020, 1, 1), datetime.date(2020, 1, 9))),
    (pa.decimal128(5, 2), st.sampled_from([Decimal("1.50"), Decimal("-0.05"), Decimal("0.00")])),
]


@st.composite
def kinds(draw: st.DrawFn, depth: int = 3) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type, and values of it."""
    shape = draw(st.sampled_from(["leaf", "list", "large_list", "fixed", "struct", "map"])) if depth else "leaf"
    if shape == "leaf":
        return draw(st.sampled_from(LEAVES))
    if shape == "struct":
        names = draw(st.permutations("abc"))[: draw(st.integers(1, 3))]
        parts = {name: draw(kinds(depth - 1)) for name in names}
        values = st.fixed_dictionaries({n: st.none() | v for n, (_, v) in parts.items()})
        return pa.struct([(n, k) for n, (k, _) in parts.items()]), values
    kind, values = draw(kinds(depth - 1))
    if shape == "map":
        key, keys = draw(st.sampled_from(LEAVES))
        entries = st.lists(st.tuples(keys, st.none() | values), max_size=3)
        return pa.map_(key, kind), entries
    if shape == "fixed":
        return pa.list_(kind, 2), st.lists(st.none() | values, min_size=2, max_size=2)
    return (pa.list_ if shape == "list" else pa.large_list)(kind), st.lists(st.none() | values, max_size=3)


@st.composite
def columns(draw: st.DrawFn) -> tuple[pa.DataType, list[Any]]:
    kind, values = draw(kinds())
    return kind, draw(st.lists(st.none() | values, max_size=6))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(columns(), st.integers(0, 2))
def test_nested_values_are_hashed_as_their_encoding(column: tuple[pa.DataType, list[Any]], skip: int) -> None:
    kind, values = column
    array = pa.array(values, kind)
    want = [content_hash(encode(v, kind), "x") for v in values]
    other = pa.array(["x"] * len(values))
    assert hexes(array, other) == want
    assert hexes(array.slice(skip), other.slice(skip)) == want[skip:]
    chunked = pa.chunked_array([array.slice(0, skip), array.slice(skip)], kind)
    assert hexes(chunked, other) == want


def canonical(value: Any, kind: pa.DataType) -> Any:
    """A value that equals another one exactly if the two mean the same: only the order in a map does not count."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return tuple(canonical(value[kind.field(i).name], kind.field(i).type) for i in range(kind.num_fields))
    if pa.types.is_map(kind):
        entries = [(canonical(k, kind.key_type), canonical(v, kind.item_type)) for k, v in value]
        return tuple(sorted(entries, key=repr))
    return tuple(canonical(v, kind.value_type) for v in value) if kind.num_fields else value


@settings(max_examples=100, deadline=None)
@given(columns())
def test_equal_nested_values_and_only_they_have_equal_hashes(column: tuple[pa.DataType, list[Any]]) -> None:
    kind, values = column
    got = hexes(pa.array(values, kind))
    assert len(set(got)) == len({canonical(v, kind) for v in values})


LISTS = pa.list_(pa.list_(pa.string()))
NESTED = [
    None,
    [],
    [None],
    [[]],
    [[None]],
    [[""]],
    [["", ""]],
    [[], []],
    [[""], [""]],
    [["-1:"]],
    [["0:"]],
    [["a", "b"]],
]


def test_null_empty_and_nested_are_all_different() -> None:
    assert len(set(hexes(pa.array(NESTED, LISTS)))) == len(NESTED)
    pairs = [None, {"a": None, "b": None}, {"a": "", "b": None}, {"a": None, "b": ""}, {"a": "", "b": ""}]
    assert len(set(hexes(pa.array(pairs, pa.struct([("a", pa.string()), ("b", pa.string())]))))) == len(pairs)
    maps = [None, [], [("", None)], [("", "")], [("a", None)], [("a", "b")], [("a", "b"), ("c", "d")]]
    assert len(set(hexes(pa.array(maps, pa.map_(pa.string(), pa.string()))))) == len(maps)


def test_the_order_in_a_map_and_of_the_fields_does_not_matter() -> None:
    kind = pa.map_(pa.string(), pa.int64())
    assert len(set(hexes(pa.array([[("a", 1), ("bb", 2)], [("bb", 2), ("a", 1)]], kind)))) == 1
    one = pa.array([{"a": 1, "b": 2}], pa.struct([("a", pa.int64()), ("b", pa.int64())]))
    other = pa.array([{"b": 2, "a": 1}], pa.struct([("b", pa.int64()), ("a", pa.int64())]))
    assert hexes(one) == hexes(other)


NESTED_GOLDEN = {
    "list": (pa.array([["ab", None, ""]]), "ac9072977b149cb33000feedf6563781"),
    "struct": (pa.array([{"b": 1, "a": None}]), "0e96eb951ba30810339e428e053c6df0"),
    "map": (
        pa.array([[("k", [1]), ("a", None)]], pa.map_(pa.string(), pa.list_(pa.int64()))),
        "fc56a8bd2c27ac0c4da77c6b82b5bb99",
    ),
}


@pytest.mark.parametrize("name", NESTED_GOLDEN)
def test_hashes_of_nested_values_stay_what_they_were(name: str) -> None:
    column, want = NESTED_GOLDEN[name]
    assert hexes(column) == [want]


def test_values_behind_a_null_do_not_count() -> None:
    hidden = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array(["x", "y", "z"]), mask=pa.array([True, False]))
    assert hexes(hidden) == hexes(pa.array([None, ["z"]]))
