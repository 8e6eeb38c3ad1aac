"""The scanner sees a person wherever one may stand: each place by itself, so that it cannot be passed over."""

from __future__ import annotations

import gzip
import html
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from shopbatch.erasure.finder import Finder
from shopbatch.erasure.scanner import Needles, scan
from shopbatch.erasure.wanted import Wanted

USER, SHORT = "user-4711", "17"
TEXT = 'the zip of this jacket broke on the very first day & the shop\'s clerk said naïvely "so what"'


def parquet(column: str, value: str, **options: object) -> Callable[[Path], None]:
    table = pa.table({"other": ["a", "b"], column: ["x", value]})
    return lambda folder: pq.write_table(table, folder / "f.parquet", **options)


def statistics_only(folder: Path) -> None:
    pq.write_table(pa.table({"user_id": ["a", SHORT]}), folder / "f.parquet", compression="zstd")


def unused_dictionary(folder: Path) -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array(["a", TEXT]))
    pq.write_table(pa.table({"c": values}), folder / "f.parquet", compression="zstd", write_statistics=False)


def nested(folder: Path) -> None:
    kind = pa.list_(pa.struct([("said", pa.map_(pa.string(), pa.string()))]))
    table = pa.table({"c": pa.array([[{"said": [("k", f"by {USER} herself")]}]], kind)})
    pq.write_table(table, folder / "f.parquet", compression="zstd", write_statistics=False)


def another_form(folder: Path) -> None:
    table = pa.table({"c": pa.array(["a", USER], pa.string_view()), "l": pa.array([["a"], [USER]])})
    pq.write_table(table, folder / "f.parquet", compression="zstd", write_statistics=False)


def in_log(folder: Path) -> None:
    stats = json.dumps({"minValues": {"user_id": SHORT}})
    (folder / "0.json").write_text(json.dumps({"add": {"path": "x", "stats": stats}}) + '\n{"txn": 1}\n')


def in_checkpoint(folder: Path) -> None:
    stats = json.dumps({"minValues": {"user_id": SHORT}})
    pq.write_table(pa.table({"add": [{"path": "x", "stats": stats}]}), folder / "0.checkpoint.parquet")


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder / "f.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sheet.xml", f"<c>{USER}</c>")


def split_by_chunks(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"\0" * ((16 << 20) - 4) + USER.encode() + b"\0" * 100)


PLACES: dict[str, Callable[[Path], None]] = {
    "id, zstd": parquet("user_id", USER, compression="zstd", write_statistics=False),
    "id, snappy, without dictionary": parquet("c", USER, compression="snappy", use_dictionary=False),
    "id, gzip, another column": parquet("c", f"see {USER}.", compression="gzip", write_statistics=False),
    "short id in its column": parquet("user_id", SHORT, compression="zstd", write_statistics=False),
    "text, zstd": parquet("text", TEXT, compression="zstd", write_statistics=False),
    "text, broken into lines": parquet("text", TEXT.replace(" ", "\n"), compression="zstd", write_statistics=False),
    "statistics": statistics_only,
    "dictionary": unused_dictionary,
    "nested": nested,
    "another form of text": another_form,
    "log": in_log,
    "checkpoint": in_checkpoint,
    "json": lambda f: (f / "f.json").write_text(json.dumps({"samples": [{"text": TEXT}]})) and None,
    "json, short id": lambda f: (f / "f.json").write_text(json.dumps([{"user_id": int(SHORT)}])) and None,
    "html": lambda f: (f / "f.html").write_text(f"<p>{html.escape(TEXT)}</p>") and None,
    "a part of the text": lambda f: (f / "f.txt").write_text(TEXT[:40]) and None,
    "gz": lambda f: (f / "f.csv.gz").write_bytes(gzip.compress(f"a,{USER}\n".encode())) and None,
    "zip": zipped,
    "weights": split_by_chunks,
    "a file's name": lambda f: (f / f"{USER}.csv").write_text("a") and None,
    "a folder's name": lambda f: (f / "user_id=17").mkdir() or ((f / "user_id=17" / "f").write_text("a") and None),
    "hidden": lambda f: (f / ".f.parquet.0").write_bytes(b"PAR1 \0\xff " + USER.encode()) and None,
}
NEEDLES = Needles.of([USER, SHORT], [], [TEXT], [])


@pytest.mark.parametrize("place", PLACES)
def test_it_sees_each_place(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    PLACES[place](folder)
    result = scan(str(tmp_path), NEEDLES)
    assert result.files == 1 and {hit.path.split("/")[0] for hit in result.hits} == {"table"}
    assert not any(USER in hit.what for hit in result.hits)


def test_it_sees_nothing_where_nobody_is(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"user_id": ["user-47110", "170"], "product_id": ["17", "17"], "quantity": [17, 17]}),
        tmp_path / "f.parquet",
    )
    (tmp_path / "f.json").write_text(json.dumps({"rows": 17, "user_id": "170", "text": "17 of super-user-4711-x"}))
    (tmp_path / "f.txt").write_text("the zip of this jacket is fine; 17 stars")
    assert scan(str(tmp_path), NEEDLES).hits == []


def test_a_text_that_others_wrote_as_well_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text(TEXT)
    shared = Needles.of([], [], [TEXT], [f"she said: {TEXT}"])
    assert scan(str(tmp_path), shared).hits == []


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.data())
def test_the_finder_finds_what_a_plain_search_finds(data: st.DataObject) -> None:
    """Few letters, so that strings overlap, end alike, and stand at every offset."""
    letters = st.sampled_from(list(b"ab-\xe9"))

    def draw(least: int, most: int) -> bytes:
        return bytes(data.draw(st.lists(letters, min_size=least, max_size=most)))

    strings = {draw(4, 34) for _ in range(data.draw(st.integers(0, 9)))}
    heap = draw(0, 60)
    for text in strings:
        heap += data.draw(st.sampled_from([text, text[:-1], text * 2])) + draw(0, 9)
    expected = {(i, text) for text in strings for i in range(len(heap)) if heap.startswith(text, i)}
    assert set(Finder(strings).find(heap)) == expected


@pytest.mark.parametrize("name", [USER, "4711471147", "maximilianschmidt", "a.b@c"])
def test_every_id_that_the_scanner_searches_in_text_is_one_that_erasing_finds_there(name: str) -> None:
    """Otherwise a text that quotes it would stay, and every erasure would end with a hit."""
    text = f"as {name} said"
    assert Needles.of([name], [], [], []).are_in(text.encode())
    assert Wanted(users={name}).mentioned(pa.array([text, "as nobody said"])).to_pylist() == [True, False]


def test_a_short_id_of_letters_may_be_a_word() -> None:
    assert not Needles.of(["jacket"], [], [], []).are_in(b"the jacket is torn")
    assert Wanted(users={"jacket"}).mentioned(pa.array(["the jacket is torn"])).to_pylist() == [False]
