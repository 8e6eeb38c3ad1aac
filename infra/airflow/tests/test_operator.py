"""Test the operator with a real scheduler: tasks that are killed, marked as failed, cleared and backfilled."""

from __future__ import annotations

import json
import os
import signal

import psutil
import pytest
from shop import LiveShop, wait_for

pytestmark = pytest.mark.timeout(900)


def test_a_killed_task_attaches_to_its_run_and_a_cleared_one_runs_again(live: LiveShop) -> None:
    """Kill the command of a task twice: retries attach to the same run, only clearing the task submits a new one."""
    live.forget()
    task = live.trigger("2017-07-03", slow_ms=400)
    key, process = live.following()
    assert key.startswith("score_reviews-20170703T000000-")
    os.killpg(os.getpgid(process.pid), signal.SIGKILL)
    live.until(task, "success", tries=2)
    assert f"submitted: {key}, attempt 1" in live.log(task, 1)
    assert f"attached to: {key}, attempt 1" in live.log(task, 2)
    assert (live.result(task)["run_key"], live.result(task)["attempt"]) == (key, 1)
    assert live.runs("score_reviews") == 1
    assert len(live.rows("review_sentiment")) == 5

    done = live.airflow("tasks", "clear", "live", "-y", "-s", "2017-07-03", "-e", "2017-07-03")
    assert done.returncode == 0, done.stderr[-2000:]
    cleared, process = live.following()
    assert cleared == key.replace("T000000-", "T000000-c2-")  # it had two tries
    os.killpg(os.getpgid(process.pid), signal.SIGKILL)
    live.until(task, "success", tries=4)  # a retry of the cleared task is not another request to run
    assert (live.result(task)["run_key"], live.result(task)["attempt"]) == (cleared, 1)
    assert live.runs("score_reviews") == 2


def test_a_task_that_is_marked_failed_has_its_run_cancelled_in_good_order(live: LiveShop) -> None:
    """Mark a running task as failed: its run stops with exit code 4 and a report, and its command ends."""
    live.forget()
    before = live.runs("score_reviews")
    task = live.trigger("2017-07-04", slow_ms=4000)
    key, process = live.following()
    wait_for(lambda: live.runs("score_reviews") > before, 120, "a run that has begun")
    live.ask(task, "PATCH", new_state="failed")
    record = live.warehouse / "_runs" / "_keys" / key / "0001.json"
    wait_for(record.is_file, 180, "the report of the run")
    report = json.loads(record.read_text("utf-8"))
    assert (report["outcome"], report["exit_code"]) == ("stopped", 4)
    assert report["rows"]["computed"] < report["rows"]["read"]
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert live.ask(task)["state"] == "failed"
    assert "cancelled" not in live.log(task, 1)  # Airflow had killed the task before the cancel command ended


def test_a_backfill_has_a_run_key_for_every_logical_date(live: LiveShop) -> None:
    """Backfill two days: each has its own run key, at attempt 1."""
    days = ("--from-date", "2017-08-05", "--to-date", "2017-08-06")
    done = live.airflow("backfill", "create", "--dag-id", "live", *days)
    assert done.returncode == 0, done.stderr[-2000:]

    def ended() -> list[str] | None:
        runs = live.ask("dags/live/dagRuns?run_type=backfill")["dag_runs"]
        return [r["dag_run_id"] for r in runs] if [r["state"] for r in runs] == ["success"] * 2 else None

    results = [live.result(live.task(run)) for run in wait_for(ended, 240, "the backfill")]
    assert sorted(r["run_key"][:30] for r in results) == [f"score_reviews-2017080{d}T000000-" for d in (5, 6)]
    assert [r["attempt"] for r in results] == [1, 1]
