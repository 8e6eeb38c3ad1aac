"""The whole job as a user runs it: what is missing said in one line, numbers and a page, nothing to do, a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from shopbatch.core.errors import UserError
from shopbatch.warehouse.store import Store
from tests.capabilities.insights import shop
from tests.capabilities.insights.test_summarise import PRODUCTS
from tests.jobs.command_line import messages, run_job


def test_a_shop_is_summed_up_once(spark: SparkSession, store: Store) -> None:
    code, _, err = run_job(store, "summarise_reviews")
    assert code == 2 and "shopbatch run analyse_reviews" in messages(err)[-1]
    shop.fill(store, shop.drawn(1, 200), PRODUCTS)
    code, report, _ = run_job(store, "summarise_reviews")
    assert code == 0 and report["outcome"] == "published"
    assert report["highlights"]["reviews"] == "200" and int(report["highlights"]["without a date"]) > 10
    folder = Path(store.root) / "_runs" / "summarise_reviews" / report["run_id"]
    assert {"aspects.html", "aspects.csv", "summaries.csv", "themes.csv"} <= {p.name for p in folder.iterdir()}
    assert "What reviews say about each aspect" in (folder / "report.html").read_text("utf-8")
    code, report, _ = run_job(store, "summarise_reviews")
    assert code == 0 and report["outcome"] == "nothing to do"


def test_mixed_recipes_are_refused_and_a_wrong_day_is_a_mistake(spark: SparkSession, store: Store) -> None:
    shop.fill(store, [shop.review("r1", "p0", recipe="a"), shop.review("r2", "p0", recipe="b")])
    code, report, err = run_job(store, "summarise_reviews")
    assert code == 3 and "run analyse_reviews" in report["message"] and not store.exists("product_aspects")
    code, _, err = run_job(store, "summarise_reviews", "windows.as_of=soon")
    assert code == 2 and "windows.as_of" in messages(err)[-1]


def test_a_real_kill_before_the_commit_and_the_same_command(store: Store) -> None:
    shop.fill(store, shop.drawn(2, 60), PRODUCTS)
    command = [sys.executable, "-m", "shopbatch", "run", "summarise_reviews", "discovery.clauses=0"]
    where = {**os.environ, "SHOPBATCH_WAREHOUSE": store.root}

    def run(**more: str) -> int:
        return subprocess.run(command, env={**where, **more}, capture_output=True, timeout=240, check=False).returncode

    assert run(SHOPBATCH_CRASH_AT="summary_written") != 0
    try:
        shown = store.snapshot("product_aspects").rows
    except UserError:
        shown = 0
    assert shown == 0
    assert run() == 0 and store.snapshot("product_aspects").rows > 50
