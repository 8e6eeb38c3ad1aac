"""The whole job as a user runs it: what is missing said in a line, a page, nothing to do, a kill before the commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from shopbatch.warehouse.store import Store
from tests.capabilities.marketing.shop import day, profile, put_profiles
from tests.jobs.command_line import messages, run_job

ROWS = [profile(f"u{i:02d}", 3 + i % 9, 300, 5 + i, 40.0 + 9 * i) for i in range(60)]


def test_users_are_segmented_once(spark: SparkSession, store: Store) -> None:
    code, _, err = run_job(store, "segment_users")
    assert code == 2 and "build_user_profiles" in messages(err)[-1]
    put_profiles(store, day(0), ROWS)
    put_profiles(store, day(30), ROWS)
    code, report, _ = run_job(store, "segment_users", f"as_of={day(0)}..{day(30)}")
    assert code == 0 and report["outcome"] == "published" and report["highlights"]["users"] == "60"
    folder = Path(store.root) / "_runs" / "segment_users" / report["run_id"]
    assert (folder / "segments.html").is_file()
    assert "Users by segment" in (folder / "report.html").read_text("utf-8")
    code, report, _ = run_job(store, "segment_users")
    assert code == 0 and report["outcome"] == "nothing to do"
    code, _, err = run_job(store, "segment_users", "scheme=mine.yaml")
    assert code == 2 and "rfm" in messages(err)[-1]


def test_a_real_kill_before_the_commit_and_the_same_command(store: Store) -> None:
    put_profiles(store, day(0), ROWS)
    command = [sys.executable, "-m", "shopbatch", "run", "segment_users"]
    where = {**os.environ, "SHOPBATCH_WAREHOUSE": store.root}

    def run(**more: str) -> int:
        return subprocess.run(command, env={**where, **more}, capture_output=True, timeout=240, check=False).returncode

    assert run(SHOPBATCH_CRASH_AT="user_segments_written") != 0
    assert not store.exists("user_segments") or not store.snapshot("user_segments").rows
    assert run() == 0 and store.snapshot("user_segments").rows == 60
