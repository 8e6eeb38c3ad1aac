"""Engines that fail, raise, die and hang: the row that does it is rejected with its reason, all others are published.

In Ray tasks (light=True) and in actors (light=False): they are started again in different ways.
"""

import gc
import logging
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from shopbatch.core.hashing import hash128
from shopbatch.inference.compute import Worker
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.journal import EngineBroken
from shopbatch.inference.parts import plan_parts
from shopbatch.inference.unit import Task
from tests.inference import oracle, toy

pytestmark = pytest.mark.usefixtures("ray_local")


def with_bad_rows():
    """A shop with a row that ends the process, a text that the engine fails on, and a row that it hangs on."""
    tables = toy.shop(90, seed=3)
    tables[0].insert(7, {"review_id": "bad 1", "text": "here is POISON"})
    tables[1].insert(4, {"review_id": "bad 3", "text": "here is VENOM"})
    tables[1].insert(5, {"review_id": "bad 4", "text": "here is VENOM"})  # the same content: one attempt for both
    tables[2].insert(0, {"review_id": "bad 5", "text": "here is SLEEP"})
    return tables


@pytest.mark.parametrize("light", [True, False], ids=["tasks", "actors"])
def test_rows_that_break_the_engine_are_rejected_alone(store, light, cut_small):
    tables = with_bad_rows()
    toy.put(store, *tables)
    faults = {"exit_on": "POISON", "fail_on": "VENOM", "hang_on": "SLEEP"}
    seconds = 60.0 if light else 0.0  # of work between two files: here, a file each call
    config = {"flush_rows": 8, "flush_seconds": seconds, "timeout_seconds": 1.0}
    report = toy.run(store, toy.spec(light=light, **faults), **config)
    reasons = {"POISON": ("crash", 1), "VENOM": ("engine_error", 1), "SLEEP": ("time_out", 1)}
    want = oracle.expect(*tables, failing=reasons)
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=len(want.contents))
    assert want.reasons.items() >= {"crash": 1, "engine_error": 2, "time_out": 1}.items()
    # computed again were at most the rows that died unwritten: no content has two rows
    assert sorted(oracle.memo_hashes(store, toy.spec())) == sorted(oracle.content_hash(*c) for c in want.contents)
    assert toy.orphans(store, toy.MEMO) == set()
    assert not any(p.is_file() for p in Path(store.root, "_runs/score_reviews").rglob("*"))

    report = toy.run(store, toy.spec(light=light))  # a sound engine: the next run tries them again, and nothing else
    want = oracle.expect(*tables)
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=3)
    assert toy.memo(store).filter(pl.col("attempt") == 2)["reason"].to_list() == [None] * 3


def test_a_failing_row_is_tried_three_times_and_then_when_asked(store, cut_small):
    tables = toy.shop(90, seed=4)
    tables[1].append({"review_id": "bad", "text": "here is VENOM"})
    toy.put(store, *tables)
    broken = toy.spec(fail_on="VENOM")
    for attempt in (1, 2, 3):
        report = toy.run(store, broken)
        want = oracle.expect(*tables, failing={"VENOM": ("engine_error", attempt)})
        oracle.check(store, broken, want)
        oracle.check_report(report, want, computed=len(want.contents) if attempt == 1 else 1)
    before = toy.versions(store)
    report = toy.run(store, toy.spec())  # though the engine is sound again
    assert report.outcome == "nothing to do" and report.rejects["engine_error"] == 1
    assert toy.versions(store) == before
    report = toy.run(store, broken, retry_rejects=True)
    oracle.check(store, broken, oracle.expect(*tables, failing={"VENOM": ("engine_error", 4)}))
    report = toy.run(store, toy.spec(), retry_rejects=True)
    assert report.rows.computed == 1
    oracle.check(store, toy.spec(), oracle.expect(*tables))
    assert toy.run(store, toy.spec(), retry_rejects=True).outcome == "nothing to do"


@pytest.fixture
def settle():
    """Wait until the actors of a run that raised are gone: Ray Data leaves them to the garbage collection."""

    def wait():
        until = time.monotonic() + 60
        while ray.available_resources().get("CPU", 0.0) < ray.cluster_resources()["CPU"]:
            assert time.monotonic() < until
            gc.collect()
            time.sleep(0.05)

    logging.disable()  # pytest would keep the record of the error, and that its frames, and those the actors
    yield wait
    logging.disable(logging.NOTSET)


def on_disk(store):
    """Rows in the memo's files, visible or not."""
    return sum(pq.read_metadata(Path(store.root, toy.MEMO, p)).num_rows for p in toy.written(store, toy.MEMO))


@pytest.mark.parametrize("light", [True, False], ids=["tasks", "actors"])
def test_what_nobody_foresaw_ends_the_run_and_loses_no_result(store, light, cut_small, settle):
    tables = toy.shop(120, seed=2)
    tables[2].append({"review_id": "bad", "text": "here is POISON"})
    toy.put(store, *tables)
    with pytest.raises(ArithmeticError, match="told to raise"):
        toy.run(store, toy.spec(light=light, raise_on="POISON"), flush_rows=8)
    settle()
    assert toy.SINK not in store.names() and toy.REJECTS not in store.names()
    there = on_disk(store)
    report = toy.run(store, toy.spec(), flush_rows=8)
    want = oracle.expect(*tables)
    oracle.check(store, toy.spec(), want)
    assert there >= 8 and report.rows.computed <= len(want.contents) - there
    assert set(oracle.memo_hashes(store, toy.spec())) == {oracle.content_hash(*c) for c in want.contents}


def test_an_engine_that_fails_on_everything_is_not_the_rows_fault(store):
    toy.put(store, [{"review_id": f"r{i}", "text": f"text {i}"} for i in range(150)])
    with pytest.raises(EngineBroken, match="each of 64 rows"):
        toy.run(store, toy.spec(fail_on="text"))
    assert toy.SINK not in store.names()
    assert toy.run(store, toy.spec()).rows.published == 150


def a_worker(store, rows, **config):
    """A worker on a part of these rows, and the unit that holds them all."""
    toy.put(store, rows)
    source, spec = store.snapshot("reviews"), toy.spec()
    schema = source.select(spec.stage.content)
    made_of = (InferenceConfig(**config), schema, plan_parts(source), store.uri(toy.MEMO), "recipe=r/run")
    task = Task(spec, *made_of, f"{store.root}/journal", "run")
    high, low = hash128(toy.reviews(rows).select(["title", "text"]).columns)
    positions = pa.array(range(len(rows)), pa.uint32())
    unit = pa.table({"part": [0] * len(rows), "pos": positions, "hi": high, "lo": low})
    return Worker(ray.put(task)), unit.append_column("attempt", pa.array([1] * len(rows), pa.int8()))


def test_the_first_results_of_a_worker_are_written_early_and_later_ones_in_large_files(store, monkeypatch):
    monkeypatch.setattr("shopbatch.inference.unit.FIRST_SECONDS", 0.0)
    worker, unit = a_worker(store, [{"text": f"text {i}"} for i in range(18_000)], flush_seconds=600.0)
    first = pa.concat_tables(worker(unit.slice(0, 9_000)))
    later = pa.concat_tables(worker(unit.slice(9_000)))
    assert first["calls"].to_pylist() == [1, 2] and sum(first["rows"].to_pylist()) == 9_000
    assert later["calls"].to_pylist() == [3] and later["rows"].to_pylist() == [9_000]


def test_a_unit_that_ray_runs_again_computes_nothing_twice(store):
    """As after a node was lost with receipts that the driver had not seen: the files are there already."""
    rows = [{"text": f"text {i}"} for i in range(25)]
    worker, unit = a_worker(store, rows, flush_rows=10)
    first = pa.concat_tables(worker(unit))
    assert first["rows"].to_pylist() == [10, 10, 5] and first["calls"].to_pylist() == [1, 1, 1]
    there = {p: Path(store.root, toy.MEMO, p).read_bytes() for p in toy.written(store, toy.MEMO)}
    assert sorted(there) == first["path"].to_pylist()
    again = pa.concat_tables(worker(unit))
    lasting = ["path", "size", "rows", "stats"]
    assert again.select(lasting).equals(first.select(lasting)) and again["calls"].to_pylist() == [0, 0, 0]
    assert {p: Path(store.root, toy.MEMO, p).read_bytes() for p in toy.written(store, toy.MEMO)} == there

    Path(store.root, toy.MEMO, first["path"][2].as_py()).unlink()  # and what is missing is made up for
    third = pa.concat_tables(worker(unit))
    assert third["path"].equals(first["path"]) and third["calls"].to_pylist() == [0, 0, 1]
