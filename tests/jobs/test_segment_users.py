"""The whole job as a user runs it: what is missing said in a line, a page, nothing to do.

test_score_users kills a run before the commit that both jobs share.
"""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from shopbatch.warehouse.store import Store
from tests.capabilities.marketing.users import day, profile, put_profiles
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
