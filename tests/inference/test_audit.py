"""Gates: what they refuse stays invisible, costs no result, and goes when what they ask for is met."""

from collections import Counter
from dataclasses import dataclass, replace

import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.stage import SentimentStage
from shopbatch.core.errors import GateRefused
from shopbatch.inference import audit
from shopbatch.inference.candidate import Candidate, Written
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.run import run_inference
from shopbatch.runs.report import Report
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.warehouse.store import Store
from tests.inference import oracle, toy

pytestmark = pytest.mark.usefixtures("ray_local", "cut_small")


def refused(store, job, **config):
    """The report of a run that a gate refuses, and the error's message."""
    report = Report(job=job.job)
    with pytest.raises(GateRefused) as error:
        toy.attempt(store, job, report, run_inference, **config)
    return report, str(error.value)


def failed(report):
    return {g.name for g in report.gates if not g.passed}


def test_too_many_rejects_publish_nothing_and_lose_no_result(published):
    store, tables = published
    before = toy.versions(store)
    tables[0] += [{"review_id": f"long{i}", "text": "x" * 100_001} for i in range(6)]
    tables[0] += [{"review_id": f"none{i}"} for i in range(200)]  # nothing to score: outside the budget
    tables[0] += [{"review_id": "new", "text": "a new one"}]
    before["reviews"] = toy.put(store, *tables)
    want = oracle.expect(*tables)
    counted = sum(n for reason, n in want.reasons.items() if reason not in ("empty", "duplicate_key"))
    share = counted / want.read
    report, message = refused(store, toy.spec(), gates={"reject_share": share - 1e-4, "min_rejects": 6})
    assert failed(report) == {"rejects"} and "too_long 6;" in message and "empty" not in message
    assert f"6 of {want.read} rows" in message and "duplicate_key" not in message
    assert next(g.value for g in report.gates if g.name == "rejects") == pytest.approx(share, abs=1e-6)
    assert {t: v for t, v in toy.versions(store).items() if t != toy.MEMO} == {
        t: v for t, v in before.items() if t != toy.MEMO
    }
    assert toy.orphans(store, toy.SINK) == toy.orphans(store, toy.REJECTS) == set()
    report = toy.run(store, toy.spec(), gates={"reject_share": share + 1e-4, "min_rejects": 6})
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=0)  # what the refused run computed is there


def test_a_refused_first_run_leaves_no_table(store):
    toy.put(store, [{"review_id": "a", "text": "fine"}, {"review_id": "b", "text": "x" * 100_001}])
    report, message = refused(store, toy.spec(), gates={"min_rejects": 1})
    assert failed(report) == {"rejects"} and "too_long 1" in message
    assert store.names() == ["reviews", toy.MEMO]
    assert toy.written(store, toy.SINK) == toy.written(store, toy.REJECTS) == set()


@dataclass(frozen=True)
class Joined(SentimentStage):
    """A stage whose results are made of another table as well, so that a new version of that one publishes anew."""

    checks: str = "0"


def joined(rows):
    spec = toy.spec()
    stage = Joined(spec.stage.engine, "", "", spec.stage.models, checks=str(rows))
    return replace(spec, stage=stage, beside={"orders": rows})


def test_a_table_beside_the_source_is_neither_emptied_nor_cut_in_silence(store):
    toy.put(store, [{"review_id": f"r{n}", "text": f"fine {n}"} for n in range(30)])
    assert toy.run(store, joined(100)).outcome == "published"
    version = toy.versions(store)[toy.SINK]
    for rows in (0, 49):
        report, message = refused(store, joined(rows))
        assert failed(report) == {"rows of orders"} and "gates.rows=any" in message
        assert toy.versions(store)[toy.SINK] == version
    toy.run(store, joined(50))
    toy.run(store, joined(0), gates={"rows": "any"})


def test_the_rejects_are_visible_before_the_table(store, monkeypatch):
    """So that a reader of the table always finds its rejects, wherever a run is killed."""
    toy.put(store, [{"review_id": "a", "text": "fine"}, {"review_id": "b"}])
    order, commit = [], Store.commit

    def noted(self, table, *rest, **more):
        order.append((self.root, table.name))
        return commit(self, table, *rest, **more)

    monkeypatch.setattr(Store, "commit", noted)
    toy.run(store, toy.spec())
    tables = [name for root, name in order if root == store.root]  # a claim is kept elsewhere
    assert [name for name in tables if name != toy.MEMO] == [toy.REJECTS, toy.SINK]


def test_a_share_of_few_rejects_is_not_judged_unless_nothing_else_is_left(store):
    """19 of 25 rows pass with the default least number of 20, and 20 do not; nor does a row that is the only one."""
    long = [{"review_id": f"long{i}", "text": "x" * 100_001} for i in range(20)]
    toy.put(store, long[:19], [{"review_id": f"r{i}", "text": "fine"} for i in range(6)])
    report = toy.run(store, toy.spec(), gates={})
    assert (report.rows.published, report.rows.rejected) == (6, 19)
    toy.put(store, long, [{"review_id": f"r{i}", "text": "fine"} for i in range(5)])
    _, message = refused(store, toy.spec(), gates={})
    assert "20 of 25 rows (80.0%)" in message and "set gates.reject_share=0.8" in message
    assert f"shopbatch show {toy.REJECTS} --candidate " in message
    toy.put(store, long[:1], [{"review_id": "nothing", "text": " "}])
    _, message = refused(store, toy.spec(), gates={})
    assert "1 of 2 rows" in message


@dataclass(frozen=True)
class Lenient(SentimentStage):
    """A stage that loses nothing by texts that are too long."""

    harmless: tuple[str, ...] = ("too_long",)


def test_what_loses_nothing_by_a_stages_own_word_is_not_counted(store):
    long = [{"review_id": f"long{i}", "text": "x" * 100_001} for i in range(20)]
    toy.put(store, long, [{"review_id": f"r{i}", "text": "fine"} for i in range(5)])
    spec = toy.spec()
    lenient = replace(spec, stage=Lenient(spec.stage.engine, "", "", spec.stage.models))
    refused(store, spec, gates={})
    report = toy.run(store, lenient, gates={})
    assert (report.rows.published, report.rows.rejected) == (5, 20)


def mix(rows):
    return Counter((r["language"], r["label"]) for r in rows.values())


def test_a_label_mix_that_drifts_is_refused_until_it_is_meant(published, monkeypatch):
    monkeypatch.setattr(audit, "SURE_ROWS", 100)
    store, tables = published
    old = mix(oracle.expect(*tables).published)
    for table in tables:
        for number, row in enumerate(table):
            row["language"] = "de" if number % 3 == 0 else row["language"]
    toy.put(store, *tables)
    want = oracle.expect(*tables)
    new = mix(want.published)
    rows, before = len(want.published), sum(old.values())
    distance = sum(abs(new[cell] / rows - old[cell] / before) for cell in new | old) / 2
    version = toy.versions(store)[toy.SINK]
    report, _ = refused(store, toy.spec(), gates={"reject_share": 1.0, "drift": distance - 0.001})
    assert failed(report) == {"drift"} and toy.versions(store)[toy.SINK] == version
    assert next(g.value for g in report.gates if g.name == "drift") == pytest.approx(distance, abs=1e-6)
    toy.run(store, toy.spec(), gates={"reject_share": 1.0, "drift": distance + 0.001})
    oracle.check(store, toy.spec(), want)


def test_no_drift_is_measured_without_a_baseline(published, monkeypatch):
    store, tables = published
    for row in tables[0]:
        row["language"] = "de"
    toy.put(store, *tables)
    monkeypatch.setattr(audit, "ENOUGH_ROWS", 10_000)  # a mix of few rows is noise
    report = toy.run(store, toy.spec(), gates={"reject_share": 1.0, "drift": 0.0})
    assert report.outcome == "published"
    monkeypatch.setattr(audit, "ENOUGH_ROWS", 1)
    gates = {"reject_share": 1.0, "drift": 0.0, "accept_recipe": "any"}
    assert toy.run(store, toy.spec("m2"), gates=gates).outcome == "published"  # accepting a model accepts its labels


@dataclass(frozen=True)
class Strict(SentimentStage):
    """A stage with a gate of its own that nothing can pass."""

    def limits(self):
        return {"probability outside [0, 1]": -1.0}


def test_a_stages_own_gate_is_asked(published):
    store, tables = published
    tables[0].append({"review_id": "new", "text": "a new one"})
    toy.put(store, *tables)
    version, old = toy.versions(store)[toy.SINK], toy.spec().stage
    report, _ = refused(store, replace(toy.spec(), stage=Strict(old.engine, "", "", old.models)))
    assert failed(report) == {"probability outside [0, 1]"} and toy.versions(store)[toy.SINK] == version


def test_all_refusals_are_named_at_once(published):
    store, tables = published
    tables[0].append({"review_id": "long", "text": "x" * 100_001})
    toy.put(store, *tables)
    report, message = refused(store, toy.spec("m2"), gates={"reject_share": 0.0, "min_rejects": 1})
    assert failed(report) == {"recipe", "rejects"}
    assert toy.spec("m2").recipe in message and toy.spec().recipe in message and "too_long 1" in message


def test_the_gates_watch_the_machinery_itself(published):
    """A candidate that only a defect can make: a key published twice, and rows that nobody accounts for."""
    store, _ = published
    live = store.snapshot(toy.SINK)
    rows = live.read()
    twice = pa.concat_tables([rows.slice(0, 5), rows.slice(3, 4)])
    candidate = Candidate([written(store, rows.slice(0, 3), 0), written(store, twice, 1), written(store, rows[7:8], 2)])
    gates = audit.audit(toy.spec(), InferenceConfig(limit=1), store.snapshot("reviews"), candidate, live)
    assert {g.name: g.value for g in gates if not g.passed} == {"duplicate keys": 5, "rows": 13, "shrinking": 13}


def written(store, rows, part):
    file = store.write_file(REVIEW_SENTIMENT, rows, "candidate", part)
    return Written([file], [], rows.num_rows, 0, 0, 0, {}, {}, {}, 0, 0)


def test_a_result_that_is_missing_is_refused_unless_there_is_a_limit(published):
    store, _ = published
    source = store.snapshot("reviews")
    candidate = Candidate([Written([], [], source.rows - 2, 0, 1, 1, {}, {}, {}, 0, 0)])
    for limit, passed in ((None, False), (5, True)):
        gates = audit.audit(toy.spec(), InferenceConfig(limit=limit), source, candidate, None)
        assert {g.name: g.passed for g in gates}["pending"] is passed
