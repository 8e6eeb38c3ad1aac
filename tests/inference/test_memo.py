"""The memo: which of several answers counts, what killed runs left behind, and many small files made few."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings

from shopbatch.inference import memo
from shopbatch.inference.resolve import resolve
from shopbatch.warehouse import files
from tests.inference import oracle, toy

RAY = pytest.mark.usefixtures("ray_local", "cut_small")

ANSWER = st.tuples(
    st.sampled_from([0, 1, 2**63, 2**64 - 1]),  # few contents, so that they meet
    st.sampled_from([0, 7]),
    st.sampled_from([None, None, "crash", "engine_error", "time_out"]),
    st.integers(1, 4),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(ANSWER, max_size=14))
def test_a_result_beats_a_reject_then_the_earliest_or_the_last_attempt_counts(answers):
    frame = pl.DataFrame(
        {
            "hi": pl.Series([a[0] for a in answers], dtype=pl.UInt64),
            "lo": pl.Series([a[1] for a in answers], dtype=pl.UInt64),
            "reason": pl.Series([a[2] for a in answers], dtype=pl.String),
            "attempt": pl.Series([a[3] for a in answers], dtype=pl.Int8),
            "label": pl.Series(range(len(answers)), dtype=pl.Int64),
        }
    )
    want, rows = {}, {}
    for number, (high, low, reason, attempt) in enumerate(answers):
        rows[high, low] = rows.get((high, low), 0) + 1
        verdict = reason or ("refused" if number % 3 == 0 else None)
        best = want.get((high, low))
        if best is None or (best[0] is not None and (verdict is None or attempt > best[1])):
            want[high, low] = (verdict, attempt, number)
    stage = SimpleNamespace(outputs=pa.schema([("label", pa.int64())]), judge=_every_third)
    got = resolve(SimpleNamespace(stage=stage), frame, judge=True)
    assert {(r["hi"], r["lo"]): (r["verdict"], r["attempt"], r["label"]) for r in got.to_dicts()} == want
    assert len(got) == len(want)
    lazy = resolve(SimpleNamespace(stage=stage), frame, judge=False)
    assert {(r["hi"], r["lo"]): r["label"] for r in lazy.to_dicts()} == {k: v[2] for k, v in want.items()}
    for row in lazy.to_dicts():
        alone = rows[row["hi"], row["lo"]] == 1
        assert row["verdict"] == (row["reason"] if alone else want[row["hi"], row["lo"]][0])


def _every_third(raw):
    return pa.array(["refused" if label % 3 == 0 else None for label in raw["label"].to_pylist()], pa.string())


def answers(store):
    """The memo's answer for each content and recipe by the reader's rule, in plain Python."""
    newest = {f.path: (f.committed_ms, f.path) for f in store.snapshot(toy.MEMO).files}
    rows = []
    for path in newest:
        recipe = path.split("/")[0].removeprefix("recipe=")
        for number, row in enumerate(
            pl.read_parquet(Path(store.root, toy.MEMO, path), hive_partitioning=False).to_dicts()
        ):
            rows.append((newest[path], number, row | {"recipe": recipe}))
    best = {}
    for _, _, row in sorted(rows, key=lambda r: r[:2]):
        key = row["recipe"], row["hash_hi"], row["hash_lo"]
        old = best.get(key)
        if old is None or (old["reason"] and (not row["reason"] or row["attempt"] > old["attempt"])):
            best[key] = row
    return best


def leave(store, run, data, recipe, seconds_ago=0.0, lease=True):
    """What a killed run leaves: a memo file that nobody committed, and its lease."""
    files.write(f"{store.uri(toy.MEMO)}/recipe={recipe}/{run}/p00000-0000000-00000.parquet", data)
    inflight = Path(store.root, "_runs/score_reviews", run, "inflight")
    if lease:
        files.write_bytes(str(inflight), json.dumps({"recipe": recipe}).encode())
        os.utime(inflight, (inflight.stat().st_mtime - seconds_ago,) * 2)
    return inflight


def some_results(store, count, recipe):
    """Rows of the memo as a data file has them."""
    schema = toy.spec().memo.file_schema()
    parts = [files.read(f.uri, schema) for f in store.snapshot(toy.MEMO).files if f.partition["recipe"] == recipe]
    return pa.concat_tables(parts).slice(0, count)


@RAY
def test_what_a_killed_run_wrote_is_not_computed_again(first_run, store):
    done, tables, _ = first_run
    toy.put(store, *tables, group=17)
    spec, want = toy.spec(), oracle.expect(*tables)
    results = some_results(done, 50, spec.recipe)
    fresh = leave(store, "killed-now", results.slice(0, 30), spec.recipe)
    stale = leave(store, "killed-before", results.slice(30), spec.recipe, seconds_ago=2 * memo.LEASE_SECONDS)
    other = leave(store, "killed-other", results, "0" * 16, seconds_ago=2 * memo.LEASE_SECONDS)
    report = toy.run(store, spec)
    oracle.check(store, spec, want)
    oracle.check_report(report, want, computed=len(want.contents) - 50)
    hashes = oracle.memo_hashes(store, spec)
    assert len(hashes) == len(set(hashes)) == len(want.contents)
    # a run that may still be alive keeps its lease; another recipe's files wait for a run of that recipe
    assert (fresh.exists(), stale.exists(), other.exists()) == (True, False, True)
    before = toy.versions(store)
    assert toy.run(store, spec).outcome == "nothing to do"
    assert toy.versions(store) == before


@RAY
def test_files_that_a_lost_machine_left_broken_stop_nobody(first_run, store):
    done, tables, _ = first_run
    toy.put(store, *tables)
    spec, want = toy.spec(), oracle.expect(*tables)
    inflight = leave(store, "killed", some_results(done, 20, spec.recipe), spec.recipe)
    folder = Path(store.uri(toy.MEMO), f"recipe={spec.recipe}", "killed")
    whole = (folder / "p00000-0000000-00000.parquet").read_bytes()
    (folder / "p00000-0000000-00001.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "p00000-0000000-00002.parquet").write_bytes(b"")
    (folder / ".p00000-0000000-00003.parquet.0a1b").write_bytes(whole)  # was being written
    (folder / ".p00000-0000000-00004.parquet").write_bytes(whole)
    report = toy.run(store, spec)
    oracle.check(store, spec, want)
    oracle.check_report(report, want, computed=len(want.contents) - 20)
    assert inflight.exists()


@RAY
def test_files_without_a_lease_are_left_alone(first_run, store):
    """Its run ended, and said that everything is committed: what lies there was taken out of the table since."""
    done, tables, _ = first_run
    toy.put(store, *tables)
    leave(store, "ended", some_results(done, 20, toy.spec().recipe), toy.spec().recipe, lease=False)
    want = oracle.expect(*tables)
    report = toy.run(store, toy.spec())
    assert report.rows.computed == len(want.contents)
    oracle.check_report(report, want, computed=len(want.contents))


@RAY
def test_of_two_results_the_one_committed_first_is_published(published):
    store, tables = published
    spec = toy.spec()
    before = pl.read_delta(store.uri(toy.SINK)).sort("review_id")
    later = some_results(store, 60, spec.recipe)
    for name, p in (("p_negative", 0.0), ("p_neutral", 0.0), ("p_positive", 1.0), ("run_id", "later")):
        position = later.schema.get_field_index(name)
        later = later.set_column(
            position, later.schema.field(name), pa.repeat(pa.scalar(p, later.schema.types[position]), 60)
        )
    leave(store, "0-rival", later, spec.recipe)  # a name before all others
    for row in tables[0]:
        row["product_id"] = "p-new"  # so that there is something to publish
    toy.put(store, *tables, group=17)
    report = toy.run(store, spec)
    assert report.outcome == "published" and "later" in toy.memo(store)["run_id"]
    after = pl.read_delta(store.uri(toy.SINK)).sort("review_id")
    assert after.drop("product_id").equals(before.drop("product_id"))


def grown(store, tables):
    """A memo with everything in it: rejects and their later results, doubles, and a second recipe."""
    spec = toy.spec()
    tables[0] += [{"review_id": f"bad {i}", "text": f"{word} {i}"} for i, word in enumerate(["VENOM", "SLIME"] * 3)]
    toy.put(store, *tables, group=17)
    for word in ("M", "VENOM", "VENOM"):  # both fail, then VENOM alone, and SLIME gets its results
        toy.run(store, toy.spec(fail_on=word), flush_rows=8)
    toy.run(store, toy.spec("m2"), limit=30, flush_rows=4)
    leave(store, "killed", some_results(store, 25, spec.recipe), spec.recipe, seconds_ago=2 * memo.LEASE_SECONDS)
    tables[1].append({"review_id": "one more", "text": "so that the next run has something to do"})
    toy.put(store, *tables, group=17)


@RAY
def test_compaction_keeps_every_answer(published, monkeypatch):
    store, tables = published
    spec = toy.spec()
    grown(store, tables)
    shutil.copytree(store.root, store.root + "-plain")
    plain = type(store)(store.root + "-plain")
    toy.run(plain, toy.spec(fail_on="VENOM"))
    monkeypatch.setattr(memo, "COMPACT_FILES", 5)
    toy.run(store, toy.spec(fail_on="VENOM"))

    mine = [f for f in store.snapshot(toy.MEMO).files if f.partition["recipe"] == spec.recipe]
    assert len(mine) <= 4 < len([f for f in plain.snapshot(toy.MEMO).files if f.partition["recipe"] == spec.recipe])
    lasting = ("reason", "attempt", "tokens", "p_negative", "p_neutral", "p_positive", "language")
    got, kept = ({key: tuple(row[c] for c in lasting) for key, row in answers(s).items()} for s in (store, plain))
    assert got == kept and len({key[0] for key in got}) == 2
    assert {row[0] for row in got.values()} == {None, "engine_error"}
    hashes = oracle.memo_hashes(store, spec)
    assert len(hashes) == len(set(hashes)) < len(oracle.memo_hashes(plain, spec))
    # who computed what, and when, is kept as well for all that was there before
    origin = {key: (row["run_id"], row["scored_at"]) for key, row in answers(plain).items()}
    moved = [k for k, row in answers(store).items() if (row["run_id"], row["scored_at"]) != origin[k]]
    assert len(moved) == 1  # the one new text was scored in both warehouses

    want = oracle.expect(*tables, failing={"VENOM": ("engine_error", 3)})
    oracle.check(store, spec, want)
    before = toy.versions(store)
    report = toy.run(store, spec)
    assert report.outcome == "nothing to do"
    oracle.check_report(report, want, computed=0)
    assert toy.versions(store) == before
    tables[2].append({"review_id": "the last", "text": "after the compaction"})
    toy.put(store, *tables, group=17)
    assert toy.run(store, spec).rows.computed == 1


@RAY
def test_files_that_a_run_may_commit_again_are_not_compacted(published, monkeypatch):
    store, tables = published
    spec = toy.spec()
    inflight = leave(store, "alive", some_results(store, 25, spec.recipe), spec.recipe)
    tables[1].append({"review_id": "one more", "text": "so that the next run has something to do"})
    toy.put(store, *tables, group=17)
    monkeypatch.setattr(memo, "COMPACT_FILES", 2)
    toy.run(store, spec)
    paths = [f.path for f in store.snapshot(toy.MEMO).files]
    assert f"recipe={spec.recipe}/alive/p00000-0000000-00000.parquet" in paths and len(paths) <= 5
    assert inflight.exists()
    oracle.check(store, spec, oracle.expect(*tables))
