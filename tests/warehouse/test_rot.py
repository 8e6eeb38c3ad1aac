"""One flipped bit in any file of a warehouse is an error that names the file, or changes no value that is read."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from shopbatch.tables.schema import Column, Table
from shopbatch.tables.training_blocks import TRAINING_BLOCKS
from shopbatch.warehouse import checksums, files, spark_bridge
from shopbatch.warehouse.checksums import DamagedFile
from shopbatch.warehouse.damage import move_away, publish_anew
from shopbatch.warehouse.history import commits
from shopbatch.warehouse.store import Store
from tests.inference import toy
from tests.warehouse.rot import FLIPS, flip, silent_flips
from tests.warehouse.test_publish import TOY, write

MEMO = toy.spec().memo
LANGUAGE = Column("language", pa.string(), "A language.", nullable=False)


def memo_rows(count: int) -> pa.Table:
    """Rows as an engine leaves them, with probabilities that differ in every bit."""
    draw = np.random.default_rng(1)
    columns: list[Any] = []
    for field in MEMO.file_schema():
        if pa.types.is_floating(field.type):
            columns.append(pa.array(draw.random(count), field.type))
        elif pa.types.is_integer(field.type):
            columns.append(pa.array(draw.integers(0, 100, count), field.type))
        elif pa.types.is_timestamp(field.type):
            columns.append(pa.array(draw.integers(0, 10**15, count), pa.int64()).cast(field.type))
        elif pa.types.is_string(field.type):
            columns.append(pa.array([f"run {n % 7}" for n in range(count)]))
        else:
            columns.append(pa.array([draw.random(3).tolist() for _ in range(count)], field.type))
    return pa.table(columns, schema=MEMO.file_schema())


def blocks(count: int) -> pa.Table:
    draw = np.random.default_rng(2)
    lengths = draw.integers(1, 40, (count, 3))
    columns = {
        "split": ["train"] * count,
        "block": list(range(count)),
        "ids": [draw.integers(0, 30_000, sum(row)) for row in lengths],
        "trained": [draw.integers(0, 2, sum(row)).astype(bool) for row in lengths],
        "lengths": lengths.tolist(),
        "labels": draw.integers(0, 3, (count, 3)).tolist(),
    }
    return pa.table(columns, schema=TRAINING_BLOCKS.file_schema())


def reviews(count: int) -> pa.Table:
    rows = [row for table in toy.shop(count, 1) for row in table]
    return toy.reviews(rows).cast(pa.schema([f.with_nullable(True) for f in toy.REVIEWS.file_schema()]))


KINDS: dict[str, Callable[[int], pa.Table]] = {"memo": memo_rows, "blocks": blocks, "reviews": reviews}


@pytest.mark.parametrize("kind", KINDS)
def test_no_flip_in_a_data_file_is_silent(tmp_path: Path, kind: str) -> None:
    path, data = tmp_path / "t" / "part.parquet", KINDS[kind](200)
    files.write(str(path), data, row_group=64)
    silent, outcomes = silent_flips(path, lambda: files.read(str(path), data.schema).to_pydict(), FLIPS or 40)
    assert not silent and outcomes["DamagedFile"] >= 0.9 * (FLIPS or 40), outcomes


def test_no_flip_is_silent_for_polars_and_for_one_row_group(tmp_path: Path) -> None:
    path, data = tmp_path / "part.parquet", memo_rows(200)
    files.write(str(path), data, row_group=64)

    def read() -> Any:
        alone = files.read(str(path), data.schema, row_groups=[1]).to_pydict()
        return alone, files.row_group_rows(str(path)), files.scan([str(path)]).collect().rows()

    assert not silent_flips(path, read, FLIPS or 20, seed=1)[0]


def test_no_flip_in_a_delta_log_is_silent(store: Store) -> None:
    for run in ("run1", "run2"):
        store.commit(TOY, write(store, TOY, run, "a", "b"), "append", run, {"note": run})
    log = Path(store.uri("toy"), "_delta_log")

    def read() -> Any:
        snapshot = store.snapshot("toy")
        said = [(c.version, c.rows, c.size, c.metadata, c.client) for c in commits(snapshot, 10)]
        return snapshot.files, snapshot.schema, snapshot.metadata, snapshot.adds.to_pydict(), said

    for path in sorted(p for p in log.iterdir() if p.is_file()):
        silent, outcomes = silent_flips(path, read, (FLIPS or 80) // 8)
        assert not silent and (path.name.endswith(".crc") or not outcomes["same"]), (path, outcomes)


@pytest.mark.parametrize("pattern", ["*.checkpoint.parquet", "_last_checkpoint"])
def test_no_flip_in_a_checkpoint_of_the_log_is_silent(store: Store, pattern: str) -> None:
    for run in ("run1", "run2"):
        store.commit(TOY, write(store, TOY, run, "a", "b"), "append", run, {"note": run})
    DeltaTable(store.uri("toy")).create_checkpoint()
    store.commit(TOY, write(store, TOY, "run3", "c"), "append", "run3", {"note": "run3"})
    log = Path(store.uri("toy"), "_delta_log")

    def read() -> Any:
        snapshot = store.snapshot("toy")
        return snapshot.files, snapshot.schema, snapshot.metadata, snapshot.adds.to_pydict()

    (path,) = log.glob(pattern)
    assert not silent_flips(path, read, (FLIPS or 40) // 2)[0]


@pytest.mark.parametrize("change", ["flipped", "cut", "emptied", "zeroed"])
def test_a_damaged_file_is_named_with_its_table(store: Store, change: str) -> None:
    store.commit(TOY, write(store, TOY, "run1", "a", "b"), "append", "run1")
    (file,) = store.snapshot("toy").files
    path = Path(file.uri)
    whole = path.read_bytes()
    if change == "flipped":
        flip(path, random.Random(3))
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "emptied": b"", "zeroed": bytes(len(whole))}[change])
    with pytest.raises(DamagedFile, match=r"table 'toy': file .*part") as error:
        store.snapshot("toy").read()
    assert "shopbatch verify" in str(error.value) and "\n" not in str(error.value)


def test_the_newest_entry_of_a_log_cannot_get_lost(store: Store) -> None:
    for run in ("run1", "run2"):
        store.commit(TOY, write(store, TOY, run, "a"), "append", run)
    newest = Path(store.uri("toy"), "_delta_log", f"{2:020}.json")
    newest.rename(newest.with_suffix(".gone"))
    with pytest.raises(DamagedFile, match=newest.name):
        store.find("toy")
    newest.with_suffix(".gone").rename(newest)
    assert store.snapshot("toy").rows == 2


def test_a_file_without_checksums_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    assert files.read(str(tmp_path / "a.parquet"), pa.schema([("a", pa.int64())])).num_rows == 2
    shutil.copy(tmp_path / "a.parquet", tmp_path / "b.parquet")
    with (tmp_path / "b.parquet").open("ab") as file:
        file.write(b"PAR1")
    with pytest.raises(DamagedFile):
        files.read_schema(str(tmp_path / "b.parquet"))


def test_checksums_are_those_of_parquet_and_of_hadoop(tmp_path: Path) -> None:
    files.write(str(tmp_path / "a.parquet"), pa.table({"a": list(range(5000))}))
    stored = pq.read_metadata(tmp_path / "a.parquet").metadata[checksums.KEY.encode()]
    assert int(stored[:16], 16) == (tmp_path / "a.parquet").stat().st_size and int(stored[16:], 16)
    copied = pq.ParquetFile(
        tmp_path / "a.parquet"
    ).read()  # with its metadata, as a program that knows nothing of it does
    assert checksums.KEY.encode() in copied.schema.metadata
    pq.write_table(copied.slice(0, 100), tmp_path / "copied.parquet")
    assert files.read(str(tmp_path / "copied.parquet"), pa.schema([("a", pa.int64())])).num_rows == 100
    files.write(str(tmp_path / "again.parquet"), copied)
    assert files.check_anywhere(str(tmp_path / "again.parquet"))
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[200] ^= 1  # in the first page
    (tmp_path / "b.parquet").write_bytes(data)
    with pytest.raises(OSError, match=r"(?i)crc|checksum"):  # by any reader that asks for it
        pq.read_table(tmp_path / "b.parquet", page_checksum_verification=True)
    (tmp_path / "entry").write_bytes(b"123456789")
    files.seal(str(tmp_path / "entry"))
    assert (tmp_path / ".entry.crc").read_bytes()[8:].hex() == "cbf43926"  # the check value of CRC-32


def test_a_scope_that_is_made_anew_leaves_the_others_as_they_are(store: Store) -> None:
    table = Table(
        "scoped", "Rows by language.", ("id", "language"), (*TOY.columns, LANGUAGE), partition_by=("language",)
    )
    for language in ("en", "zh"):
        path = f"language={language}/run/part.parquet"
        files.write(f"{store.uri('scoped')}/{path}", pa.table({"id": [language]}, table.file_schema()))
        file = files.describe(store.uri("scoped"), path, table.file_schema(), {"language": language})
        said = {"scope": {"language": language}, "recipe": "r", "digest": "d"}
        store.commit(table, [file], "replace", "run", said)
    damaged = Path(store.snapshot("scoped").part({"language": "zh"}).files[0].uri)
    flip(damaged, random.Random(2))
    assert publish_anew(store, table, "k", ("digest",), {"language": "en"}) == ([], "")
    (bad,), said_so = publish_anew(store, table, "k", ("digest",), {"language": "zh"})
    assert bad.uri == str(damaged) and bad.path in said_so and damaged.exists(), "readers see an error, not fewer rows"
    newest = store.snapshot("scoped")
    assert "digest" not in newest.part({"language": "zh"}).metadata and len(newest.files) == 2
    assert newest.part({"language": "zh"}).metadata["recipe"] == "r"
    assert newest.part({"language": "en"}).metadata["digest"] == "d"
    move_away(store, table, [bad])
    assert damaged.exists(), "it is still visible"


@pytest.mark.usefixtures("spark")
def test_spark_checks_the_pages_of_any_file(spark: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": np.random.default_rng(1).random(5000)}), path, write_page_checksum=True)
    assert spark.read.parquet(path).count() == 5000
    data = bytearray(Path(path).read_bytes())
    data[len(data) // 2] ^= 1
    Path(path).write_bytes(data)
    with pytest.raises(Exception, match=r"(?i)crc|checksum"):
        spark.read.parquet(path).agg({"a": "sum"}).collect()


@pytest.mark.usefixtures("spark")
def test_files_of_spark_have_the_same_checksums(spark: Any, store: Store) -> None:
    frame = spark.createDataFrame([(f"k{n}",) for n in range(300)], "id string")
    table = Table("sparky", "Rows of Spark.", ("id",), TOY.columns)
    written = spark_bridge.write(frame.repartition(1), store, table, "run1")
    store.commit(table, written, "append", "run1")
    (file,) = store.snapshot("sparky").files
    footer = json.loads(pq.read_metadata(file.uri).metadata[b"org.apache.spark.sql.parquet.row.metadata"])
    assert footer["fields"][0]["metadata"][checksums.KEY] != checksums.NONE

    def read() -> Any:
        return files.read(file.uri, table.file_schema()).to_pydict()

    silent, outcomes = silent_flips(Path(file.uri), read, FLIPS or 40)
    assert not silent and outcomes["DamagedFile"] >= 0.9 * (FLIPS or 40)
    snapshot = store.snapshot("sparky")
    assert spark_bridge.read(spark, snapshot, ["id"]).count() == 300
    flip(Path(file.uri), random.Random(1))
    with pytest.raises(DamagedFile, match="sparky"):
        spark_bridge.read(spark, snapshot, ["id"])
