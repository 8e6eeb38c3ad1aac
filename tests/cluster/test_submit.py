"""`shopbatch submit` on a real head node with token authentication: once, attached, cancelled, retried."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from shopbatch.runs.run_key import read_records
from shopbatch.warehouse.store import Store
from tests.cluster.head import Head, free_ports, key_of, last_line
from tests.inference import toy

FAKE = ("score_reviews", "--env", "prod", "engine.kind=fake")


def put(store: Store, rows: int = 60) -> None:
    toy.put(store, toy.reviews([{"review_id": f"r{i}", "text": f"text {i}", "language": "en"} for i in range(rows)]))


def submit(head: Head, store: Store, *words: str, **env: str):
    return head.shopbatch("submit", *FAKE, *words, SHOPBATCH_WAREHOUSE=store.root, **env)


def test_simultaneous_submits_of_one_key_are_one_run_and_the_next_day_is_another(head: Head, store: Store) -> None:
    put(store)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(submit, head, store, "--wait", "--date", "2026-11-22") for _ in range(3)]
        done = [future.result() for future in asked]
    assert [d.returncode for d in done] == [0] * 3, [d.stderr[-500:] for d in done]
    reports = [last_line(d) for d in done]
    assert all(r == reports[0] for r in reports)
    assert (reports[0]["outcome"], reports[0]["rows"]["computed"], reports[0]["attempt"]) == ("published", 60, 1)
    assert sum("submitted" in d.stderr for d in done) == 1
    assert pl.read_delta(store.uri("review_sentiment")).height == 60
    assert len(list(Path(store.root, "_runs", "score_reviews").iterdir())) == 1

    again = submit(head, store, "--wait", "--date", "2026-11-22")
    assert (again.returncode, last_line(again)) == (0, reports[0]) and "done already" in again.stderr
    rerun = submit(head, store, "--wait", "--date", "2026-11-22", "--rerun", "r1")
    assert last_line(rerun)["outcome"] == "nothing to do"
    assert last_line(rerun)["run_id"] != reports[0]["run_id"]


def test_a_run_that_failed_is_submitted_again_as_the_next_attempt(head: Head, store: Store) -> None:
    toy.put(store, toy.reviews([{"review_id": f"r{i}", "text": "x" * 200_000 if i < 25 else "y"} for i in range(40)]))
    refused = submit(head, store, "--wait")
    assert (refused.returncode, last_line(refused)["outcome"], last_line(refused)["attempt"]) == (3, "refused", 1)
    assert not store.exists("review_sentiment")
    put(store)
    second = submit(head, store, "--wait")
    assert (second.returncode, last_line(second)["outcome"], last_line(second)["attempt"]) == (0, "published", 2)
    assert key_of(second) == key_of(refused)


def test_cancel_ends_a_run_in_good_order_and_the_next_attempt_goes_on(head: Head, store: Store) -> None:
    put(store, 320)  # enough for a slow machine: it is cancelled on the way
    slow = ("engine.slow_ms=400", "flush_rows=4", "engine.light=true")
    started = submit(head, store, *slow)
    key = key_of(started)
    assert (started.returncode, last_line(started)["state"]) == (0, "running")
    until_written(store)
    env = {"SHOPBATCH_WAREHOUSE": store.root}
    assert last_line(head.shopbatch("status", key, **env))["state"] == "running"
    attached = submit(head, store, *slow)
    assert "attached to" in attached.stderr and last_line(attached)["attempt"] == 1
    cancelled = head.shopbatch("cancel", key, **env)
    assert (cancelled.returncode, last_line(cancelled)["state"]) == (0, "stopped"), cancelled.stderr
    record = read_records(store.root, key)[1]
    assert record["exit_code"] == 4 and 0 < record["rows"]["computed"] < 320
    assert not store.exists("review_sentiment")
    assert "SIGTERM" in head.shopbatch("logs", key, **env).stdout
    second = submit(head, store, *slow, "--wait")
    report = last_line(second)
    assert (second.returncode, report["attempt"], report["rows"]["published"]) == (0, 2, 320), second.stderr
    assert report["rows"]["reused"] >= record["rows"]["computed"]


def test_a_driver_that_dies_without_a_report_is_exit_4_and_can_be_submitted_again(head: Head, store: Store) -> None:
    put(store, 40)
    key = key_of(submit(head, store, "engine.hang_on=text 39"))
    until_written(store, "_runs/score_reviews")
    os.kill(driver_of(key), signal.SIGKILL)
    env = {"SHOPBATCH_WAREHOUSE": store.root}
    waited = head.shopbatch("status", key, "--wait", **env)
    assert waited.returncode == 4 and f"{key}, attempt 1, ended without a report" in waited.stderr
    assert last_line(head.shopbatch("status", key, **env))["state"] == "lost"
    again = submit(head, store, "engine.hang_on=text 39")
    assert "submitted" in again.stderr and last_line(again)["attempt"] == 2
    assert last_line(head.shopbatch("cancel", key, **env))["state"] == "stopped"


def test_a_wrong_token_a_silent_address_and_an_unknown_key_are_reported(head: Head, store: Store) -> None:
    wrong = submit(head, store, RAY_AUTH_TOKEN="another-token-0123456789abcdef0123")
    assert wrong.returncode == 2 and "refused the token" in wrong.stderr
    silent = submit(head, store, RAY_API_SERVER_ADDRESS=f"http://127.0.0.1:{free_ports(1)[0]}")
    assert silent.returncode == 4 and "does not answer" in silent.stderr
    missing = head.shopbatch("status", "score_reviews-20261122-0123456789ab", SHOPBATCH_WAREHOUSE=store.root)
    assert missing.returncode == 2 and "nothing was ever submitted" in missing.stderr


def test_a_mistake_that_only_the_cluster_can_see_comes_back_too(head: Head, store: Store) -> None:
    done = submit(head, store, "--wait")  # no table reviews
    assert done.returncode == 2 and last_line(done)["exit_code"] == 2
    assert "no table 'reviews'" in last_line(done)["message"]


def until_written(store: Store, where: str = "score_reviews_memo") -> None:
    """Wait until there is a file."""
    until = time.monotonic() + 120
    while not list(Path(store.root, where).rglob("*.*")):
        assert time.monotonic() < until, f"nothing under {where}"
        time.sleep(0.1)


def driver_of(key: str) -> int:
    """The process id of the driver's supervisor: if it dies, the driver dies with it, and nobody writes a report."""
    drivers = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            parent = int((process / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"--run-key" in words and key.encode() in words and b"shopbatch" in words:
            drivers[int(process.name)] = parent
    return next(process for process, parent in drivers.items() if parent not in drivers)
