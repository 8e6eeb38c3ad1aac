"""`shopbatch verify` finds every kind of damage, names it with what to do, and is silent about what is good."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from safetensors.numpy import save_file

from shopbatch.cli import main as cli
from shopbatch.models import erasure, registry
from shopbatch.tables import TABLES
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.schema import Person
from shopbatch.warehouse.store import Store
from tests.erasure import planted
from tests.inference import toy
from tests.warehouse.rot import flip

Capture = pytest.CaptureFixture[str]


def verify(capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = cli.main(["verify", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def make_index(root: str) -> None:
    """An index, as the folder of any kind of index is: files, and a manifest with their checksums."""
    folder = Path(root, "_indexes", "toy", "k1")
    folder.mkdir(parents=True)
    (folder / "codes.npy").write_bytes(bytes(range(256)))
    sums = {"codes.npy": xxhash.xxh3_64_hexdigest(bytes(range(256)))}
    (folder / "manifest.json").write_text(json.dumps({"files": sums}), "utf-8")
    (folder.parent / "never shown").mkdir()


@pytest.fixture
def whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Reviews, a table with a key that is published, a model, and the key of hashes."""
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    monkeypatch.setenv("COLUMNS", "120")
    for number in range(3):
        toy.put(store, [{"review_id": f"r{n}", "text": f"text {n} {number}"} for n in range(50)])

    def build(folder: Path) -> None:
        weights = np.random.default_rng(1).random(1000, np.float32)
        save_file({"w": weights}, folder / "model.safetensors")

    make_index(store.root)
    registry.publish(f"{store.root}/_models", "toy", build, **erasure.record(store, ["r1"]))
    return store


def first(store: Store, pattern: str) -> Path:
    if pattern == "reviews/*/*.parquet":  # the file that the newest version has
        return Path(store.snapshot("reviews").files[0].uri)
    return sorted(Path(store.root).glob(pattern))[0]


def flipped(path: Path) -> None:
    flip(path, random.Random(1))


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a data file is flipped": ("reviews/*/*.parquet", flipped, "load TABLE FILE"),
    "a data file is gone": ("reviews/*/*.parquet", Path.unlink, "it is gone"),
    "an old entry of a log is flipped": ("reviews/_delta_log/*1.json", flipped, "from a backup"),
    "an entry of a log is gone": ("reviews/_delta_log/*2.json", Path.unlink, "it is missing"),
    "the newest entry is cut": ("reviews/_delta_log/*3.json", lambda path: path.write_bytes(b'{"add'), "from a backup"),
    "weights are flipped": ("_models/toy/*/model.safetensors", flipped, "sha256 differs"),
    "a manifest is cut": ("_models/toy/*/manifest.json", lambda path: path.write_text("{"), "cannot be read"),
    "the live model is unknown": ("_models/toy/live.json", lambda path: path.write_text("[]"), "live.json"),
    "a file of an index is flipped": ("_indexes/toy/k1/codes.npy", flipped, "codes.npy is damaged"),
    "a file of an index is gone": ("_indexes/toy/k1/codes.npy", Path.unlink, "codes.npy is missing"),
    "an index's manifest is cut": ("_indexes/toy/k1/manifest.json", lambda path: path.write_text("{"), "is damaged"),
    "the key is flipped": ("_models/erasure.key", flipped, "restore _models/erasure.key"),
    "the key is gone": ("_models/erasure.key", Path.unlink, "it is gone"),
}


def test_nothing_is_said_of_what_is_good(whole: Store, capsys: Capture) -> None:
    before = {p: p.stat().st_mtime_ns for p in Path(whole.root).rglob("*")}
    code, out, _ = verify(capsys)
    assert code == 0 and "damaged" not in out and "table reviews" in out and "model toy@" in out
    assert {p: p.stat().st_mtime_ns for p in Path(whole.root).rglob("*")} == before, "it writes nothing"
    code, out, _ = verify(capsys, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and {"table", "model", "index", "key"} == {line["kind"] for line in lines}
    (reviews,) = (line for line in lines if line["name"] == "reviews")
    assert (reviews["rows"], reviews["files"], reviews["unprotected"], reviews["findings"]) == (50, 1, 0, [])


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_and_named(whole: Store, capsys: Capture, kind: str) -> None:
    pattern, change, said = DAMAGE[kind]
    path = first(whole, pattern)
    change(path)
    code, out, err = verify(capsys)
    assert code == 3 and path.name in out and said in out, out
    assert "Traceback" not in out + err and "damaged" in out
    code, out, _ = verify(capsys, "--json")
    assert code == 3 and sum(bool(json.loads(line)["findings"]) for line in out.splitlines()) >= 1


def test_a_row_count_that_the_log_contradicts_is_found(whole: Store, capsys: Capture) -> None:
    entry = first(whole, "reviews/_delta_log/*3.json")
    entry.write_text(entry.read_text().replace('\\"numRecords\\": 50', '\\"numRecords\\": 51'))
    entry.with_name(f".{entry.name}.crc").unlink()
    code, out, _ = verify(capsys, "reviews")
    assert code == 3 and "it has 50 rows, and the log says 51" in out


def test_repeated_keys_and_rows_without_a_memo_are_found(whole: Store, capsys: Capture) -> None:
    data = REVIEW_SENTIMENT.fill(
        3,
        review_id=pa.array(["a", "b", "a"]),
        content_hash=pa.array(["0" * 32] * 3),
        recipe=pa.array(["1" * 16] * 3),
        label=pa.array(["negative"] * 3),
        **{f"p_{label}": pa.array([0.5] * 3, pa.float32()) for label in ("negative", "neutral", "positive")},
        scored_at=pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
        run_id=pa.array(["20260101T000000Z-aaaaaa"] * 3),
    )
    written = [whole.write_file(REVIEW_SENTIMENT, data, "run", 0)]
    whole.commit(REVIEW_SENTIMENT, written, "append", "run", {"job": "score_reviews", "recipe": "1" * 16})
    code, out, _ = verify(capsys, "review_sentiment")
    assert code == 3 and "1 rows repeat the key (review_id)" in out and "no score_reviews_memo" in out
    assert "-> run score_reviews" in out
    memo = toy.spec().memo
    assert memo.name not in TABLES
    whole.commit(memo, [], "append", "run")
    whole.commit(memo, [], "rewrite", "run")
    code, out, _ = verify(capsys, "review_sentiment")
    assert code == 3 and "3 rows are of contents that score_reviews_memo does not hold" in out


def test_an_unknown_table_is_a_mistake(whole: Store, capsys: Capture) -> None:
    code, _, err = verify(capsys, "review")
    assert code == 2 and "no table 'review'" in err and "reviews" in err
    shutil.rmtree(Path(whole.root))
    assert verify(capsys)[0] == 0, "an empty warehouse has no damage"


@pytest.mark.parametrize("name", [t.name for t in TABLES.values() if isinstance(t.person, Person)])
def test_every_kind_of_table_can_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: Capture, name: str
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    planted.plant(store, TABLES[name])
    rows = store.snapshot(name).rows
    code, out, err = verify(capsys, name)
    assert rows > 1 and f"table {name} " in out and f" {rows:,} " in out, (code, out, err)
