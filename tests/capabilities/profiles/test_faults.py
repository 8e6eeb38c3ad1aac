"""Killed drivers, lost executors and concurrent runs: one correct table, no row twice, no half-published day."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from shopbatch.capabilities.profiles import publish, tile_files, tiles
from shopbatch.capabilities.profiles import run as profiles_run
from shopbatch.capabilities.profiles.config import ProfileConfig
from shopbatch.capabilities.profiles.tile_files import TileFiles
from shopbatch.core.config import Platform
from shopbatch.core.errors import Stopped
from shopbatch.runs import job, processes
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.conftest import AS_OF, FIRST_DAY
from tests.capabilities.profiles.shop import content, expected_profiles, line, open_shop, profiles, put, run, tile

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


def shop(store: Store) -> None:
    open_shop(store, [line(f"b{i}", f"p{i % 3}", f"u{i % 7}", f"2024-03-{i % 9 + 1:02}") for i in range(40)])


class Killed(BaseException):
    """Nothing catches it: what is in the warehouse then is what a kill leaves there."""


def test_a_driver_killed_anywhere_is_repaired_by_the_next_run(spark: SparkSession, store: Store) -> None:
    shop(store)
    for where in ("tiles_written", "tiles_commit_user_product_daily"):  # nothing is cleaned up there if a run ends

        def crash(name: str, where: str = where) -> None:
            if name == where:
                raise Killed

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setattr(tile_files, "crash_point", crash)
            tile(spark, store)
    # the first one left no table, the second one a table without the main one, which is committed last
    assert store.find("user_daily") is None and store.snapshot("user_product_daily").rows > 0
    killed = subprocess.run(
        [sys.executable, "-m", "shopbatch", "run", "build_user_profiles", f"as_of={AS_OF}"],
        env={**os.environ, "SHOPBATCH_WAREHOUSE": store.root, "SHOPBATCH_CRASH_AT": "profiles_written"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == 4 and b"killed by SIGKILL" in killed.stderr, killed.stderr.decode()[-2000:]
    assert publish.published_days(store.find("user_profiles")) == []
    assert list(Path(store.uri("user_profiles")).rglob("*.parquet"))  # or nothing was tested
    report = run(spark, store, as_of=AS_OF)
    assert report.outcome == "published"
    assert differences(profiles(store, AS_OF), expected_profiles(store, AS_OF)) == {}
    assert profiles(store, AS_OF).num_rows == 7


def test_a_killed_jvm_is_exit_4_with_one_line_and_the_next_run_is_right(
    spark: SparkSession, store: Store, tmp_path: Path
) -> None:
    shop(store)
    once = tmp_path / "once"
    stops = {"SHOPBATCH_CRASH_AT": "tiles_written", "SHOPBATCH_CRASH_SIGNAL": "SIGSTOP"}
    process = subprocess.Popen(
        [sys.executable, "-m", "shopbatch", "run", "build_user_profiles", f"as_of={AS_OF}"],
        env={**os.environ, "SHOPBATCH_WAREHOUSE": store.root, "SHOPBATCH_CRASH_ONCE": str(once), **stops},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 180
    while not (once.exists() and (text := once.read_text("utf-8")) and processes.is_stopped(int(text))):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    os.kill(processes.named("jvm", process.pid)[0], signal.SIGKILL)
    os.kill(int(text), signal.SIGCONT)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 4, err[-2000:]
    said = [line for line in err.splitlines() if not line.startswith("{")]
    assert len(said) == 1 and "Spark's Java process has died" in said[0], said
    assert json.loads(out.splitlines()[-1])["outcome"] == "stopped"
    assert run(spark, store, as_of=AS_OF).outcome == "published"
    assert differences(profiles(store, AS_OF), expected_profiles(store, AS_OF)) == {}


def test_of_two_runs_at_once_for_a_day_one_publishes(
    spark: SparkSession, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(store)
    real, others = publish.write, []

    def write(*arguments: Any) -> Any:
        written = real(*arguments)
        if not others:  # after this run has written its files, another one starts and ends
            others.append(None)
            others[0] = run(spark, store, as_of=AS_OF).outcome
        return written

    monkeypatch.setattr(publish, "write", write)
    assert run(spark, store, as_of=AS_OF).outcome == "nothing to do"
    assert others == ["published"]
    assert profiles(store, AS_OF).num_rows == 7
    assert differences(profiles(store, AS_OF), expected_profiles(store, AS_OF)) == {}


def test_of_two_runs_that_restate_a_day_the_one_with_older_sources_stops(
    spark: SparkSession, first_day: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, day = first_day, FIRST_DAY
    put(store, USERS, [{"user_id": "u1", "age": "35-44"}], mode="replace")
    real, others = profiles_run.read_sources, []

    def read_sources(store: Store) -> Any:
        sources = real(store)
        if not others:  # while this run has only read which sources there are, one with newer sources starts and ends
            others.append(None)
            put(store, USERS, [{"user_id": "u1", "age": "45-54"}], mode="replace")
            others[0] = run(spark, store, as_of=day, restate=day).outcome
        return sources

    monkeypatch.setattr(profiles_run, "read_sources", read_sources)
    with pytest.raises(Stopped, match="as_of 2024-03-19: another run published the day in the meantime"):
        run(spark, store, as_of=day, restate=day)
    assert others == ["published"]
    assert differences(profiles(store, day), expected_profiles(store, day)) == {}
    assert run(spark, store, as_of=day, restate=day).outcome == "nothing to do"


@pytest.mark.parametrize("fresh", [True, False], ids=["first tiles", "an update"])
def test_two_runs_at_once_leave_the_tiles_of_one(
    spark: SparkSession, store: Store, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    shop(store)
    monkeypatch.setattr(tiles, "MAX_CHANGED", 100)
    if not fresh:
        tile(spark, store)
        put(store, TRANSACTIONS, [line("late", day="2024-03-02"), line("new", day="2024-03-15")])
    real, others = TileFiles.commit, []

    def commit(self: TileFiles, *arguments: Any) -> Any:
        if not others:
            others.append(None)
            others[0] = tile(spark, store).how
        return real(self, *arguments)

    monkeypatch.setattr(TileFiles, "commit", commit)
    assert tile(spark, store).how == "unchanged"
    rows = content(store, "user_daily")
    assert sum(r[5] for r in rows) == 100 * (40 if fresh else 42)  # sales_cents
    assert len({r[:2] for r in rows}) == len(rows)


def test_tiles_of_two_versions_are_never_taken_together(
    spark: SparkSession, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(store)
    monkeypatch.setattr(tiles, "MAX_CHANGED", 100)
    tile(spark, store)
    real, others = Store.snapshot, []

    def snapshot(self: Store, name: str, version: int | None = None) -> Any:
        if name == "user_product_daily" and not others:  # user_daily has been read; another run commits to both
            others.append(None)
            put(store, TRANSACTIONS, [line("new", day="2024-03-15")])
            others[0] = tile(spark, store).how
        return real(self, name, version)

    monkeypatch.setattr(Store, "snapshot", snapshot)
    taken = tile(spark, store).snapshots
    assert others == ["updated"]
    cents = [sum(taken[name].read(["sales_cents"])["sales_cents"].to_pylist()) for name in list(taken)[:2]]
    assert cents == [4100, 4100]


def test_a_signal_that_comes_back_as_another_error_is_still_a_stop(
    spark: SparkSession, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the bridge to the JVM does with what a handler raises while it waits for an answer."""

    def stopped(*_: Any) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception as error:
            raise RuntimeError("while sending or receiving") from error

    shop(store)
    settings = ProfileConfig(platform=Platform(warehouse=store.root))
    handlers = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert (
            job.run_to_exit_code(job.Job("build_user_profiles", ProfileConfig, stopped, "spark"), settings, job.Call())
            == job.STOPPED
        )
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
            signal.signal(number, handler)
    assert "stopped: SIGTERM; the same command goes on from here" in capsys.readouterr().err


_LOSES_AN_EXECUTOR = """
import os, signal, sys
from pyspark import TaskContext
from pyspark.sql import functions as F
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
from shopbatch.tables.user_daily import USER_EVENT_DAILY
from shopbatch.warehouse import spark_bridge
from shopbatch.warehouse.store import Store

def lose(batches):
    for batch in batches:
        yield batch
    context = TaskContext.get()
    if context.partitionId() == 1 and context.attemptNumber() == 0:
        daemon = os.getppid()
        executor = int(open(f"/proc/{daemon}/stat").read().rpartition(")")[2].split()[1])
        os.kill(executor, signal.SIGKILL)

store = Store(sys.argv[1])
with spark_session(Platform(spark=Spark(master="local-cluster[2,1,1024]"))) as spark:
    frame = spark.range(0, 1000, 1, 4).select(
        F.concat(F.lit("u"), "id").alias("user_id"), F.lit("2024-03-01").cast("date").alias("day"),
        *(F.col("id").alias(n) for n in ("views", "carts", "searches", "invitations")))
    written = spark_bridge.write(frame.mapInArrow(lose, frame.schema), store, USER_EVENT_DAILY, "run1")
    store.commit(USER_EVENT_DAILY, written, "append", "run1")
"""


def test_a_lost_executor_loses_and_doubles_no_row(store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOSES_AN_EXECUTOR, store.root], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Lost executor" in done.stderr  # or nothing was tested
    assert sorted(r[2] for r in content(store, "user_event_daily")) == list(range(1000))
