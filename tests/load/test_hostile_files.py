"""Files that ask for too much: each is refused in one line, in bounded time and memory, or read as what it is."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import resource
import time
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import HealthCheck, example, given, settings

from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.load import bounds, load_file
from shopbatch.load.options import Options
from shopbatch.warehouse.store import Store

MB = 2**20
HEAD = b"review_id,text\n"
DIGITS = "9" * 5_000


def write(path: Path, content: bytes, times: int = 1) -> Path:
    opener = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, open)
    with opener(path, "wb") as file:
        for _ in range(times):
            file.write(content)
    return path


def gzip_bomb(path: Path, start: bytes, piece: bytes, times: int) -> Path:
    """Pack `piece` so many times without spending the time for it: one compressed run is repeated as gzip members."""
    member = gzip.compress(piece, 9, mtime=0)
    path.write_bytes(gzip.compress(start, mtime=0) + member * times)
    return path


def zstd_bomb(path: Path) -> Path:
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        for _ in range(60):
            out.write(b"r,x\n" * (MB // 4))
    return path


def zip_bomb(path: Path) -> Path:
    """A megabyte of zeros whose entry says that it holds ten thousand of them, as overlapping members do."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bytes(MB))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (2_000_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def workbook(path: Path, sheet: str) -> Path:
    """A workbook whose sheet is this XML."""
    with xlsxwriter.Workbook(str(path)) as book:
        book.add_worksheet().write(0, 0, "text")
    whole = {}
    with zipfile.ZipFile(path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in whole.items():
            archive.writestr(name, sheet.encode() if name == "xl/worksheets/sheet1.xml" else data)
    return path


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
CELL = '<row r="{0}"><c r="{1}{0}" t="inlineStr"><is><t>text</t></is></c></row>'
FAR = SHEET.format(CELL.format(1, "A") + CELL.format(1048576, "XFD"))
ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + "]>"
    + SHEET.format('<row r="1"><c r="A1" t="inlineStr"><is><t>&j;</t></is></c></row>')
)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda d: gzip_bomb(d / "a.csv.gz", HEAD, b"r,x\n" * (MB // 4), 60), "bytes would become"),
        (lambda d: gzip_bomb(d / "a.jsonl.gz", b"{}\n", b"{}\n" * (MB // 3), 60), "bytes would become"),
        (lambda d: zstd_bomb(d / "a.csv.zst"), "bytes would become"),
        (lambda d: zip_bomb(d / "a.zip"), "bytes would become"),
        (lambda d: write(d / "a.csv", b"x" * MB, 20), "line 1 is longer than 16,777,216 bytes"),
        (lambda d: write(d / "b.csv", HEAD + b"x" * 20 * MB), "line 2 is longer than"),
        (lambda d: write(d / "a.csv.bz2", b"\0" * MB, 40), "is longer than"),
        (lambda d: write(d / "a.jsonl", b'{"text": "' + b"x" * 100 * MB + b'"}\n'), "line 1 is longer than"),
        (lambda d: workbook(d / "far.xlsx", FAR), "workbook takes more than 4 GB"),
        (lambda d: workbook(d / "entities.xlsx", ENTITIES), r"\.xlsx: "),
        (lambda d: write(d / "a.xlsx", b"PK\x03\x04" + bytes(100)), "not a readable workbook"),
    ],
    ids=["gz", "jsonl gz", "zst", "zip", "one line", "second line", "bz2", "json", "far cell", "entities", "cut"],
)
def test_what_takes_too_much_is_refused(
    store: Store, tmp_path: Path, make, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "LARGE_BYTES", 50 * MB)
    path = make(tmp_path)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(UserError, match=rf"^[^\n]*{says}[^\n]*$"):
        load_file(store, "reviews", path)
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250_000  # KB


def test_the_user_says_how_large_it_may_become(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LARGE_BYTES", 10_000)
    path = write(tmp_path / "a.csv.gz", HEAD + b"".join(b"r%d,%s\n" % (i, b"x" * 2_000) for i in range(1_000)))
    with pytest.raises(UserError, match="--max-unpacked 2"):
        load_file(store, "reviews", path)
    with pytest.raises(UserError, match="would become"):
        load_file(store, "reviews", path, Options(max_unpacked=0.001))
    assert load_file(store, "reviews", path, Options(max_unpacked=1)).rows_loaded == 1_000
    assert load_file(store, "reviews", path, Options(max_unpacked=2)).already


@pytest.mark.parametrize(
    "line",
    [
        f'{{"review_id": "a", "text": "b", "rating": {DIGITS}}}',
        f'{{"review_id": "a", "text": "b", "rating": {DIGITS}.5e-10}}',
        f'{{"review_id": {DIGITS}, "text": "b"}}',
        '{"review_id": "a", "text": ' + "[" * 100_000,
        '{"review_id": "a", "text": ' + "[" * 900 + "]" * 900 + "}",
        '{"review_id": "a", "text": ' + '{"a":' * 900 + "1" + "}" * 900 + "}",
        '{"review_id": "a", "text": "b", "rating": NaN}',
        '{"review_id": "a", "text": "b", "rating": 1e999}',
        '{"review_id": "a", "text": "b", "created_at": 1e300}',
        '{"review_id": "a", "text": "b", "created_at": "9999999-01-01"}',
        '{"review_id": "\\ud800", "text": "b"}',
    ],
)
def test_a_hostile_line_of_json_is_a_row_like_others(store: Store, tmp_path: Path, line: str) -> None:
    good = "".join(json.dumps({"review_id": f"r{i}", "text": "fine", "rating": 5}) + "\n" for i in range(30))
    report = load_file(store, "reviews", write(tmp_path / "a.jsonl", (good + line + "\n").encode()))
    assert report.rows_read == 31 and report.rows_loaded >= 30


CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([DIGITS, "1e999", "nan", "-inf", "0x10", "1" * 400, "0000-00-00", "2026-13-45", "\0", '"', "=1"]),
)
TABLES = st.sampled_from(["reviews", "products", "transactions", "events", "users"])
NAMES = ["review_id", "text", "rating", "created_at", "product_id", "price", "user_id", "basket_id", "quantity"]


def try_load(store: Store, table: str, path: Path) -> str:
    """Foretell the load of a file; a report or a message of one line comes of it, which is returned."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.main(["load", table, str(path), "--max-rejects", "1", "--dry-run"])
    assert code in (0, 2) and not store.exists(table)
    if code == 0:
        return out.getvalue()
    lines = [line for line in err.getvalue().splitlines() if line.startswith("shopbatch: ")]
    return lines[0] if len(lines) == 1 else ""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory):
    """A folder for files, and its warehouse."""
    folder = tmp_path_factory.mktemp("fuzzed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPBATCH_WAREHOUSE", str(folder / "warehouse"))
        yield folder, Store(str(folder / "warehouse"))


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow
@FUZZ
@given(TABLES, st.lists(st.lists(CELLS, min_size=9, max_size=9), max_size=4), st.sampled_from(",;\t|"))
def test_any_small_table_is_loaded_or_refused(shelf, table: str, rows: list[list[str]], delimiter: str) -> None:
    folder, store = shelf
    path = folder / "a.csv"
    lines = [delimiter.join(NAMES), *(delimiter.join(row) for row in rows)]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    assert try_load(store, table, path)
    objects = [dict(zip(NAMES, row, strict=True)) for row in rows]
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(o) + "\n" for o in objects) or "{}")
    assert try_load(store, table, path)


@FUZZ
@example(b"sep=", "csv")
@given(
    st.binary(max_size=200), st.sampled_from(["csv", "jsonl", "parquet", "csv.gz", "zip", "xlsx", "tsv", "jsonl.zst"])
)
def test_any_bytes_are_loaded_or_refused(shelf, data: bytes, suffix: str) -> None:
    folder, store = shelf
    path = folder / f"b.{suffix}"
    path.write_bytes(data)
    assert try_load(store, "reviews", path)


@FUZZ
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_parquet_file_is_loaded_or_refused(shelf, changes: list[tuple[float, int]]) -> None:
    folder, store = shelf
    table = pa.table({"review_id": ["a", "b"], "text": ["x", None], "rating": [5, 4]})
    path = folder / "c.parquet"
    pq.write_table(table, path, compression="none")
    data = bytearray(path.read_bytes())
    for where, value in changes:
        data[min(int(where * len(data)), len(data) - 1)] = value
    path.write_bytes(data)
    assert try_load(store, "reviews", path)
