"""Data files: whole or not there, described truthfully, read by name."""

import io
import json
import math
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from pyarrow import fs as pafs

from shopbatch.tables.schema import TIMESTAMP
from shopbatch.warehouse import files
from shopbatch.warehouse.utf8 import blank, invalid_utf8

BAD = pa.Array.from_buffers(pa.string(), 3, pa.array([b"\xff\xfe", b"fine", None], pa.binary()).buffers())


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


class Changing(pafs.SubTreeFileSystem):
    """A file system whose folder changes while it is listed."""

    def __init__(self, times):
        super().__init__("/", pafs.LocalFileSystem())
        self.times = times

    def get_file_info(self, asked):
        if isinstance(asked, pafs.FileSelector) and self.times:
            self.times -= 1
            raise FileNotFoundError("[Errno 2] Cannot list directory")
        return super().get_file_info(asked)


def test_a_folder_that_comes_and_goes_is_listed(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.json").write_text("{}")
    a = str(tmp_path / "a")
    assert [info.base_name for info in files.entries(Changing(2), a)] == ["b"]
    assert [info.base_name for info in files.entries(Changing(2), a, recursive=True)] == ["b", "c.json"]
    assert files.entries(Changing(0), str(tmp_path / "none")) == []
    with pytest.raises(FileNotFoundError):
        files.entries(Changing(99), a)


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    uri = str(tmp_path / "deep" / "er" / "a.parquet")
    files.write(uri, pa.table({"a": [1, 2]}))
    files.write(uri, pa.table({"a": [3]}))
    assert names(tmp_path) == ["deep/er/a.parquet"] and files.read(uri, pa.schema([("a", pa.int64())])).num_rows == 1
    with pytest.raises(pa.ArrowNotImplementedError):
        files.write(uri, pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}))
    assert names(tmp_path) == ["deep/er/a.parquet"] and pq.read_table(uri)["a"].to_pylist() == [3]


def test_small_files_replace_each_other_and_go(tmp_path):
    uri = str(tmp_path / "deep" / "note")
    files.write_bytes(uri, b"one")
    files.write_bytes(uri, b"two")
    assert names(tmp_path) == ["deep/note"] and Path(uri).read_bytes() == b"two"
    files.remove(uri)
    files.remove(uri)  # by two at once
    assert names(tmp_path) == []


def test_row_groups_are_as_asked_and_read_alone(tmp_path):
    uri = str(tmp_path / "a.parquet")
    files.write(uri, pa.table({"a": range(10), "b": [f"t{i}" for i in range(10)]}), row_group=4)
    assert files.row_group_rows(uri) == [4, 4, 2]
    schema = pa.schema([("b", pa.string()), ("a", pa.int64())])
    assert files.read(uri, schema, row_groups=[2, 0]).to_pydict() == {
        "b": ["t8", "t9", "t0", "t1", "t2", "t3"],
        "a": [8, 9, 0, 1, 2, 3],
    }
    assert files.read(uri, schema, row_groups=[]).num_rows == 0


def test_columns_that_the_file_lacks_are_folders_or_null(tmp_path):
    uri = str(tmp_path / "a.parquet")
    files.write(uri, pa.table({"a": pa.array([1, 2], pa.int32())}))
    schema = pa.schema([("day", pa.date32()), ("a", pa.int64()), ("new", pa.string()), ("n", pa.int8())])
    got = files.read(uri, schema, {"day": "2026-02-03", "n": None})
    assert got.schema == schema
    assert got.to_pylist() == [{"day": date(2026, 2, 3), "a": a, "new": None, "n": None} for a in (1, 2)]
    assert files.read(uri, pa.schema([("day", pa.date32())]), {"day": "2026-02-03"}).num_rows == 2


def test_a_description_is_of_a_whole_file_that_fits(tmp_path):
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string())])
    files.write(str(tmp_path / "x" / "a.parquet"), pa.table({"a": [1, 2], "b": [None, "x"]}, schema))
    got = files.describe(str(tmp_path), "x/a.parquet", schema.with_metadata({"k": "v"}), {"p": "1"})
    assert (got.path, got.rows, got.partition) == ("x/a.parquet", 2, {"p": "1"})
    assert got.size == (tmp_path / "x" / "a.parquet").stat().st_size
    files.write(str(tmp_path / "null.parquet"), pa.table({"a": [1, None], "b": ["x", "y"]}))
    turned = pa.schema([schema.field("b"), schema.field("a")])
    for path, other, message in (
        ("null.parquet", schema, r"null in column\(s\) a"),
        ("x/a.parquet", turned, "does not have the table's columns"),
    ):
        with pytest.raises(TypeError, match=message):
            files.describe(str(tmp_path), path, other)
    with pytest.raises(FileNotFoundError):
        files.describe(str(tmp_path), "none.parquet", schema)
    whole = (tmp_path / "x" / "a.parquet").read_bytes()
    for cut in (0, 3, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.parquet").write_bytes(whole[:cut])
        with pytest.raises(pa.ArrowInvalid):
            files.describe(str(tmp_path), "cut.parquet", schema)


def test_what_is_gone_or_cut_short_is_not_whole(tmp_path):
    files.write(str(tmp_path / "a.parquet"), pa.table({"a": [1]}))
    good = files.describe(str(tmp_path), "a.parquet", pa.schema([("a", pa.int64())]))
    files.check_whole(str(tmp_path), [good, good])
    files.check_whole(str(tmp_path), [])
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(FileNotFoundError, match=f"4 bytes, wrote {good.size}"):
        files.check_whole(str(tmp_path), [good])
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.parquet"):
        files.check_whole(str(tmp_path), [good])


MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda m: m.replace(tzinfo=UTC))
TYPES = {
    "i": (pa.int8(), st.integers(-128, 127)),
    "f": (pa.float32(), st.floats(width=32)),
    "s": (pa.string(), st.text(st.sampled_from("a~é中😀\0"), max_size=40) | st.text("中", min_size=20, max_size=30)),
    "t": (TIMESTAMP, MOMENTS),
    "d": (pa.date32(), st.dates()),
    "b": (pa.bool_(), st.booleans()),
    "m": (pa.decimal128(12, 2), st.decimals(-1000, 1000, places=2)),
}
ROWS = st.lists(st.fixed_dictionaries({k: st.none() | s for k, (_, s) in TYPES.items()}), max_size=12)


@settings(max_examples=120, deadline=None)
@given(rows=ROWS, group=st.integers(1, 5))
def test_statistics_hold_for_every_row(tmp_path_factory, rows, group):
    folder = tmp_path_factory.getbasetemp()
    data = pa.table({k: pa.array([r[k] for r in rows], kind) for k, (kind, _) in TYPES.items()})
    files.write(str(folder / "stats.parquet"), data, row_group=group)
    stats = json.loads(files.describe(str(folder), "stats.parquet", data.schema).stats)
    assert stats["numRecords"] == len(rows)
    assert stats["nullCount"] == ({k: sum(r[k] is None for r in rows) for k in TYPES} if rows else {})
    assert stats["minValues"].keys() == stats["maxValues"].keys()
    for name in TYPES:
        values = [r[name] for r in rows if r[name] is not None and not (name == "f" and math.isnan(r[name]))]
        if name in stats["minValues"]:
            low, high = (_parsed(name, stats[side][name]) for side in ("minValues", "maxValues"))
            if name == "s":  # a long one is cut
                assert low <= min(values) and high >= max(values) and max(len(low.encode()), len(high.encode())) <= 68
                assert min(values).startswith(low) and max(values).startswith(high.removesuffix("\U0010ffff"))
            else:
                assert (low, high) == (min(values), max(values))
        elif values and name not in "f":
            raise AssertionError(f"no statistics of {name}: {values}")


def _parsed(name, bound):
    if name == "m":
        return Decimal(str(bound)).quantize(Decimal("0.01"))
    if name == "t":
        assert bound.endswith("Z")
        return datetime.fromisoformat(bound)
    return date.fromisoformat(bound) if name == "d" else bound


@pytest.mark.parametrize(
    "column",
    [
        BAD,
        pa.array([400_000_000_000_000_000, 0, None], pa.int64()).cast(TIMESTAMP),
        pa.array([10_000_000, 0, None], pa.int32()).cast(pa.date32()),
        pa.array(["x" * 64 + "\U0010ffff", "", None]),
        pa.array([math.inf, 0.0, None]),
        pa.array([Decimal("12345678901234.56"), Decimal("2.00"), None], pa.decimal128(18, 2)),
    ],
    ids=["no text", "year 14645", "day in 29348", "last character", "infinite", "16 digits"],
)
def test_a_bound_that_json_cannot_say_is_left_out(tmp_path, column):
    data = pa.table({"x": column, "y": [1, 2, 3]})
    files.write(str(tmp_path / "a.parquet"), data)
    stats = json.loads(files.describe(str(tmp_path), "a.parquet", data.schema).stats)
    assert stats == {"numRecords": 3, "minValues": {"y": 1}, "maxValues": {"y": 3}, "nullCount": {"x": 1, "y": 0}}


KEYS = st.lists(st.tuples(st.sampled_from(["a", "b", "", None]), st.sampled_from([1, 2])), max_size=12)


@settings(max_examples=40, deadline=None)
@given(keys=KEYS, cut=st.integers(0, 12))
def test_repeated_keys_are_counted(tmp_path_factory, keys, cut):
    folder = tmp_path_factory.getbasetemp()
    uris = [str(folder / f"keys{i}.parquet") for i in range(2)]
    for uri, part in zip(uris, (keys[:cut], keys[cut:]), strict=True):
        k, n = pa.array([p[0] for p in part], pa.string()), pa.array([p[1] for p in part], pa.int64())
        files.write(uri, pa.table({"k": k, "n": n, "x": range(len(part))}))
    assert files.duplicate_keys(uris, ["k", "n"]) == sum(c - 1 for c in Counter(keys).values())


def test_no_files_repeat_no_key():
    assert files.duplicate_keys([], ["k"]) == 0


def test_broken_text_is_found_and_made_empty():
    column = pa.chunked_array([pa.array(["ok", None]), BAD])
    assert invalid_utf8(column).to_pylist() == [False, False, True, False, False]
    assert blank(column).to_pylist() == ["ok", None, "", "fine", None]
    assert invalid_utf8(column.slice(3)) is None and invalid_utf8(pa.chunked_array([[1, 2]])) is None
    assert blank(column.slice(3)).to_pylist() == ["fine", None]


def test_a_folder_and_a_uri_name_the_same_place(tmp_path):
    files.write((tmp_path / "a.parquet").as_uri(), pa.table({"a": np.arange(3)}))
    assert files.row_group_rows((tmp_path / "a.parquet").as_uri()) == files.row_group_rows(str(tmp_path / "a.parquet"))
    assert names(tmp_path) == ["a.parquet"]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_from_other_errors():
    for opened in (lambda: io.FileIO("/dev/full", "wb"), lambda: pa.OSFile("/dev/full", "wb")):
        with pytest.raises(OSError) as caught, opened() as file:
            file.write(b"x")
        assert files.is_full(caught.value)
    # libraries in Rust: safetensors, delta-rs
    assert files.is_full(RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert files.is_full(RuntimeError("Generic LocalFileSystem error: Disk quota exceeded (os error 122)"))
    for other in (OSError(13, "Permission denied"), RuntimeError("No such file or directory (os error 2)")):
        assert not files.is_full(other)


def test_statistics_of_flat_columns_stand_beside_nested_ones(tmp_path):
    data = pa.table(
        {
            "pair": [{"a": 1, "b": "x"}, None],
            "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
            "names": pa.array([["p", "q"], []], pa.list_(pa.string())),
            "n": [5, 7],
        }
    )
    schema = pa.schema([f.with_nullable(f.name != "names") for f in data.schema])
    files.write(str(tmp_path / "a.parquet"), data)
    stats = json.loads(files.describe(str(tmp_path), "a.parquet", schema).stats)  # an empty list is not a null
    assert (stats["minValues"]["n"], stats["maxValues"]["n"], stats["nullCount"]["n"]) == (5, 7, 0)
    assert not {"pair", "map"} & {*stats["minValues"], *stats["nullCount"]}


def test_broken_text_is_found_inside_lists():
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2, 5]), pa.concat_arrays([pa.array(["ok", None]), BAD]))
    column = pa.chunked_array([lists])
    assert invalid_utf8(column).to_pylist() == [False, False, True]
    assert invalid_utf8(column.slice(0, 2)) is None
