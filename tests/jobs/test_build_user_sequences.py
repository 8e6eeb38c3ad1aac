"""The whole job as a user runs it: tiles, sequences, nothing to do, and what is missing said in one line."""

from __future__ import annotations

from pyspark.sql import SparkSession

from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.shop import at, line, open_shop
from tests.jobs.command_line import messages, run_job


def test_sequences_of_a_shop(spark: SparkSession, store: Store) -> None:
    lines = [line("b1", "p2", "u1", "2024-03-02"), line("b2", "p1", "u1", "2024-03-01"), line("b3", "p1", "u2")]
    open_shop(store, [*lines, line("b4", "p1", "u1", transaction_at=at("2024-03-01", 18))])
    code, _, err = run_job(store, "build_user_sequences")
    assert code == 2 and "shopbatch run build_user_profiles" in messages(err)[-1]
    assert run_job(store, "build_user_profiles", "as_of=2024-03-20")[0] == 0
    code, report, _ = run_job(store, "build_user_sequences")
    assert code == 0 and report["outcome"] == "published" and report["rows"]["published"] == 2
    rows = store.snapshot("user_sequences").read().sort_by("user_id").to_pylist()
    assert [(row["user_id"], row["products"], row["actions"]) for row in rows] == [
        ("u1", ["p1", "p2"], [1, 1]),
        ("u2", ["p1"], [1]),
    ]
    code, report, _ = run_job(store, "build_user_sequences")
    assert code == 0 and report["outcome"] == "nothing to do"
