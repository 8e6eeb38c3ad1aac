"""Values: each rule on its edge, and no value's fate depends on its neighbours."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.load.values import convert
from shopbatch.tables.schema import MONEY, TIMESTAMP, Column

TEXT = Column("c", pa.string(), "")
LABEL = Column("c", pa.string(), "", one_of=("negative", "positive"))
RATING = Column("c", pa.int8(), "", between=(1, 5))
WHOLE = Column("c", pa.int64(), "")
PAID = Column("c", MONEY, "")
WHEN = Column("c", TIMESTAMP, "")
COLUMNS = [TEXT, LABEL, RATING, WHOLE, PAID, WHEN]


def read(column: Column, raw: Any, key: bool = False) -> list[Any]:
    """Each value, or the name of its fault in angle brackets."""
    done = convert(column, raw, key)
    assert done.values.type == column.type
    values = done.values.to_pylist()
    for reason, rows in done.faults.items():
        for i in np.flatnonzero(rows):
            assert values[i] is None
            values[i] = f"<{reason}>"
    return values


def cells(*values: bytes | None) -> pa.Array:
    return pa.array(values, pa.binary())


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[arg-type]


def test_ratings() -> None:
    raw = cells(b"5", b" 4 ", b"5.0", b"1e0", b"five", b"9", b"300", b"4.5", None, b"", b"NaN", b"\xff", b"inf", b"0")
    refused = ["<not_a_number>", "<out_of_range>", "<out_of_range>", "<not_whole>"]
    rest = [None, None, None, "<invalid_utf8>", "<not_a_number>", "<out_of_range>"]
    assert read(RATING, raw) == [5, 4, 5, 1, *refused, *rest]


def test_whole_numbers_keep_all_64_bits() -> None:
    raw = cells(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"1_000", b"0x10")
    assert read(WHOLE, raw) == [2**63 - 1, "<out_of_range>", -(2**63), "<not_a_number>", "<not_a_number>"]
    assert read(WHOLE, pa.array([2**64 - 1, 7], pa.uint64())) == ["<out_of_range>", 7]
    assert read(WHOLE, pa.array([2.0, float("nan"), 0.5, float("inf")])) == [2, None, "<not_whole>", "<not_a_number>"]
    assert read(WHOLE, pa.array([True])) == ["<not_a_number>"]


def test_money() -> None:
    raw = cells(b"5", b"9999999999.99", b"0.30000000000000004", b"-2.5", b"1.234", b"1.23001", b"$5", b"1,000", b"1e10")
    good = [Decimal("5.00"), Decimal("9999999999.99"), Decimal("0.30"), Decimal("-2.50")]
    bad = ["<not_cents>", "<not_cents>", "<not_a_number>", "<not_a_number>", "<out_of_range>"]
    assert read(PAID, raw) == [*good, *bad]
    assert read(PAID, pa.array([Decimal("1.2000"), None])) == [Decimal("1.20"), None]
    assert read(PAID, pa.array([3, -4])) == [Decimal("3.00"), Decimal("-4.00")]


@settings(deadline=None)
@given(st.lists(st.decimals(min_value=-9_999_999_999, max_value=9_999_999_999, places=2), min_size=1))
def test_money_is_exact_however_it_is_written(amounts: list[Decimal]) -> None:
    assert read(PAID, cells(*(str(a).encode() for a in amounts))) == amounts
    assert read(PAID, pa.array([float(a) for a in amounts])) == amounts
    assert read(PAID, pa.array(amounts, pa.decimal128(20, 6))) == amounts


def test_moments() -> None:
    raw = cells(b"2024-01-02", b"2024-01-02 03:04", b"2024-01-02T03:04:05.123456789Z", b"2024-01-02 03:04:05 UTC", b"")
    good = [at(2024, 1, 2), at(2024, 1, 2, 3, 4), at(2024, 1, 2, 3, 4, 5, 123456), at(2024, 1, 2, 3, 4, 5), None]
    assert read(WHEN, raw) == good
    raw = cells(b"2024-01-02 03:04:05+02:00", b"2024-01-02 03:04:05-0330", b"2024-01-02 03:04:05+02")
    assert read(WHEN, raw) == [at(2024, 1, 2, 1, 4, 5), at(2024, 1, 2, 6, 34, 5), at(2024, 1, 2, 1, 4, 5)]
    raw = cells(
        b"2024-02-30", b"01/02/2024", b"1700000000", b"2024-01-02 25:00", b"2024-01-02 03:04:60", b"now", b"2024-1-2"
    )
    assert read(WHEN, raw) == ["<not_a_timestamp>"] * 7
    assert read(WHEN, cells(b"0000-01-01", b"0001-01-01T00:00+01:00")) == ["<out_of_range>"] * 2


def test_moments_that_arrow_knows() -> None:
    assert read(WHEN, pa.array([dt.date(2024, 1, 2), None])) == [at(2024, 1, 2), None]
    paris = pa.array([1_704_164_645_123_456_789], pa.timestamp("ns", "Europe/Paris"))
    assert read(WHEN, paris) == [at(2024, 1, 2, 3, 4, 5, 123456)]
    assert read(WHEN, pa.array([2**62, -(2**62), 5], pa.timestamp("s"))) == ["<out_of_range>"] * 2 + [
        at(1970, 1, 1, 0, 0, 5)
    ]
    assert read(WHEN, pa.array([5, None])) == ["<not_a_timestamp>", None]


ZONES = st.none() | st.integers(-14 * 60, 14 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))


@given(
    st.lists(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1), timezones=ZONES), min_size=1),
    st.sampled_from("T "),
)
def test_moments_are_what_iso_8601_says(moments: list[dt.datetime], separator: str) -> None:
    written = cells(*(m.isoformat(separator).encode() for m in moments))
    assert read(WHEN, written) == [(m if m.tzinfo else m.replace(tzinfo=dt.UTC)).astimezone(dt.UTC) for m in moments]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="ascii"), max_size=25), min_size=1))
def test_no_text_is_taken_for_a_moment_that_python_does_not_know(texts: list[str]) -> None:
    for text, value in zip(texts, read(WHEN, cells(*(t.encode() for t in texts))), strict=True):
        if isinstance(value, dt.datetime):
            assert dt.datetime.fromisoformat(text.strip().replace(" UTC", "Z")).year


def test_texts_stay_as_they_are() -> None:
    raw = cells(b"a\x00b", b" x ", "café 好 😀".encode(), b"", None, b"\xff", b"ok\xc3")
    assert read(TEXT, raw) == ["a\x00b", " x ", "café 好 😀", "", None, "<invalid_utf8>", "<invalid_utf8>"]
    broken = pa.Array.from_buffers(pa.string(), 2, [None, *cells(b"\xff", b"ok").buffers()[1:]])
    assert read(TEXT, broken) == ["<invalid_utf8>", "ok"]  # Arrow does not check what Parquet calls a string
    assert read(TEXT, pa.array(["x", "x", None]).dictionary_encode()) == ["x", "x", None]
    assert read(TEXT, pa.array([12, None])) == ["12", None]
    assert read(TEXT, pa.array([12.0, 2.5, None, float("nan")])) == ["12", "2.5", None, None]
    assert read(TEXT, pa.array([[1], None])) == ["<nested>", None]


def test_keys_and_choices() -> None:
    assert read(TEXT, cells(b"1", b"", b" \t", None), key=True) == ["1", "<no_key>", "<no_key>", "<no_key>"]
    assert read(LABEL, cells(b"positive", b"Positive", None)) == ["positive", "<not_allowed>", None]


def test_json_values_of_several_kinds() -> None:
    raw = ["x", 5, None, 2**70, 1.5, True, {"a": 1}, [1], "\ud800", " "]
    plain = ["x", "5", "<no_key>", str(2**70), "1.5", "true"]
    assert read(TEXT, raw, key=True) == [*plain, "<nested>", "<nested>", "<invalid_utf8>", "<no_key>"]
    raw = ["5", 4, None, 2**70, 1.5, True, {}, 3.0, "x", -(2**70)]
    seen = [
        5,
        4,
        None,
        "<out_of_range>",
        "<not_whole>",
        "<not_a_number>",
        "<nested>",
        3,
        "<not_a_number>",
        "<out_of_range>",
    ]
    assert read(RATING, raw) == seen
    assert read(PAID, [1.1, "2.20", 3, None]) == [Decimal("1.10"), Decimal("2.20"), Decimal("3.00"), None]
    assert read(TEXT, [None, None]) == [None, None]
    assert read(TEXT, []) == []


SCRAPS = st.sampled_from(
    rb"|\x20|1|5.0|6|-3|1e3|2024-02-29|2023-02-29|NaN|nan |null|\N|9223372036854775808|0.005|0.01|99999999999.99"
    rb"|2024-01-01T00:00:00+00:00|positive".replace(rb"\x20", b" ").split(b"|")
)
JSON = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | SCRAPS.map(bytes.decode)
    | st.text(max_size=5)
    | st.lists(st.none(), max_size=1)
)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: str(c.type) + str(c.one_of or ""))
@settings(deadline=None, max_examples=60)
@given(raw=st.lists(st.none() | SCRAPS | st.binary(max_size=8), min_size=1), key=st.booleans())
def test_cells_do_not_depend_on_their_neighbours(column: Column, raw: list[bytes | None], key: bool) -> None:
    key = key and column.type == pa.string()
    together = read(column, cells(*raw), key)
    assert together == [read(column, cells(cell), key)[0] for cell in raw]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: str(c.type) + str(c.one_of or ""))
@settings(deadline=None, max_examples=60)
@given(raw=st.lists(JSON, min_size=1))
def test_json_values_do_not_depend_on_their_neighbours(column: Column, raw: list[Any]) -> None:
    assert read(column, raw) == [read(column, [value])[0] for value in raw]
