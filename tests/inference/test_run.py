"""The promises of a whole run, each held against `oracle.py`: what is published, and what the engine is asked."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from shopbatch.capabilities.sentiment.stage import SentimentStage
from shopbatch.core.errors import GateRefused, Stopped, UserError
from shopbatch.inference.candidate import Candidate
from shopbatch.inference.parts import plan_parts
from shopbatch.inference.run import run_inference
from shopbatch.inference.shards import shard_count
from shopbatch.runs.outcomes import find_user_error
from shopbatch.runs.report import Report
from tests.inference import oracle, toy

pytestmark = pytest.mark.usefixtures("ray_local")


def flat(tables):
    return [row for table in tables for row in table]


def asked(store, report):
    """Content hashes that this run's engine answered, as the memo has them."""
    rows = toy.memo(store).filter(pl.col("run_id") == report.run_id)
    return Counter(f"{h % 2**64:016x}{lo % 2**64:016x}" for h, lo in rows.select("hash_hi", "hash_lo").iter_rows())


def test_a_first_run_scores_every_content_once(first_run):
    store, tables, report = first_run
    want = oracle.expect(*tables)
    assert {"duplicate_key", "empty"} == set(want.reasons) and len(want.contents) < len(want.published)
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=len(want.contents))
    assert report.outcome == "published" and report.rows.kept == 0
    assert sorted(oracle.memo_hashes(store, toy.spec())) == sorted(oracle.content_hash(*c) for c in want.contents)
    assert report.engine.calls > 1 and report.recipe == toy.spec().recipe
    for table in (toy.SINK, toy.REJECTS, toy.MEMO):
        assert toy.orphans(store, table) == set()
    for row in report.samples:
        published = want.published[row["review_id"]]
        assert oracle.content_hash(row["title"], row["text"]) == published["content_hash"]
        assert (row["label"], row["language"]) == (published["label"], published["language"])
    shown = Counter((row["language"], row["label"]) for row in report.samples)
    assert set(shown) == {(r["language"], r["label"]) for r in want.published.values()} and max(shown.values()) == 2
    left = [p.name for p in Path(store.root, "_runs/score_reviews").rglob("*") if p.is_file()]
    assert left == []  # neither lease nor journals


def test_small_data_really_is_cut_into_parts_and_shards(published):
    snapshot = published[0].snapshot("reviews")
    parts = plan_parts(snapshot)
    assert len(parts) >= 4 and shard_count(snapshot.rows) == 4
    assert any(len(p.slices) > 1 for p in parts) and any(s.first_row for p in parts for s in p.slices)
    assert sum(p.rows for p in parts) == snapshot.rows


def test_a_second_run_does_nothing(published):
    store, tables = published
    before, there = toy.versions(store), {t: toy.written(store, t) for t in (toy.SINK, toy.REJECTS, toy.MEMO)}
    report = toy.run(store, toy.spec())
    assert report.outcome == "nothing to do" and report.engine is None
    assert set(report.stages) == {"index", "pending"}  # nothing is written to see that it is the same
    oracle.check_report(report, oracle.expect(*tables), computed=0)
    assert toy.versions(store) == before
    assert {t: toy.written(store, t) for t in there} == there


def test_the_same_rows_in_a_new_version_change_nothing(published):
    store, tables = published
    toy.put(store, *tables, group=17)
    before = {t: v for t, v in toy.versions(store).items() if t in (toy.SINK, toy.MEMO)}
    report = toy.run(store, toy.spec())
    assert report.outcome == "nothing to do" and report.rows.computed == 0
    assert {t: toy.versions(store)[t] for t in before} == before
    oracle.check(store, toy.spec(), oracle.expect(*tables))
    assert toy.orphans(store, toy.SINK) == set()


def test_a_change_that_is_made_up_to_have_the_same_digest_is_published(published, monkeypatch):
    store, tables = published
    live, other = store.snapshot(toy.SINK), [[dict(row) for row in rows] for rows in tables]
    there = Counter(row["review_id"] for row in flat(other))
    shown = {key for key in live.read(["review_id"])["review_id"].to_pylist() if there[key] == 1}
    row = next(row for row in other[0] if row["review_id"] in shown)
    row["product_id"] = "made up"
    toy.put(store, *other, group=17)
    monkeypatch.setattr(Candidate, "digest", lambda self, name="digest": live.metadata[name])
    report = toy.run(store, toy.spec())
    assert report.outcome == "published" and report.rows.computed == 0
    assert "made up" in store.snapshot(toy.SINK).read(["product_id"])["product_id"].to_pylist()


def test_only_changed_texts_reach_the_engine(published):
    store, tables = published
    old = oracle.expect(*tables)
    rows = [r for r in flat(tables) if (r["review_id"]) in old.published and r["text"]]
    rows[3]["text"] = rows[90]["text"] = "one new text for two reviews"
    rows[3]["title"] = rows[90]["title"] = None
    rows[40]["text"], rows[40]["title"] = rows[41]["text"], rows[41]["title"]  # a text that is there already
    rows[60]["product_id"], rows[61]["language"] = "p99", "fr"  # carried over, never scored
    rows[70]["title"] = "A new headline"
    toy.put(store, *tables, group=17)
    report = toy.run(store, toy.spec())
    want = oracle.expect(*tables)
    new = {oracle.content_hash(*c) for c in want.contents - old.contents}
    assert len(new) == 2 and asked(store, report) == Counter(new)
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=2)


def test_removed_rows_disappear_and_cost_nothing(published):
    store, tables = published
    gone = {row["review_id"] for row in flat(tables)[70:170]}
    tables = [[row for row in table if row["review_id"] not in gone] for table in tables]
    toy.put(store, *tables)
    report = toy.run(store, toy.spec())
    want = oracle.expect(*tables)
    assert len(gone) > 80 and report.outcome == "published" and report.engine is None
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=0)


def test_every_row_may_go(published):
    store, _ = published
    toy.put(store, [])
    report = toy.run(store, toy.spec(), gates={"rows": "any"})
    oracle.check(store, toy.spec(), oracle.expect())
    assert report.outcome == "published" and report.rows.published == 0


def changed(tables):
    """A later source: texts edited and emptied, rows gone, rows new."""
    rows = [r for r in flat(tables) if r["text"] and r["text"].strip()]
    for number, row in enumerate(rows[:60:2]):
        row["text"] = f"edited {number % 20}"
    rows[1]["text"] = ""
    later = [table[:-5] for table in tables]
    return [*later, [{"review_id": f"new{i}", "text": f"newly written {i % 15}"} for i in range(20)]]


def test_a_limit_computes_no_more_and_loses_no_live_row(published):
    store, tables = published
    spec, before = toy.spec(), oracle.expect(*tables)
    tables = changed(tables)
    toy.put(store, *tables, group=17)
    want = oracle.expect(*tables)
    left = len(want.contents - before.contents)
    for limit in (7, 12):
        report = toy.run(store, spec, limit=limit)
        assert report.rows.computed == limit == sum(asked(store, report).values()) < left
        left -= limit
        known = set(oracle.memo_hashes(store, spec))
        ready = {k: r for k, r in want.published.items() if r["content_hash"] in known}
        kept = {k: before.published[k] for k in want.published if k not in ready and k in before.published}
        assert ready and kept and len(ready) + len(kept) < len(want.published)
        oracle.same_rows(pl.read_delta(store.uri(toy.SINK)).to_dicts(), ready | kept, spec.recipe)
        rows = report.rows
        assert (rows.published, rows.kept) == (len(ready) + len(kept), len(kept))
        assert rows.pending == len(want.published) - rows.published and rows.balanced
        assert store.snapshot(toy.SINK).metadata["complete"] is False
    report = toy.run(store, spec, limit=left)  # exactly what is left is complete
    oracle.check(store, spec, want)
    oracle.check_report(report, want, computed=left)
    assert store.snapshot(toy.SINK).metadata["complete"] is True
    assert toy.run(store, spec).outcome == "nothing to do"


def test_a_limit_of_nothing_publishes_what_is_known(published):
    store, tables = published
    tables[0].append({"review_id": "new", "text": "nobody scored this"})
    tables[0].append({"review_id": "twin", "title": tables[1][0]["title"], "text": tables[1][0]["text"]})
    toy.put(store, *tables)
    report = toy.run(store, toy.spec(), limit=0)
    keys = set(pl.read_delta(store.uri(toy.SINK))["review_id"])
    assert "new" not in keys and "twin" in keys and report.rows.pending == 1 and report.engine is None


def test_a_new_model_replaces_the_table_whole_and_only_when_accepted(published):
    store, tables = published
    old, new, want = toy.spec(), toy.spec("m2"), oracle.expect(*tables)
    before = {t: v for t, v in toy.versions(store).items() if t in (toy.SINK, toy.REJECTS)}

    report = toy.run(store, new, limit=20, gates={"accept_recipe": "any", "reject_share": 1.0})
    assert report.outcome == "incomplete" and report.rows.computed == 20
    for accepted in (None, old.recipe):
        with pytest.raises(GateRefused, match=new.recipe):
            toy.run(store, new, gates={"accept_recipe": accepted, "reject_share": 1.0})
        assert {t: toy.versions(store)[t] for t in before} == before
        assert toy.orphans(store, toy.SINK) == toy.orphans(store, toy.REJECTS) == set()
    oracle.check(store, old, want)
    assert len(oracle.memo_hashes(store, new)) == len(want.contents)

    report = toy.run(store, new, gates={"accept_recipe": new.recipe, "reject_share": 1.0})
    assert report.outcome == "published"
    oracle.check(store, new, want)
    oracle.check_report(report, want, computed=0)

    report = toy.run(store, old, gates={"accept_recipe": "any", "reject_share": 1.0})  # and back, from the memo
    assert (report.outcome, report.rows.computed) == ("published", 0)
    oracle.check(store, old, want)


def test_new_rows_go_on_under_the_old_model_while_the_new_one_is_not_whole(published):
    store, tables = published
    toy.run(store, toy.spec("m2"), limit=20)
    tables[0].append({"review_id": "new", "text": "scored by the live model"})
    toy.put(store, *tables)
    report = toy.run(store, toy.spec())
    assert report.rows.computed == 1
    oracle.check(store, toy.spec(), oracle.expect(*tables))


def test_what_cannot_change_a_result_is_not_in_the_recipe(published):
    store, tables = published
    before = toy.versions(store)
    stage = toy.spec().stage
    for job, config in (
        (toy.spec(), {"gates": {"drift": 0.3, "reject_share": 0.9}}),
        (replace(toy.spec(), stage=replace(stage, checks=stage.checks + 1)), {}),
        (toy.spec(fail_on="no such text", slow_ms=1.0), {"workers": 1, "flush_rows": 8, "timeout_seconds": 9.0}),
    ):
        report = toy.run(store, job, **config)
        assert report.outcome == "nothing to do" and report.engine is None
        assert toy.versions(store) == before
    oracle.check(store, toy.spec(), oracle.expect(*tables))


@dataclass(frozen=True)
class Doubtful(SentimentStage):
    """A stage whose checks have become stricter: what is clearly negative is no longer published."""

    checks: int = SentimentStage.checks + 1

    def judge(self, raw):
        return pc.if_else(pc.greater(raw["p_negative"], 0.5), "too_negative", pa.scalar(None, pa.string()))


def test_a_stricter_check_asks_no_engine(published):
    store, tables = published
    old, want = toy.spec(), oracle.expect(*tables)
    strict = replace(old, stage=Doubtful(old.stage.engine, "", "", old.stage.models))
    lost = {k: r for k, r in want.published.items() if r["p"][0] > 0.5}
    version = toy.versions(store)[toy.MEMO]
    moved = {"reject_share": 1.0, "drift": 1.0}
    report = toy.run(store, strict, gates=moved)
    assert lost and report.rejects["too_negative"] == len(lost) and report.engine is None
    assert toy.versions(store)[toy.MEMO] == version
    rest = {k: r for k, r in want.published.items() if k not in lost}
    oracle.same_rows(pl.read_delta(store.uri(toy.SINK)).to_dicts(), rest, old.recipe)
    rejects = pl.read_delta(store.uri(toy.REJECTS)).filter(pl.col("reason") == "too_negative")
    assert set(rejects["review_id"]) == set(lost) and set(rejects["kind"]) == {"row"}
    report = toy.run(store, old, gates=moved)
    assert report.engine is None
    oracle.check(store, old, want)


def test_a_smaller_greatest_length_takes_effect_though_no_version_says_so(published):
    store, tables = published
    spec, sizes = toy.spec(), [len((row["text"] or "").encode()) for row in flat(tables)]
    shorter = replace(spec, stage=replace(spec.stage, max_bytes=max(sizes) - 1))
    report = toy.run(store, shorter)
    assert report.rejects["too_long"] > 0 and report.outcome == "published" and report.rows.computed == 0
    assert toy.run(store, shorter).outcome == "nothing to do"
    assert toy.run(store, spec).outcome == "published"
    oracle.check(store, spec, oracle.expect(*tables))


@dataclass(frozen=True)
class Trusting(SentimentStage):
    """The stage as it was before it looked for words: all but white space is scored."""

    checks: int = SentimentStage.checks - 1

    def check(self, content):
        text = pc.utf8_trim_whitespace(pc.fill_null(content["text"], "")).combine_chunks()
        return pc.if_else(pc.equal(text, ""), "empty", pa.scalar(None, pa.string()))


def test_texts_without_a_word_leave_the_table_without_an_engine(store):
    texts = {"word": "ok", "emoji": "👍", "face": ":(", "zero": "\u200b\ufeff", "html": "<p>&nbsp;</p>", "none": "N/A"}
    toy.put(store, toy.reviews([{"review_id": k, "text": t} for k, t in texts.items()]))
    spec, loose = toy.spec(), {"gates": {"reject_share": 1.0, "drift": 1.0}}
    old = replace(spec, stage=Trusting(spec.stage.engine, "", "", spec.stage.models))
    assert toy.run(store, old, **loose).rows.published == len(texts)
    version = toy.versions(store)[toy.MEMO]
    report = toy.run(store, spec, **loose)
    assert report.engine is None and toy.versions(store)[toy.MEMO] == version
    assert set(pl.read_delta(store.uri(toy.SINK))["review_id"]) == {"word", "emoji", "face"}
    rejects = pl.read_delta(store.uri(toy.REJECTS)).select("review_id", "reason").sort("review_id")
    assert rejects.rows() == [("html", "empty"), ("none", "empty"), ("zero", "empty")]


def test_the_budget_stops_before_any_work(published):
    store, tables = published
    tables[0] += [{"review_id": f"new{i}", "text": f"fresh {i}"} for i in range(5)]
    toy.put(store, *tables)
    before = toy.versions(store)
    with pytest.raises(Stopped, match=r"5 contents .* budget\.max_rows=4"):
        toy.run(store, toy.spec(), budget={"max_rows": 4})
    assert toy.versions(store) == before and toy.orphans(store, toy.MEMO) == set()
    report = toy.run(store, toy.spec(), budget={"max_rows": 4}, limit=4)  # part of it may be bought
    assert report.rows.computed == 4 and report.rows.pending == 1
    assert toy.run(store, toy.spec(), budget={"max_rows": 1}).rows.computed == 1
    oracle.check(store, toy.spec(), oracle.expect(*tables))


def test_wrong_tables_are_the_users_mistake(published):
    store, _ = published
    foreign = pa.table({"review_id": ["a"], "text": ["b"], "headline": ["c"]})
    write_deltalake(store.uri("reviews"), foreign, mode="overwrite", schema_mode="overwrite")
    with pytest.raises(UserError, match="no column 'title'"):
        toy.run(store, toy.spec())


def test_a_foreign_table_in_the_sinks_place_is_left_alone(published):
    store, _ = published
    write_deltalake(store.uri(toy.SINK), pa.table({"a": [1]}), mode="overwrite", schema_mode="overwrite")
    before = toy.versions(store)
    with pytest.raises(UserError, match="move the old table away"):
        toy.run(store, toy.spec())
    assert toy.versions(store) == before


@dataclass(frozen=True)
class Wrong(SentimentStage):
    """A stage whose engine cannot be opened as it is configured; only a worker finds that out."""

    def open(self):
        raise UserError("engine.max_tokens=1024 is more than the model reads")


def test_what_a_worker_finds_wrong_with_its_engine_is_the_users_mistake(store):
    toy.put(store, *toy.shop(20))
    spec = toy.spec(light=False)
    wrong = replace(spec, stage=Wrong(spec.stage.engine, "", "", {"head": "m1"}))
    with pytest.raises(Exception, match="max_tokens=1024") as told:
        toy.run(store, wrong)
    assert str(find_user_error(told.value)).startswith("engine.max_tokens=1024")


def test_no_source_is_the_users_mistake(store):
    report = Report(job="score_reviews")
    with pytest.raises(UserError, match="no table 'reviews'"):
        toy.attempt(store, toy.spec(), report, run_inference)
    assert store.names() == []
