"""Whole loads: every format gives the same rows, refused values are listed but not shown, a file is loaded once."""

import csv
import datetime as dt
import errno
import io
import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopbatch.core.errors import Stopped, UserError
from shopbatch.load import json_lines, keys, load_file, sink
from shopbatch.load.identity import Mode
from shopbatch.load.options import Options
from shopbatch.load.words import null_words
from shopbatch.sample import fill_generated
from shopbatch.tables import table
from shopbatch.warehouse.store import Store

CSV = (
    "\ufeffReview ID,Review Text,Rating,created at,extra\r\n"
    '1,good,5,2024-01-01,x\r\n2,"multi\r\nline ""q""",five,2024-01-01,x\r\n3,secret words,9,bad,x\r\n4,short\r\n'
    ",nokey,3,,x\r\n6,nul\x00here,,,x\r\n7,secret \udcff,2,,x\r\n1,again,1,2024-02-01,\r\n"
).encode("utf-8", "surrogateescape") + b"".join(b"%d,fine,4,2024-01-01,\r\n" % i for i in range(20, 60))
MAPPING = Options({"text": "Review Text"})


def rows(store: Store, name: str = "reviews") -> list[dict[str, Any]]:
    return store.snapshot(name).read().to_pylist()


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_bytes(CSV)
    return path


def test_what_fits_is_loaded_and_the_rest_is_listed(store: Store, messy: Path) -> None:
    report = load_file(store, "reviews", messy, MAPPING)
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (48, 45, 3)
    assert (report.values_emptied, report.duplicate_keys) == (3, 1)
    assert report.ignored == ("extra",)
    loaded = [(r["review_id"], r["text"], r["rating"], r["created_at"]) for r in rows(store)]
    day = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert loaded[:5] == [
        ("1", "good", 5, day),
        ("2", 'multi\r\nline "q"', None, day),
        ("3", "secret words", None, None),
        ("6", "nul\x00here", None, None),
        ("1", "again", 1, dt.datetime(2024, 2, 1, tzinfo=dt.UTC)),
    ]
    names = ("source_row", "source_line", "column", "reason", "value", "row_loaded", "source_file")
    refused = [tuple(r[n] for n in names) for r in rows(store, "reviews_load_rejects")]
    assert sorted(refused) == [
        (2, 3, "rating", "not_a_number", "five", True, "mine.csv"),
        (3, 5, "created_at", "not_a_timestamp", "bad", True, "mine.csv"),
        (3, 5, "rating", "out_of_range", "9", True, "mine.csv"),
        (4, 6, "*", "ragged", None, False, "mine.csv"),
        (5, 7, "review_id", "no_key", None, False, "mine.csv"),
        (7, 9, "text", "invalid_utf8", None, False, "mine.csv"),
    ]
    assert report.reasons == {
        "row: ragged": 1,
        "review_id: no_key": 1,
        "text: invalid_utf8": 1,
        "rating: not_a_number": 1,
        "rating: out_of_range": 1,
        "created_at: not_a_timestamp": 1,
    }
    assert any("mine.csv line 3: rating 'five' not_a_number" in line for line in report.lines())
    assert "45 of 48 rows" in report.lines()[-1]
    shown = json.dumps(report.to_dict()) + "".join(report.lines()) + str(rows(store, "reviews_load_rejects"))
    assert "secret" not in shown
    assert str(messy.parent) not in shown


def test_rows_that_cannot_be_used_must_be_few(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = "".join(f"{i},fine,4\n" for i in range(20))
    path.write_text(f"review_id,text,rating\n{good},x,1\n,y,1\n21,short\n")
    with pytest.raises(
        UserError, match=r"3 of 23 rows do not fit table 'reviews', more than 10% \(--max-rejects\)"
    ) as e:
        load_file(store, "reviews", path)
    assert "a.csv line 22: review_id no_key" in str(e.value)
    assert not store.exists("reviews")
    assert not store.exists("reviews_load_rejects")
    assert load_file(store, "reviews", path, Options(max_rejects=0.2)).rows_rejected == 3
    with pytest.raises(UserError, match="no value of 'title' fits column 'rating'"):
        path.write_text("review_id,text,title\n1,x,good\n2,y,bad\n3,z,so so\n4,z,\n")
        load_file(store, "reviews", path, Options({"rating": "title"}))
    path.write_text("review_id,text,rating\n1,x,good\n2,y,bad\n")  # two values say little
    assert load_file(store, "reviews", path).values_emptied == 2


def test_a_dry_run_says_the_same_and_writes_nothing(store: Store, messy: Path) -> None:
    dry = load_file(store, "reviews", messy, MAPPING, dry_run=True)
    assert dry.dry_run
    assert "would be loaded" in dry.lines()[-1]
    assert not Path(store.root).exists() or not list(Path(store.root).rglob("*"))
    report = load_file(store, "reviews", messy, MAPPING)
    assert (dry.counts(), dry.reasons, dry.rejects) == (report.counts(), report.reasons, report.rejects)
    assert load_file(store, "reviews", messy, MAPPING, dry_run=True).counts() == report.counts()


def test_the_same_file_is_taken_once(store: Store, messy: Path, tmp_path: Path) -> None:
    first = load_file(store, "reviews", messy, MAPPING)
    renamed = tmp_path / "renamed.csv"
    renamed.write_bytes(CSV)
    for path in (messy, renamed):
        again = load_file(store, "reviews", path, MAPPING)
        assert again.already
        assert (again.rows_loaded, again.version) == (0, first.version)
        assert "loaded before" in again.lines()[-1]
    assert len(rows(store)) == 45
    assert len(rows(store, "reviews_load_rejects")) == 6
    renamed.write_bytes(CSV + b"8,more,5,,\r\n")
    assert load_file(store, "reviews", renamed, MAPPING).rows_loaded == 46
    other = Options({"text": "extra"})  # another mapping is another load, whose rows would stand there twice
    with pytest.raises(UserError, match=r"before, with other options.*--replace"):
        load_file(store, "reviews", messy, other)
    assert load_file(store, "reviews", messy, other, "replace").rows_loaded > 0


def test_a_file_is_known_after_the_table_was_optimised(store: Store, messy: Path, tmp_path: Path) -> None:
    """Another client's OPTIMIZE gives the files other names."""
    other = tmp_path / "other.csv"
    other.write_text("review_id,Review Text\no1,fine\n")
    load_file(store, "reviews", messy, MAPPING)
    load_file(store, "reviews", other, MAPPING)
    before = store.snapshot("reviews")
    DeltaTable(before.uri).optimize.compact()
    assert len(store.snapshot("reviews").files) < len(before.files)
    for path in (messy, other):
        load_file(store, "reviews", path, MAPPING)
    assert store.snapshot("reviews").rows == before.rows
    # rows that a replace removed are loaded again
    load_file(store, "reviews", other, MAPPING, mode="replace")
    assert store.snapshot("reviews").rows == 1
    DeltaTable(before.uri).optimize.compact()
    load_file(store, "reviews", other, MAPPING, mode="replace")
    assert store.snapshot("reviews").rows == 1
    load_file(store, "reviews", messy, MAPPING)
    assert store.snapshot("reviews").rows == before.rows


def test_no_space_left_is_not_the_files_fault(store: Store, messy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "write_file", full)
    with pytest.raises(Stopped, match="No space left"):
        load_file(store, "reviews", messy, MAPPING)


@pytest.mark.slow
def test_replace_puts_these_rows_in_place_of_all(store: Store, messy: Path, tmp_path: Path) -> None:
    fill_generated(store, 100, 0)
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": ["one"]}\n{"text": "two"}\n')
    beside = load_file(store, "reviews", messy, MAPPING)
    assert beside.beside_sample
    assert len(rows(store)) == 145
    report = load_file(store, "reviews", other, mode="replace")
    assert [r["text"] for r in rows(store)] == ["two"]
    assert [r["load_id"] for r in rows(store, "reviews_load_rejects")] == [report.load_id]
    version = store.snapshot("reviews").version
    assert load_file(store, "reviews", other, mode="replace").already
    assert store.snapshot("reviews").version == version
    load_file(store, "reviews", messy, MAPPING)
    assert not load_file(store, "reviews", other, mode="replace").already  # now it would change something
    assert [r["text"] for r in rows(store)] == ["two"]


def test_a_reload_makes_the_same_keys(tmp_path: Path) -> None:
    path = tmp_path / "nokeys.jsonl"
    path.write_text(
        '{"text": "a", "rating": 5}\n{"text": "a", "rating": 5}\n{"text": "a"}\n{"text": "a", "rating": 5}\n'
    )
    ids = []
    for name in ("one", "two"):
        store = Store(str(tmp_path / name))
        assert load_file(store, "reviews", path).makes_key
        ids.append([r["review_id"] for r in rows(store)])
    assert ids[0] == ids[1]
    stem = ids[0][0]
    assert ids[0] == [stem, f"{stem}-2", ids[0][2], f"{stem}-3"]
    assert ids[0][2].split("-")[0] != stem


def test_all_formats_give_the_same_rows(tmp_path: Path) -> None:
    data = pl.DataFrame(
        {
            "basket_id": [1, 2, 3],
            "product_id": ["p", "q", "r"],
            "quantity": [1, None, -1],
            "sales_value": [0.1 + 0.2, 5.0, None],
            "transaction_at": [
                dt.datetime(2024, 1, 1, 5, tzinfo=dt.UTC),
                None,
                dt.datetime(1999, 12, 31, tzinfo=dt.UTC),
            ],
        }
    )
    data.write_csv(tmp_path / "t.csv")
    data.with_columns(pl.col("transaction_at").dt.to_string("iso")).write_ndjson(tmp_path / "t.jsonl")
    data.write_parquet(tmp_path / "t.parquet")
    data.write_csv(tmp_path / "semicolons.csv", separator=";", include_bom=True)
    (tmp_path / "t16.csv").write_bytes((tmp_path / "t.csv").read_text().encode("utf-16"))
    data.to_pandas().to_csv(tmp_path / "pandas.csv")  # an index, and 1.0 for 1 where a column has gaps
    for part, where in (("007", 0), ("12", 1)):
        folder = tmp_path / "folder" / f"store_id={part}"
        folder.mkdir(parents=True)
        data[where : where + 2].write_parquet(folder / "part.parquet")
    write_deltalake(tmp_path / "delta", data.to_arrow())
    results = {}
    for name in ("t.csv", "t.jsonl", "t.parquet", "pandas.csv", "semicolons.csv", "t16.csv", "delta"):
        store = Store(str(tmp_path / "warehouse" / name.replace(".", "-")))
        report = load_file(store, "transactions", tmp_path / name)
        assert report.rows_rejected == 0
        results[name] = [{k: v for k, v in r.items() if k != "source"} for r in rows(store, "transactions")]
    assert results["t.csv"][0]["sales_value"] == Decimal("0.30")
    assert results["t.csv"][1]["quantity"] is None
    assert all(result == results["t.csv"] for result in results.values())
    store = Store(str(tmp_path / "folders"))
    load_file(store, "transactions", tmp_path / "folder")
    assert [(r["basket_id"], r["store_id"]) for r in rows(store, "transactions")] == [
        ("1", "007"), ("2", "007"), ("2", "12"), ("3", "12"),
    ]  # fmt: skip


def test_json_lines_with_faults_and_late_columns(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "BATCH_ROWS", 2)
    path = tmp_path / "r.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"text": "a"}\n{"text": "b"},{"text": "c"}\n\n[1]\n{"text": "\xff"}\n{"text": "d", "Rating": 4}\n'
        b'{"text": "\\ud800"}\n{"text": ["x"]}\n{"text": "e", "rating": 3.0}\n'
    )
    with pytest.raises(UserError, match="'Rating', 'rating' could both be 'rating'"):
        load_file(store, "reviews", path)
    assert not store.exists("reviews")
    path.write_bytes(path.read_bytes().replace(b"Rating", b"rating"))
    report = load_file(store, "reviews", path, Options(max_rejects=1))
    assert [(r["text"], r["rating"]) for r in rows(store)] == [("a", None), ("d", 4), ("e", 3)]
    assert report.reasons == {
        "row: invalid_json": 1,
        "row: not_an_object": 1,
        "row: invalid_utf8": 1,
        "text: invalid_utf8": 1,
        "text: nested": 1,
    }
    assert [r["source_row"] for r in rows(store, "reviews_load_rejects")] == [2, 3, 4, 6, 7]


def test_a_json_line_is_never_completed_by_its_neighbour(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "a", "x": [{}\n{}]}\n{"text": "b"},5,{"text": "c"}\n{"text": "d"}\n')
    report = load_file(store, "reviews", path, Options(max_rejects=1))
    assert report.reasons == {"row: invalid_json": 3}
    assert [r["text"] for r in rows(store)] == ["d"]


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "review_id": st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=9).map("r{}".format),
            "title": st.none() | TEXTS,
            "text": st.none() | TEXTS,
            "rating": st.none() | st.integers(1, 5),
            "created_at": st.none() | st.datetimes(dt.datetime(1970, 1, 1), timezones=st.just(dt.UTC)),
        }
    ),
    min_size=1,
    max_size=8,
)


def as_csv(records: list[dict[str, Any]]) -> bytes:
    def cell(value: Any) -> str:
        text = value.isoformat() if isinstance(value, dt.datetime) else str(value)
        return "" if value is None else '"' + text.replace('"', '""') + '"'

    lines = [",".join(records[0]), *(",".join(cell(r[k]) for k in records[0]) for r in records)]
    return "\r\n".join(lines).encode() + b"\r\n"


def as_json(records: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(r, default=dt.datetime.isoformat, ensure_ascii=False) for r in records).encode()


def as_parquet(records: list[dict[str, Any]]) -> bytes:
    columns = [f for f in table("reviews").schema() if f.name in records[0]]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records, pa.schema([f.with_nullable(True) for f in columns])), out)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(("write", "name"), [(as_csv, "a.csv"), (as_json, "a.jsonl"), (as_parquet, "a.parquet")])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records=RECORDS)
def test_any_rows_come_back_as_they_were(write: Any, name: str, records: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(write(records))
        store = Store(f"{folder}/warehouse")
        report = load_file(store, "reviews", path)
        assert (report.rows_loaded, report.rows_rejected) == (len(records), 0)
        ids = [r["review_id"] for r in records]
        assert report.duplicate_keys == len(ids) - len(set(ids))
        blank = null_words("text")
        for record in records:
            record.update({k: None for k in ("title", "text") if (record[k] or "").strip() in blank})
            record["review_id"] = record["review_id"].strip()
        assert [{k: r[k] for k in records[0]} for r in rows(store)] == records


@pytest.mark.slow
def test_python_reads_the_same_csv(tmp_path: Path, store: Store) -> None:
    """The csv module of the standard library is an independent oracle."""
    fill_generated(Store(str(tmp_path / "source")), 800, 4, transactions_per_review=0)
    source = Store(str(tmp_path / "source")).snapshot("reviews").read(["review_id", "title", "text"])
    path = tmp_path / "r.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerow(source.column_names)
        writer.writerows([[v or "" for v in row.values()] for row in source.to_pylist()])
    load_file(store, "reviews", path)
    with path.open(encoding="utf-8", newline="") as stream:
        expected = list(csv.DictReader(stream))
    for row, line in zip(rows(store), expected, strict=True):
        assert {k: row[k] or "" for k in source.column_names} == {k: v if v.strip() else "" for k, v in line.items()}


def test_large_loads_lie_in_several_files(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "ROWS_PER_FILE", 1_000)
    monkeypatch.setattr(json_lines, "BATCH_ROWS", 300)
    path = tmp_path / "r.jsonl"
    path.write_text("".join(f'{{"review_id": {i}, "text": "t{i}", "rating": {i % 7}}}\n' for i in range(5_000)))
    report = load_file(store, "reviews", path)
    assert len(store.snapshot("reviews").files) == 5
    assert report.values_emptied == sum(i % 7 in (0, 6) for i in range(5_000))
    assert [r["rating"] for r in rows(store)] == [i % 7 if 0 < i % 7 < 6 else None for i in range(5_000)]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"review_id,text\n,x\n ,y\n", r"no row fits table 'reviews' \(2 review_id: no_key\)"),
        ("a.parquet", b"PAR1 and no more", "cannot be read"),
        ("a.json", b'[{"text": "x"}]', "one JSON array; expected one object per line"),
        ("a.csv", b"body\nx\n", r"needs the column\(s\) text"),
        ("a.csv", b"\r\n", "it is empty"),
        ("a.csv", b"\n1,2\n", "the first line is empty; it must hold the names"),
        ("a.csv", b"1,2268318,pv\n1,2333346,pv\n", "the first line looks like data: name the columns with --columns"),
    ],
)
def test_a_file_that_cannot_be_used_leaves_nothing(
    store: Store, tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=message) as caught:
        load_file(store, "reviews", path)
    assert "\n" not in str(caught.value)
    assert not store.exists("reviews")
    assert not list((tmp_path / "warehouse").glob("reviews/**/*.parquet"))


def test_mistakes_in_the_command(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot load into 'review_sentiment': the source tables are products"):
        load_file(store, "review_sentiment", tmp_path)
    with pytest.raises(UserError, match="no file or folder"):
        load_file(store, "reviews", tmp_path / "none.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="the folder holds no files"):
        load_file(store, "reviews", tmp_path / "empty")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.csv").write_text("text\nx\n")
    (tmp_path / "mixed" / "b.jsonl").write_text("{}")
    with pytest.raises(UserError, match=r"found \.csv, \.jsonl"):
        load_file(store, "reviews", tmp_path / "mixed")


def test_an_empty_file_adds_nothing_and_replaces_nothing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nx\n")
    load_file(store, "reviews", path)
    path.write_text("text\n")
    modes: tuple[Mode, ...] = ("append", "replace")
    for mode in modes:
        for dry_run in (False, True):
            with pytest.raises(UserError, match="it holds no rows"):
                load_file(store, "reviews", path, mode=mode, dry_run=dry_run)
    assert len(rows(store)) == 1


def test_a_file_that_changes_meanwhile_is_not_loaded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nx\n")
    made = keys.from_content

    def slow(*args: Any) -> pa.Array:
        path.write_text("text\nx\nlonger\n")
        return made(*args)

    monkeypatch.setattr(keys, "from_content", slow)
    with pytest.raises(UserError, match="changed while it was read"):
        load_file(store, "reviews", path)
    assert not store.exists("reviews")


def test_two_loads_of_one_file_at_once_load_it_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,rating\nx,1\ny,z,3\n")
    made = keys.from_content
    others: list[Any] = []

    def other_first(*args: Any) -> pa.Array:
        monkeypatch.setattr(keys, "from_content", made)
        others.append(load_file(store, "reviews", path))
        return made(*args)

    monkeypatch.setattr(keys, "from_content", other_first)
    late = load_file(store, "reviews", path)
    assert (others[0].already, late.already) == (False, True)
    assert [r["text"] for r in rows(store)] == ["x"]
    assert len(rows(store, "reviews_load_rejects")) == 1
    on_disk = list((tmp_path / "warehouse" / "reviews").glob("load-*/*.parquet"))
    assert len(on_disk) == 1  # the late one deleted its file


def test_a_load_killed_between_its_two_commits_is_finished_by_the_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,rating\nx,1\ny,z,3\n")
    commit = Store.commit

    def killed(self: Store, target: Any, *args: Any, **options: Any) -> int:
        if target.name == "reviews":
            raise KeyboardInterrupt
        return commit(self, target, *args, **options)

    monkeypatch.setattr(Store, "commit", killed)
    with pytest.raises(KeyboardInterrupt):
        load_file(store, "reviews", path)
    monkeypatch.undo()
    assert not load_file(store, "reviews", path).already
    assert len(rows(store)) == 1
    assert len(rows(store, "reviews_load_rejects")) == 1
