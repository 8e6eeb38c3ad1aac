"""Values: each rule on its edge, and no value's fate depends on its neighbours."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.load.column_formats import ColumnFormat
from shopbatch.load.number_values import to_money
from shopbatch.load.time_values import to_timestamps
from shopbatch.load.values import convert
from shopbatch.tables.schema import MONEY, PRICE, TEXT_LIST, TEXT_MAP, TIMESTAMP, Column

TEXT = Column("c", pa.string(), "")
LABEL = Column("label", pa.string(), "", one_of=("negative", "neutral", "positive"))
RATING = Column("c", pa.int8(), "", between=(1, 5))
STARS = Column("c", pa.int8(), "", between=(1, 5), stars=True)
WORDS = Column("c", pa.string(), "", free_text=True)
NAME = Column("product_id", pa.string(), "")
FLAG = Column("c", pa.bool_(), "")
LIST = Column("c", TEXT_LIST, "")
MAP = Column("c", TEXT_MAP, "")
PRICED = Column("c", PRICE, "")
WHOLE = Column("c", pa.int64(), "")
PAID = Column("c", MONEY, "")
WHEN = Column("c", TIMESTAMP, "")
COLUMNS = [TEXT, WORDS, NAME, LABEL, RATING, STARS, WHOLE, PAID, PRICED, WHEN, FLAG, LIST, MAP]
USUAL = ColumnFormat(table="reviews")


def read(column: Column, raw: Any, key: bool = False, written: ColumnFormat = USUAL) -> list[Any]:
    """Each value, or the name of its fault in angle brackets."""
    done = convert(column, raw, key, written)
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


def test_stars_are_read_as_shops_write_them() -> None:
    raw = cells(*(w.encode() for w in ("4.5", "5 stars", "4/5", "8/10", "90/100", "★★★☆☆", "3 out of 5", "4,4", "3星")))
    assert read(STARS, raw) == [5, 5, 4, 4, 5, 3, 3, 4, 3]
    assert read(STARS, pa.array([3.5, 0.4, None, float("nan")])) == [4, "<out_of_range>", None, None]
    raw = cells(b"five", b"6", b"0", b"1/0", b"4 of them", b"-3", b"n/a")
    number, outside = "<not_a_number>", "<out_of_range>"
    assert read(STARS, raw) == [number, outside, outside, number, number, outside, None]
    rounded = convert(STARS, cells(b"4.5", b"4.0", b"4", b"x"), False).rounded
    assert rounded is not None
    assert rounded.tolist() == [True, False, False, False]


def test_whole_numbers_keep_all_64_bits() -> None:
    raw = cells(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"1_000", b"0x10")
    assert read(WHOLE, raw) == [2**63 - 1, "<out_of_range>", -(2**63), "<not_a_number>", "<not_a_number>"]
    assert read(WHOLE, pa.array([2**64 - 1, 7], pa.uint64())) == ["<out_of_range>", 7]
    assert read(WHOLE, pa.array([2.0, float("nan"), 0.5, float("inf")])) == [2, None, "<not_whole>", "<not_a_number>"]
    assert read(WHOLE, pa.array([True])) == ["<not_a_number>"]


def test_money() -> None:
    raw = cells(
        b"5", b"9999999999.99", b"0.30000000000000004", b"-2.5", b"1.23001", b"$5", b"(7.10)", b"1e10", b"5 bob"
    )
    good = [Decimal(t) for t in ("5.00", "9999999999.99", "0.30", "-2.50", "1.23", "5.00", "-7.10")]
    assert read(PAID, raw) == [*good, "<out_of_range>", "<not_a_number>"]
    rounded = convert(PAID, cells(b"0.30000000000000004", b"16.528926", b"-0.005", b"1.20"), False)
    assert rounded.values.to_pylist() == [Decimal("0.30"), Decimal("16.53"), Decimal("-0.01"), Decimal("1.20")]
    assert rounded.rounded is not None
    assert rounded.rounded.tolist() == [False, True, True, False]
    assert read(PRICED, cells(b"1.275 KWD"), written=ColumnFormat(decimal=".")) == [Decimal("1.275")]
    assert read(PAID, pa.array([Decimal("1.2000"), None])) == [Decimal("1.20"), None]
    assert read(PAID, pa.array([3, -4])) == [Decimal("3.00"), Decimal("-4.00")]


@pytest.mark.parametrize(
    ("text", "comma", "point", "unknown"),
    [
        ("1.000", "1000", "1", "<ambiguous>"),
        ("1,000", "1", "1000", "<ambiguous>"),
        ("1.234,56", "1234.56", "<not_a_number>", "1234.56"),
        ("1,234.56", "<not_a_number>", "1234.56", "1234.56"),
        ("1.234.567", "1234567", "<not_a_number>", "1234567"),
        ("12,5", "12.5", "<not_a_number>", "12.5"),
        ("12.5", "<not_a_number>", "12.5", "12.5"),
        ("0.125", "<not_a_number>", "0.13", "0.13"),
        ("€ 1 234,50", "1234.50", "<not_a_number>", "1234.50"),
        ("1'000.50 CHF", "<not_a_number>", "1000.50", "1000.50"),
        ("12,34,567.00", "<not_a_number>", "1234567", "1234567"),
    ],
)
def test_what_marks_decimals_is_known_or_the_number_says_it(text: str, comma: str, point: str, unknown: str) -> None:
    for mark, expected in ((",", comma), (".", point), (None, unknown)):
        value = read(PAID, cells(text.encode()), written=ColumnFormat(decimal=mark))[0]
        assert value == (expected if expected.startswith("<") else Decimal(expected)), mark


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
        b"2024-02-30", b"2024-01-02 25:00", b"now", b"2024-13-01", b"31/31/2024", b"1.5", b"5 Foo 2024", b"0000-01-01"
    )
    assert read(WHEN, raw) == ["<not_a_timestamp>"] * 8
    assert read(WHEN, cells(b"0001-01-01T00:00+01:00")) == ["<out_of_range>"]


SAME = [
    "2024-03-10T14:05:33Z", "2024/3/10 14:05:33", "10.03.2024 14:05:33", "10 Mar 2024 14:05:33",
    "2024年3月10日 14:05:33",    "2024年3月10日 下午2:05:33", "March 10, 2024 2:05:33 PM", "Sun Mar 10 14:05:33 2024",
    "Sun, 10 Mar 2024 14:05:33 +0000",
    "2024-03-10 10:05:33 America/New_York", "2024-03-10 15:05:33 CET", "10-Mar-2024 14:05:33", "20240310140533",
    "1710079533", "1710079533000", "1710079533000000", "1710079533000000000", "45361.5871875",
    "2024-03-10 14:05:33 UTC",    "Sun Mar 10 14:05:33 UTC 2024", "2024-03-10 14.05.33",
]  # fmt: skip


@pytest.mark.parametrize("text", SAME)
def test_one_moment_as_many_programs_write_it(text: str) -> None:
    written = ColumnFormat(orders={".": "dmy"})
    assert read(WHEN, cells(text.encode()), written=written) == [at(2024, 3, 10, 14, 5, 33)]


def test_the_order_of_day_and_month_is_known_or_the_value_says_it() -> None:
    raw = cells(b"3/4/2024", b"13/4/2024", b"4/13/2024", b"5/5/2024", b"09 13, 2009", b"3/4/24 5:06 pm")
    clear = [at(2024, 4, 13), at(2024, 4, 13), at(2024, 5, 5), at(2009, 9, 13)]
    assert read(WHEN, raw) == ["<ambiguous>", *clear, "<ambiguous>"]
    first = [at(2024, 4, 3), at(2024, 4, 13), "<not_a_timestamp>", at(2024, 5, 5), at(2009, 9, 13)]
    assert read(WHEN, raw, written=ColumnFormat(orders={"/": "dmy"})) == [*first, at(2024, 4, 3, 17, 6)]
    first = [at(2024, 3, 4), "<not_a_timestamp>", at(2024, 4, 13), at(2024, 5, 5), at(2009, 9, 13)]
    assert read(WHEN, raw, written=ColumnFormat(orders={"/": "mdy"})) == [*first, at(2024, 3, 4, 17, 6)]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("epoch_s", "1710079533"),
        ("epoch_ms", "1710079533000"),
        ("excel", "45361.5871875"),
        ("%d|%m|%Y %H-%M-%S", "10|03|2024 14-05-33"),
    ],
)
def test_moments_are_read_as_the_user_says(pattern: str, text: str) -> None:
    written = ColumnFormat(pattern=pattern)
    assert read(WHEN, cells(text.encode(), b"x", b""), written=written) == [
        at(2024, 3, 10, 14, 5, 33), "<not_a_timestamp>", None,
    ]  # fmt: skip


def test_moments_that_arrow_knows() -> None:
    assert read(WHEN, pa.array([dt.date(2024, 1, 2), None])) == [at(2024, 1, 2), None]
    paris = pa.array([1_704_164_645_123_456_789], pa.timestamp("ns", "Europe/Paris"))
    assert read(WHEN, paris) == [at(2024, 1, 2, 3, 4, 5, 123456)]
    assert read(WHEN, pa.array([2**62, -(2**62), 5], pa.timestamp("s"))) == ["<out_of_range>"] * 2 + [
        at(1970, 1, 1, 0, 0, 5)
    ]
    assert read(WHEN, pa.array([5, None, 1_704_164_645])) == ["<not_a_timestamp>", None, at(2024, 1, 2, 3, 4, 5)]


ZONES = st.none() | st.integers(-14 * 60, 14 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))


@settings(deadline=None)
@given(
    st.lists(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1), timezones=ZONES), min_size=1),
    st.sampled_from("T "),
)
def test_moments_are_what_iso_8601_says(moments: list[dt.datetime], separator: str) -> None:
    written = cells(*(m.isoformat(separator).encode() for m in moments))
    assert read(WHEN, written) == [(m if m.tzinfo else m.replace(tzinfo=dt.UTC)).astimezone(dt.UTC) for m in moments]


def test_texts_stay_as_they_are() -> None:
    raw = cells(b"a\x00b", b" x ", "café 好 😀".encode(), b"", None, b"\xff", b"ok\xc3")
    assert read(TEXT, raw) == ["a\x00b", " x ", "café 好 😀", None, None, "<invalid_utf8>", "<invalid_utf8>"]
    broken = pa.Array.from_buffers(pa.string(), 2, [None, *cells(b"\xff", b"ok").buffers()[1:]])
    assert read(TEXT, broken) == ["<invalid_utf8>", "ok"]  # Arrow does not check what Parquet calls a string
    assert read(TEXT, pa.array(["x", "x", None]).dictionary_encode()) == ["x", "x", None]
    assert read(TEXT, pa.array([12, None])) == ["12", None]
    assert read(TEXT, pa.array([12.0, 2.5, None, float("nan")])) == ["12", "2.5", None, None]
    assert read(TEXT, pa.array([[1], None])) == ["<nested>", None]


NULLS = [
    "",
    " ",
    "NULL",
    "null",
    "\\N",
    "nan",
    "NaN",
    "#N/A",
    "<NA>",
    "(null)",
    "N/A",
    "undefined",
    "None",
    "NA",
    "nil",
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.name}-{c.type}")
def test_words_for_null_are_null_in_every_column(column: Column) -> None:
    kept = ["None", "NA", "nil"] if column is WORDS else []  # people write these
    assert read(column, cells(*(word.encode() for word in NULLS))) == [None] * (len(NULLS) - len(kept)) + kept


def test_names_are_trimmed_and_blank_ones_are_null() -> None:
    raw = cells(*(t.encode() for t in ("\u3000", "\u00a0\t", "\u200b", " u9\u00a0", "007", "1e3", "17850.0", "a b")))
    assert read(NAME, raw) == [None, None, None, "u9", "007", "1e3", "17850.0", "a b"]
    assert read(NAME, raw, key=True)[:3] == ["<no_key>"] * 3
    assert read(NAME, raw, written=ColumnFormat(float_ids=True))[6] == "17850"


def test_yes_and_no() -> None:
    raw = cells(b"yes", b"TRUE", b"1", b"on", b"no", b"f", b"0", b"maybe", b"", "是".encode(), b"Subscribed")
    assert read(FLAG, raw) == [True, True, True, True, False, False, False, "<not_allowed>", None, True, True]
    assert read(FLAG, pa.array([True, None])) == [True, None]


def test_lists_and_maps() -> None:
    raw = cells(b"red, summer", b"a;b, c", b'["x", 5, null]', b"[1, 2", b"", b"[]")
    assert read(LIST, raw) == [["red", "summer"], ["a", "b, c"], ["x", "5"], ["[1", "2"], None, None]
    assert read(LIST, [["a", None, 2.0], [], "a|b", {"a": 1}, [["a"]]]) == [
        ["a", "2"], None, ["a", "b"], "<nested>", "<nested>",
    ]  # fmt: skip
    raw = cells(b'{"size": "M", "fits": ["a", "b"]}', b"colour: red; size=L", b"no entries", b"", b"{}")
    assert read(MAP, raw) == [
        [("fits", "a, b"), ("size", "M")], [("colour", "red"), ("size", "L")], "<nested>", None, None,
    ]  # fmt: skip
    assert read(MAP, [{"b": 1, "a": None, "c": " x "}, None, [1]]) == [[("b", "1"), ("c", "x")], None, "<nested>"]


def test_html_is_read_as_text_where_it_means_nothing() -> None:
    raw = cells(b"Women&#39;s <b>Shoes</b> &amp; Socks", b"AT&T a < b")
    assert read(TEXT, raw, written=ColumnFormat(html=True)) == ["Women's Shoes & Socks", "AT&T a < b"]
    assert read(TEXT, raw) == ["Women&#39;s <b>Shoes</b> &amp; Socks", "AT&T a < b"]
    assert read(LIST, cells(b"A &amp; B"), written=ColumnFormat(html=True)) == [["A & B"]]


def test_keys_and_choices() -> None:
    assert read(TEXT, cells(b"1", b"", b" \t", None), key=True) == ["1", "<no_key>", "<no_key>", "<no_key>"]
    raw = cells(b"positive", b" Positive", None, "差评".encode(), b"5", b"mixed")
    assert read(LABEL, raw) == ["positive", "positive", None, "negative", "<not_allowed>", "neutral"]
    language = Column("language", pa.string(), "")
    raw = cells(b"English", b"zh_CN", b"pt-BR", b"DE", b"klingon")
    assert read(language, raw) == ["en", "zh", "pt", "de", "<not_allowed>"]


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


@pytest.mark.slow
@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.name}-{c.type}")
@settings(deadline=None, max_examples=30)
@given(raw=st.lists(st.none() | SCRAPS | st.binary(max_size=8), min_size=1), key=st.booleans())
def test_cells_do_not_depend_on_their_neighbours(column: Column, raw: list[bytes | None], key: bool) -> None:
    key = key and column.type == pa.string()
    together = read(column, cells(*raw), key)
    assert together == [read(column, cells(cell), key)[0] for cell in raw]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.name}-{c.type}")
@settings(deadline=None, max_examples=30)
@given(raw=st.lists(JSON, min_size=1))
def test_json_values_do_not_depend_on_their_neighbours(column: Column, raw: list[Any]) -> None:
    assert read(column, raw) == [read(column, [value])[0] for value in raw]


@pytest.mark.parametrize(
    ("read", "plain", "other"),
    [
        (to_timestamps, ["2024-02-29 23:59:59", "2024-01-01T00:00:00Z", None, "1999-12-31 12:00:00"], "3 May 2024"),
        (to_timestamps, ["2023-02-29 10:00:00", "2024-01-01 24:00:00", "2024-01-01 10:00:60"], "3 May 2024"),
        (lambda raw: to_money(raw, pa.decimal128(18, 2), "."), ["1.5", "+0012", None, "-3.125", "7."], "1,234.50"),
        (lambda raw: to_money(raw, pa.decimal128(18, 2)), ["1.50", "12", "-3.1"], "1,234.50"),
        (lambda raw: to_money(raw, pa.decimal128(18, 2), ","), ["15", "-12"], "1.234,50"),
    ],
)
def test_a_column_of_one_plain_spelling_is_read_as_beside_other_spellings(read, plain, other) -> None:
    alone, beside = read(pa.array(plain)), read(pa.array([*plain, other]))
    assert beside.values.slice(0, len(plain)).equals(alone.values)
    assert beside.values[len(plain)].as_py() is not None
    assert beside.refused[: len(plain)].tolist() == alone.refused.tolist()
