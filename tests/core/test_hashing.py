"""The content hash: two rows have one exactly when every column is equal, byte for byte."""

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from shopbatch.core.hashing import hash128, hex128
from tests.inference.oracle import content_hash


def hexes(*columns: pa.Array | pa.ChunkedArray) -> list[str]:
    return hex128(*hash128(columns)).to_pylist()


def row(*values: str | bytes | None) -> str:
    return hexes(*(pa.array([v], pa.binary() if isinstance(v, bytes) else pa.string()) for v in values))[0]


# The names of what memos hold already: a change here makes every stored result unreachable.
GOLDEN = {
    ("",): "d3d6486a90aeaa167eda146a64d327f8",
    (None,): "b543d1260ab94df856d4acfab6d769e6",
    ("ab", "c"): "c075778d8ba85bf7c5d670598cbda42d",
    ("a", "bc"): "b183311a0e9e4b4e7786884072af2e2c",
    (None, "Great value, fits well."): "36ae087b0d632e86d01dea4ae2b8a13c",
    ("标题", "东西很好 😀\0"): "f29f208dbd2eb03a138284fd05e4dbdb",
    ("x" * 5000, ""): "86bad7ecb8f11d62d29ad34e7eeff187",
}


@pytest.mark.parametrize("values", GOLDEN)
def test_hashes_stay_what_they_were(values):
    assert row(*values) == GOLDEN[values]


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
