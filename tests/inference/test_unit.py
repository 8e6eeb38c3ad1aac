"""Engines that fail, raise, die and hang: the row that does it is rejected with its reason, all others are published.

In Ray tasks (light=True) and in actors (light=False): they are started again in different ways.
"""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from shopbatch.inference.compute import Worker, cut_units
from shopbatch.inference.journal import EngineBroken
from shopbatch.inference.memo import Memo
from shopbatch.inference.recipe import InferenceConfig
from shopbatch.inference.run import InferenceRun, run_inference
from shopbatch.inference.source import build_index
from shopbatch.inference.unit import Task
from shopbatch.report import Report
from tests.inference import oracle, toy

pytestmark = pytest.mark.usefixtures("ray_local")
POISON, VENOM, SLEEP = ({"text": f"here is {word} {i}"} for i, word in enumerate(("POISON", "VENOM", "SLEEP")))


def with_bad_rows():
    """A shop with two rows that end the process, one that the engine fails on, and one that it hangs on."""
    tables = toy.shop(90, seed=3)
    tables[0].insert(7, {"review_id": "bad 1", "text": "here is POISON"})
    tables[0].insert(9, {"review_id": "bad 2", "text": "POISON again", "title": "x"})
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
    assert want.reasons.items() >= {"crash": 2, "engine_error": 2, "time_out": 1}.items()
    # computed again were at most the rows that died unwritten: no content has two rows
    assert sorted(oracle.memo_hashes(store, toy.spec())) == sorted(oracle.content_hash(*c) for c in want.contents)
    assert toy.orphans(store, toy.MEMO) == set()
    assert not any(p.is_file() for p in Path(store.root, "_runs/score_reviews").rglob("*"))

    report = toy.run(store, toy.spec(light=light))  # a sound engine: the next run tries them again, and nothing else
    want = oracle.expect(*tables)
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=4)
    assert sorted(toy.memo(store).filter(pl.col("attempt") == 2)["reason"].to_list()) == [None] * 4


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


def on_disk(store):
    """Rows in the memo's files, visible or not."""
    return sum(pq.read_metadata(Path(store.root, toy.MEMO, p)).num_rows for p in toy.written(store, toy.MEMO))


@pytest.mark.parametrize("light", [True, False], ids=["tasks", "actors"])
def test_what_nobody_foresaw_ends_the_run_and_loses_no_result(store, light, cut_small):
    tables = toy.shop(120, seed=2)
    tables[2].append({"review_id": "bad", "text": "here is POISON"})
    toy.put(store, *tables)
    with pytest.raises(ArithmeticError, match="told to raise"):
        toy.run(store, toy.spec(light=light, raise_on="POISON"), flush_rows=8)
    assert store.names() == ["reviews", toy.MEMO]  # nothing published
    assert len(toy.memo(store)) > 0
    there = on_disk(store)
    report = toy.run(store, toy.spec(), flush_rows=8)
    want = oracle.expect(*tables)
    oracle.check(store, toy.spec(), want)
    assert report.rows.computed <= len(want.contents) - there < len(want.contents)
    assert set(oracle.memo_hashes(store, toy.spec())) == {oracle.content_hash(*c) for c in want.contents}


def test_an_engine_that_fails_on_everything_is_not_the_rows_fault(store):
    toy.put(store, [{"review_id": f"r{i}", "text": f"text {i}"} for i in range(150)])
    with pytest.raises(EngineBroken, match="each of 64 rows"):
        toy.run(store, toy.spec(fail_on="text"))
    assert toy.SINK not in store.names()
    assert toy.run(store, toy.spec()).rows.published == 150


def test_a_unit_that_ray_runs_again_computes_nothing_twice(store, cut_small):
    """As after a node was lost with receipts that the driver had not seen: the files are there already."""
    toy.put(store, *toy.shop(60))
    spec, config = toy.spec(), InferenceConfig(workers=1, flush_rows=10)
    source = store.snapshot("reviews")
    run = InferenceRun(spec, config, store, Report(job="x"), source, None, build_index(spec, source), None)
    run.memo = Memo(store, spec, "run-1", run.index.shards)
    run._find_pending()
    units = ray.get(cut_units(run.index, run.pending, run.counts, 10_000, config))
    task = Task(
        spec=spec,
        config=config,
        schema=source.select(spec.stage.content),
        parts=run.index.parts,
        memo=run.memo.root,
        folder=run.memo.folder,
        journals=f"{store.root}/journal",
        run_id="run-1",
    )
    worker, unit = Worker(ray.put(task)), units[0]
    first = pa.concat_tables(worker(unit)).select(["path", "size", "rows", "stats"])
    assert first.num_rows > 1 and sum(first["rows"].to_pylist()) == unit.num_rows
    bytes_before = {p: Path(store.root, toy.MEMO, p).read_bytes() for p in toy.written(store, toy.MEMO)}
    again = pa.concat_tables(worker(unit))
    assert again.select(first.column_names).equals(first) and sum(again["calls"].to_pylist()) == 0
    assert {p: Path(store.root, toy.MEMO, p).read_bytes() for p in toy.written(store, toy.MEMO)} == bytes_before
