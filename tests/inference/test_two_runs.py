"""Two runs at once, and runs on what is no longer the newest: one correct table, and nothing newer is taken back."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from ray.data import DataContext

from shopbatch.core.errors import Stopped
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.memo import Memo
from shopbatch.inference.publish import Publisher
from shopbatch.inference.run import InferenceRun
from shopbatch.inference.source import build_index
from shopbatch.runs import claims
from shopbatch.runs.report import Report
from tests.inference import oracle, toy

pytestmark = pytest.mark.usefixtures("ray_local", "cut_small")


def test_two_first_runs_at_once_make_one_correct_table(store):
    tables = toy.shop(200, seed=6)
    toy.put(store, *tables, group=17)
    want = oracle.expect(*tables)
    options = plain_options(DataContext.get_current())
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(toy.run, store, toy.spec(), flush_rows=8, commit_seconds=0.0) for _ in range(2)]
        reports = [r.result() for r in runs]
    assert plain_options(DataContext.get_current()) == options  # a run's options are not the process's
    outcomes = {r.outcome for r in reports}
    assert "published" in outcomes and outcomes <= {"published", "nothing to do"}
    oracle.check(store, toy.spec(), want)
    hashes = oracle.memo_hashes(store, toy.spec())
    assert sorted(hashes) == sorted(oracle.content_hash(*c) for c in want.contents)
    for report in reports:
        assert (report.rows.published, report.rows.read) == (len(want.published), want.read)
    for table in (toy.SINK, toy.REJECTS, toy.MEMO):
        assert toy.orphans(store, table) == set()
    before = toy.versions(store)
    assert toy.run(store, toy.spec()).outcome == "nothing to do"
    assert toy.versions(store) == before


RUN = """
import sys
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.inference import parts, shards
from tests.inference import toy
parts.PART_ROWS, shards.SHARD_ROWS = 60, 90
with ray_session(Platform(cpus=1, object_store_mb=128)):
    report = toy.run(toy.Store(sys.argv[1]), toy.spec(), workers=1)
    print(report.outcome, report.rows.computed, report.engine.calls if report.engine else 0, report.rows.published)
"""


def process(store, script=RUN, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | variables
    root = Path(__file__).parents[2]
    environment["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", script, store.root, toy.spec().recipe]
    return subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.PIPE, text=True)


def has_stopped(process):
    """Wait until a process has stopped itself at its crash point."""
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1]), "it ended"


@pytest.fixture
def waits(monkeypatch):
    """Set once a run of this process waits for another one."""
    waiting = threading.Event()
    monkeypatch.setattr(claims, "POLL", 0.05)
    monkeypatch.setattr(claims, "crash_point", lambda name: waiting.set() if name == "waiting" else None)
    return waiting


@pytest.mark.slow
def test_of_three_processes_at_once_one_computes(store, waits):
    """The first one stops itself, holding the claim, until the second one and this process wait for it."""
    tables = toy.shop(120, seed=6)
    toy.put(store, *tables, group=17)
    want = oracle.expect(*tables)
    stops = {"SHOPBATCH_CRASH_SIGNAL": "SIGSTOP"}
    first = process(store, SHOPBATCH_CRASH_AT="claimed", **stops)
    has_stopped(first)
    second = process(store, SHOPBATCH_CRASH_AT="waiting", **stops)
    has_stopped(second)
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(toy.run, store, toy.spec())
        assert waits.wait(60)
        for each in (first, second):
            os.kill(each.pid, signal.SIGCONT)
        report = third.result(120)
    outs = [each.communicate(timeout=120)[0].split()[-3:] for each in (first, second)]
    distinct, published = len(want.contents), str(len(want.published))
    assert outs[0][0] == str(distinct) and int(outs[0][1]) > 0 and outs[1] == ["0", "0", published]
    assert (report.rows.computed, report.rows.reused, report.engine) == (0, distinct, None)
    assert "waited for run" in report.message and "which was doing the same" in report.message
    assert sorted(oracle.memo_hashes(store, toy.spec())) == sorted(oracle.content_hash(*c) for c in want.contents)
    oracle.check(store, toy.spec(), want)


HOLDER = """
import sys
from shopbatch.runs.claims import claim
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
with claim(Store(sys.argv[1]), Report(job="score_reviews"), sys.argv[2], True, "computes this recipe"):
    pass
"""


def test_a_run_takes_over_from_one_that_was_killed_and_limited_runs_and_other_recipes_do_not_wait(store, waits):
    tables = toy.shop(60, seed=6)
    toy.put(store, *tables)
    holder = process(store, HOLDER, SHOPBATCH_CRASH_AT="claimed", SHOPBATCH_CRASH_SIGNAL="SIGSTOP")
    has_stopped(holder)
    assert toy.run(store, toy.spec(), limit=3).rows.computed == 3
    assert toy.run(store, toy.spec("m2"), gates={"reject_share": 1.0, "accept_recipe": "any"}).rows.computed
    with pytest.raises(Stopped, match=r"^run \S+ of host \S+ computes this recipe$"):
        toy.run(store, toy.spec(), wait=False)
    assert not waits.is_set()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(toy.run, store, toy.spec(), gates={"reject_share": 1.0, "accept_recipe": "any"})
        assert waits.wait(60)
        assert not run.done()
        holder.kill()
        holder.communicate()
        report = run.result(60)
    assert report.outcome == "published" and "waited for run" in report.message
    oracle.check(store, toy.spec(), oracle.expect(*tables))


def plain_options(context: DataContext) -> dict[str, Any]:
    """Ray Data's options that are plain values."""
    return {n: v for n, v in vars(context).items() if isinstance(v, str | int | float | None)}


@dataclass
class Late(InferenceRun):
    """A run that is held up, its results computed, until something else has happened."""

    meanwhile: Any = None

    def publish(self):
        self.meanwhile()
        super().publish()


def late(store, job, meanwhile, version=None, kind=Late, **config):
    """A run of the source's `version` that has begun now, and `meanwhile` happens before it publishes."""
    settings = InferenceConfig(**{"workers": 2, "gates": {"reject_share": 1.0}, **config})
    report = Report(job=job.job)
    source = store.require(job.source, job.columns, version)
    index = build_index(job, source)
    memo = Memo(store, job, report.run_id, index.shards)
    return kind(job, settings, store, report, source, store.find(toy.SINK), index, memo, meanwhile=meanwhile)


def test_an_older_source_never_replaces_a_newer_result(published):
    store, tables = published
    old = store.snapshot("reviews").version
    for row in tables[0][:9]:
        row["text"] = "the newer text"
    toy.put(store, *tables)
    toy.run(store, toy.spec())
    before = toy.versions(store)
    run = late(store, toy.spec(), lambda: None, version=old)
    run.live = None  # it began before anything was live
    run.run()
    assert run.report.outcome == "superseded" and "version" in run.report.message
    assert {t: v for t, v in toy.versions(store).items() if t != toy.MEMO} == {
        t: v for t, v in before.items() if t != toy.MEMO
    }
    oracle.check(store, toy.spec(), oracle.expect(*tables))
    assert toy.orphans(store, toy.SINK) == toy.orphans(store, toy.REJECTS) == set()


@dataclass
class HeldUp(Publisher):
    """Waits between the commit of the rejects and that of the table."""

    meanwhile: Any = None

    def replace(self, publication, table, *rest):
        if table.name == self.spec.sink.name:
            self.meanwhile()
        return super().replace(publication, table, *rest)


class Between(Late):
    """A run that is held up between its two commits."""

    def publish(self):
        InferenceRun.publish(self)

    def publisher(self):
        return HeldUp(**vars(super().publisher()), meanwhile=self.meanwhile)


def test_a_run_overtaken_between_its_commits_leaves_the_rejects_that_the_faster_one_relies_on(published):
    store, tables = published
    tables[0][3]["text"] = ""  # one more reject than is live
    toy.put(store, *tables)

    def faster():
        tables[0][9]["text"] = "the newer text"
        toy.put(store, *tables)
        assert toy.run(store, toy.spec(), gates={"reject_share": 1.0}).outcome == "published"

    run = late(store, toy.spec(), faster, kind=Between)
    run.run()
    assert run.report.outcome == "superseded"
    oracle.check(store, toy.spec(), oracle.expect(*tables))
    assert toy.orphans(store, toy.SINK) == toy.orphans(store, toy.REJECTS) == set()
    assert toy.run(store, toy.spec()).outcome == "nothing to do"


def test_a_source_that_was_made_anew_is_not_older(published):
    """Versions of two tables cannot be compared: one that was dropped and filled again starts from 0."""
    store, tables = published
    toy.put(store, *tables)
    toy.put(store, *tables)
    toy.run(store, toy.spec())
    shutil.rmtree(store.uri("reviews"))
    tables[0][5]["text"] = "of another table"
    assert toy.put(store, *tables) == 1
    assert toy.run(store, toy.spec()).outcome == "published"
    oracle.check(store, toy.spec(), oracle.expect(*tables))


def test_a_limited_run_does_not_undo_a_whole_one(store):
    tables = toy.shop(120, seed=6)
    toy.put(store, *tables)
    run = late(store, toy.spec(), lambda: toy.run(store, toy.spec()), limit=5)
    run.run()
    assert run.report.rows.computed == 5 and run.report.outcome == "superseded"
    oracle.check(store, toy.spec(), oracle.expect(*tables))
    assert toy.orphans(store, toy.SINK) == toy.orphans(store, toy.REJECTS) == set()
    assert toy.run(store, toy.spec()).outcome == "nothing to do"


def test_a_run_does_not_undo_a_model_that_was_accepted_meanwhile(published):
    store, tables = published
    tables[0].append({"review_id": "new", "text": "a new one"})
    toy.put(store, *tables)
    gates = {"reject_share": 1.0, "accept_recipe": "any"}
    run = late(store, toy.spec(), lambda: toy.run(store, toy.spec("m2"), gates=gates))
    run.run()
    assert run.report.outcome == "superseded" and toy.spec("m2").recipe in run.report.message
    oracle.check(store, toy.spec("m2"), oracle.expect(*tables))


def test_a_whole_run_may_follow_another_one(published):
    store, tables = published
    tables[0].append({"review_id": "new", "text": "a new one"})
    between = toy.put(store, *tables)
    tables[0].append({"review_id": "newer", "text": "a newer one"})
    toy.put(store, *tables)
    run = late(store, toy.spec(), late(store, toy.spec(), lambda: None, version=between).run)
    version = store.snapshot(toy.SINK).version
    run.run()
    assert run.report.outcome == "published" and store.snapshot(toy.SINK).version == version + 2
    oracle.check(store, toy.spec(), oracle.expect(*tables))


def test_rejects_that_a_killed_run_of_another_model_left_are_put_right(published):
    store, tables = published
    rejects = store.snapshot(toy.REJECTS)
    rows = rejects.read()
    foreign = rows.set_column(rows.schema.get_field_index("recipe"), "recipe", pa.array(["f" * 16] * len(rows)))
    spec = toy.spec()
    file = store.write_file(spec.rejects, foreign.cast(spec.rejects.file_schema()), "killed", 0)
    store.commit(
        spec.rejects, [file], "replace", "killed", {**rejects.metadata, "recipe": "f" * 16, "rejects_digest": "x"}
    )
    toy.run(store, spec)
    assert set(pl.read_delta(store.uri(toy.REJECTS))["recipe"]) == {spec.recipe}
    oracle.check(store, spec, oracle.expect(*tables))
    assert toy.run(store, spec).outcome == "nothing to do"
