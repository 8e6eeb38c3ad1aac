"""How a delimited text file is written: recognised from the whole file, and every row of it read or listed."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from shopbatch.core.errors import UserError
from shopbatch.load import delimited, encodings
from shopbatch.load import rows as load_rows
from shopbatch.load.dialect import find_dialect
from shopbatch.load.rows import Quoting, find_rows

Rows = dict[int, list[bytes | None]]


def read(path: Path, data: bytes, wanted: list[str] | None = None) -> tuple[Rows, list[tuple[int, str]]]:
    """Line -> cells, and the lines that are listed, with their reasons."""
    path.write_bytes(data)
    dialect = find_dialect(path)
    assert dialect is not None
    names = wanted or list(dialect.names)
    rows: Rows = {}
    listed: list[tuple[int, str]] = []
    for block in delimited.read(dialect, names):
        cells = [block.columns[n].to_pylist() for n in names]
        rows |= {int(n): list(row) for n, row in zip(block.lines, zip(*cells, strict=True), strict=True)}
        listed += [(line, reason) for _, line, reason in block.broken]
    return rows, listed


def quoting(path: Path) -> Quoting:
    dialect = find_dialect(path)
    assert dialect is not None
    return dialect.quoting


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


def test_bom_crlf_newlines_quotes_nul_and_blank_lines(path: Path) -> None:
    data = b'\xef\xbb\xbf\xef\xbb\xbfa,"b "\r\n1,"x\r\n""y"""\r\n\r\n2,n\x00l\r\n3,5" pipe\r\n4,c\rr\r\n'
    rows = {2: [b"1", b'x\r\n"y"'], 5: [b"2", b"n\x00l"], 6: [b"3", b'5" pipe'], 7: [b"4", b"c\rr"]}
    assert read(path, data) == (rows, [])
    dialect = find_dialect(path)
    assert dialect is not None
    assert dialect.names == ("a", "b")


def test_an_unquoted_empty_cell_is_null_and_a_quoted_one_is_not(path: Path) -> None:
    assert read(path, b'a,b\n,""\n') == ({2: [None, b""]}, [])


def test_ragged_rows_are_listed_and_the_others_kept(path: Path) -> None:
    rows = read(path, b"a,b\n1\n2,x\n3,y,z\n4,z\n\n5")
    assert rows == ({3: [b"2", b"x"], 5: [b"4", b"z"]}, [(2, "ragged"), (4, "ragged"), (7, "ragged")])


def test_empty_cells_behind_the_last_column_do_no_harm(path: Path) -> None:
    assert read(path, b'a,b\n1,x,\n2,"y,",,\r\n3,,,\n4,z\n5,,q\n') == (
        {2: [b"1", b"x"], 3: [b"2", b"y,"], 4: [b"3", None], 5: [b"4", b"z"]},
        [(6, "ragged")],
    )


def test_bytes_that_are_not_utf8_touch_their_cell_alone(path: Path) -> None:
    many = "".join(f"{i},ä\n" for i in range(20)).encode()
    rows, listed = read(path, b"a,b\n\xff\n2,x\xe4\n" + many)
    assert rows[3] == [b"2", b"x\xe4"]
    assert rows[23] == [b"19", "ä".encode()]
    assert listed == [(2, "ragged")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "\x01"])
def test_delimiters(path: Path, delimiter: str) -> None:
    line = delimiter.join(["a", "b c", "d"])
    assert read(path, f"{line}\n{line}\n".encode()) == ({2: [b"a", b"b c", b"d"]}, [])


def test_the_rows_say_what_the_delimiter_is_where_the_header_has_several(path: Path) -> None:
    rows, listed = read(path, b"id;text (good, bad, ugly, other)\n1;fine\n2;well, yes\n")
    assert (rows, listed) == ({2: [b"1", b"fine"], 3: [b"2", b"well, yes"]}, [])


def test_excel_states_its_delimiter_in_the_first_line(path: Path) -> None:
    assert read(path, b"\xef\xbb\xbfsep=;\r\na,x;b\r\n1;2,5\r\n", ["b"]) == ({3: [b"2,5"]}, [])


def test_one_column_holds_whole_lines(path: Path) -> None:
    data = b'text\nGood, but small\n"Okay", I guess; fine\n\nBad\t5" \n'
    assert read(path, data) == ({2: [b"Good, but small"], 3: [b'"Okay", I guess; fine'], 5: [b'Bad\t5" ']}, [])
    assert read(path, b'text\n"a, ""b"""\n"c\nd"\n') == ({2: [b'a, "b"'], 3: [b"c\nd"]}, [])


def test_lines_of_an_old_mac(path: Path) -> None:
    assert read(path, b'a,b\r1,"x\ry"\r\r2,z') == ({2: [b"1", b"x\ny"], 5: [b"2", b"z"]}, [])


def test_packed(path: Path) -> None:
    assert read(path.with_suffix(".csv.gz"), gzip.compress(b"a,b\n1,2\n")) == ({2: [b"1", b"2"]}, [])


def test_only_the_wanted_columns_in_any_order(path: Path) -> None:
    assert read(path, b"a,b,c\n1,2,3\n", ["c", "a"]) == ({2: [b"3", b"1"]}, [])


def test_lines_hold_across_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 100)
    lines = [b'%d,"t\n%d"' % (i, i) if i % 7 else b"%d" % i for i in range(200)]
    rows, listed = read(path, b"\n".join([b"a,b", *lines]))
    assert len(listed) == len([i for i in range(200) if i % 7 == 0])
    starts = [2 + sum(2 if j % 7 else 1 for j in range(i)) for i in range(200)]
    assert rows == {starts[i]: [b"%d" % i, b"t\n%d" % i] for i in range(200) if i % 7}
    assert [line for line, _ in listed] == [starts[i] for i in range(0, 200, 7)]


GOOD = b'4,"a, b"\n5,"c, ""d"""\n6,"e\nf"\n'


@pytest.mark.parametrize(
    ("bad", "lost"),
    [
        (b'1,"never closed\n2,x\n3,y\n', 1),
        (b'1,"closed" too early\n2,x\n3,y\n', 1),
        (b'1,x\n2,"one\n3,two" y\n', 1),
        (b'1,x\n2,"",""\n3,y\n', 1),
    ],
    ids=["unclosed", "early", "swallows", "ragged"],
)
def test_a_stray_quote_costs_its_line_alone(path: Path, bad: bytes, lost: int) -> None:
    rows, listed = read(path, b"a,b\n" + bad + GOOD)
    assert (len(rows), len(listed)) == (6 - lost, lost)
    assert list(rows.values())[-3:] == [[b"4", b"a, b"], [b"5", b'c, "d"'], [b"6", b"e\nf"]]
    assert read(path, b"a,b\n" + GOOD + bad)[1][-1][0] >= 6


@pytest.mark.slow
def test_an_open_quote_does_not_swallow_a_long_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, listed = read(path, b'a,b\n7,"open\n' + b'8,"x, y"\n' * 50_000)
    assert (len(rows), listed) == (50_000, [(2, "stray_quote")])
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 10_000)
    monkeypatch.setattr(load_rows, "_SWALLOWED", 20_000)
    rows, listed = read(path, b'a,b\n6,"x, y"\n6,"x, y"\n7,"open\n' + b"8,x\n" * 50_000)  # no quote follows
    assert (len(rows), listed) == (50_002, [(4, "stray_quote")])


def test_lone_quotes_that_seem_to_make_pairs_are_characters(path: Path) -> None:
    data = b'a,b,c\n1,"large is small,2\n2,fine,5\n3,"so so,3\n4,ok,4\n'
    assert read(path, data)[0][2] == [b"1", b'"large is small', b"2"]
    assert quoting(path) is Quoting.LITERAL
    rows, listed = read(path, b'a\tb\tc\n1\t"Okay"\t5\n2\t"Good" they said\t1\n3\t"half\t4\n4\tx\t4"\n')
    assert listed == []
    assert [row[1] for row in rows.values()] == [b'"Okay"', b'"Good" they said', b'"half', b"x"]


def test_quotes_escaped_by_backslashes(path: Path) -> None:
    data = b'a,b\n1,"say \\"hi\\", please"\n2,"back\\\\slash, \\\\\\"q\\\\"\n3,plain \\\n4,""\n5,"line\nbreak"\n'
    rows, listed = read(path, data)
    assert quoting(path) is Quoting.ESCAPED
    assert [row[1] for row in rows.values()] == [
        b'say "hi", please', b'back\\slash, \\"q\\', b"plain \\", b"", b"line\nbreak",
    ]  # fmt: skip
    assert listed == []


def test_what_databases_write(path: Path) -> None:
    data = b'a\tb\n1\t\\N\n2\ttab\\\tline\\\nback\\\\slash "q\\0\n3\t"as it is"\n'
    rows, listed = read(path, data)
    assert quoting(path) is Quoting.BACKSLASH
    assert [row[1] for row in rows.values()] == [None, b'tab\tline\nback\\slash "q\x00', b'"as it is"']
    assert listed == []
    assert read(path, b"a\tb\n1\t\\N\n2\tone\\ntwo\\tthree\n")[0][3] == [b"2", b"one\ntwo\tthree"]  # PostgreSQL
    assert read(path, b"a,b\n1,\\N\n2,C:\\Users\n")[0][3] == [b"2", b"C:\\Users"]  # no escape: nobody writes \\U


def test_without_a_header_the_names_are_stated(path: Path) -> None:
    path.write_bytes(b"1\tx, y, z, and so on\n2\tb\n")
    dialect = find_dialect(path, names=("id", "text"))
    assert dialect is not None
    blocks = list(delimited.read(dialect, ["text", "id"]))
    assert [b.columns["text"].to_pylist() for b in blocks] == [[b"x, y, z, and so on", b"b"]]
    assert blocks[0].lines.tolist() == [1, 2]


def test_a_row_is_found_wherever_the_text_is_cut() -> None:
    """Rows of a text that ends anywhere are those of the whole text, as far as it goes."""
    rng = random.Random(0)
    for _ in range(100):
        text = b"".join(rng.choices([b'"', b'""', b",", b"\n", b"a", b"\r\n", b"\\"], k=40))
        for kind in Quoting:
            whole = find_rows(text, b",", kind, final=False)
            part = find_rows(text[: rng.randrange(40)], b",", kind, final=False)
            count = len(part.starts)
            assert part.starts.tolist() == whole.starts[:count].tolist(), (text, kind)
            assert part.ends.tolist() == whole.ends[:count].tolist(), (text, kind)
            assert part.stray.tolist() == whole.stray[:count].tolist(), (text, kind)


@pytest.mark.parametrize("data", [b"\n1,2\n", b",,\n1,2,3\n"])
def test_files_without_names(path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match="first line is empty; it must hold the names"):
        read(path, data)


def test_an_empty_file_has_no_dialect(path: Path) -> None:
    for data in (b"", b"\xef\xbb\xbf", b"\r\n \n"):
        path.write_bytes(data)
        assert find_dialect(path) is None


def test_a_file_whose_rows_all_have_another_number_of_cells_is_read_in_one_pass(path: Path) -> None:
    rows, listed = read(path, b"a,b\n" + b'1,"one\ntwo\nthree",x\n' * 20_000)  # took minutes, a pass a row
    assert (len(rows), len(listed)) == (0, 20_000)
