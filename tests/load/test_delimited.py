"""CSV files as users have them."""

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.core.errors import UserError
from shopbatch.load import delimited


def read(path: Path, data: bytes, wanted: list[str] | None = None) -> tuple[dict[int, list[bytes | None]], list[int]]:
    """Row number -> cells, and the numbers of ragged rows."""
    path.write_bytes(data)
    header = delimited.read_header(path)
    names = wanted or list(header.names)
    rows: dict[int, list[bytes | None]] = {}
    ragged: list[int] = []
    for block in delimited.read(path, header, names):
        cells = [block.columns[n].to_pylist() for n in names] if len(block.rows) else []
        rows |= {int(n): list(row) for n, row in zip(block.rows, zip(*cells, strict=True), strict=True)}
        ragged += [n for n, reason in block.broken if reason == "ragged"]
    return rows, ragged


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


def test_bom_crlf_newlines_quotes_nul_and_blank_lines(path: Path) -> None:
    data = b'\xef\xbb\xbfa,"b "\r\n1,"x\r\n""y"""\r\n\r\n2,n\x00l\r\n3,5" pipe\r\n'
    assert read(path, data) == ({1: [b"1", b'x\r\n"y"'], 2: [b"2", b"n\x00l"], 3: [b"3", b'5" pipe']}, [])
    assert delimited.read_header(path).names == ("a", "b")


def test_an_unquoted_empty_cell_is_null_and_a_quoted_one_is_not(path: Path) -> None:
    assert read(path, b'a,b\n,""\n') == ({1: [None, b""]}, [])


def test_ragged_rows_are_reported_and_the_others_kept(path: Path) -> None:
    assert read(path, b"a,b\n1\n2,x\n3,y,z\n4,z\n\n5") == ({2: [b"2", b"x"], 4: [b"4", b"z"]}, [1, 3, 5])


def test_bytes_that_are_not_utf8_touch_their_cell_alone(path: Path) -> None:
    rows, ragged = read(path, b"a,b\n\xff\n2,x\xe4\n3,\xe4\xbd\xa0\n")
    assert (rows[3], ragged) == ([b"3", "你".encode()], [1])
    assert rows[2][0] == b"2"
    with pytest.raises(UnicodeDecodeError):
        (rows[2][1] or b"").decode()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(path: Path, delimiter: str) -> None:
    line = delimiter.join(["a", "b c", "d"])
    assert read(path, f"{line}\n{line}\n".encode()) == ({1: [b"a", b"b c", b"d"]}, [])


def test_packed(path: Path) -> None:
    packed = path.with_suffix(".csv.gz")
    assert read(packed, gzip.compress(b"a,b\n1,2\n")) == ({1: [b"1", b"2"]}, [])


def test_only_the_wanted_columns_in_any_order(path: Path) -> None:
    assert read(path, b"a,b,c\n1,2,3\n", ["c", "a"]) == ({1: [b"3", b"1"]}, [])


def test_numbers_hold_across_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 100)
    lines = [b'%d,"t\n%d"' % (i, i) if i % 7 else b"%d" % i for i in range(200)]
    rows, ragged = read(path, b"\n".join([b"a,b", *lines]))
    assert ragged == [i + 1 for i in range(200) if i % 7 == 0]
    assert {n: int(cells[0] or 0) for n, cells in rows.items()} == {i + 1: i for i in range(200) if i % 7}


@pytest.mark.parametrize(
    "last", [b'7,"open\n8,x\n', b'7,"open\n8,x', b'"open\n8,x\n'], ids=["last", "no end", "ragged"]
)
def test_a_quote_that_is_never_closed_is_an_error_and_no_loss(path: Path, last: bytes) -> None:
    with pytest.raises(UserError, match="the quote opened in row 2 is never closed"):
        read(path, b"a,b\n1,x\n" + last)


def test_a_quote_that_swallows_a_block(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 200)
    with pytest.raises(UserError, match="a row longer than 200 bytes, or a quote that is never closed"):
        read(path, b'a,b\n7,"open\n' + b"8,x\n" * 1_000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "first line is empty; it must hold the names"),
        (b"\n1,2\n", "first line is empty; it must hold the names"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
        (b"caf\xe9,b\n", "not UTF-8"),
    ],
)
def test_files_that_are_no_csv(path: Path, data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(path, data)


PIECES = [
    b"a",
    b"\n",
    "é".encode(),
    "你".encode(),
    "😀".encode(),
    b"\xff",
    b"\xe4\xbd",
    b"\x80",
    b"\xf0\x9f",
    b"\xed\xa0\x80",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES)).map(b"".join), st.integers(1, 9))
def test_the_stream_is_always_utf8_wherever_it_is_cut(raw: bytes, size: int) -> None:
    stream = delimited.Utf8Stream(io.BytesIO(raw))
    parts = []
    while part := stream.read(size):
        assert len(part) <= size
        parts.append(part)
    assert b"".join(parts) == raw.decode("utf-8", delimited.INVALID_BYTES).encode()
