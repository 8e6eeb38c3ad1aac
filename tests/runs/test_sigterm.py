"""SIGTERM while a job publishes ends the run in time, and what is half published is invisible and completed later."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from shopbatch.runs import history
from shopbatch.warehouse.store import Store
from tests.inference import toy

LIMIT = 120.0  # seconds within which a signal ends a run, see the exit codes


@pytest.mark.chaos
@pytest.mark.slow
def test_sigterm_between_two_commits_is_exit_4_and_the_next_run_completes_them(store: Store) -> None:
    rows = [{"review_id": f"r{i}", "text": f"text {i}" if i else "", "language": "en"} for i in range(40)]
    toy.put(store, toy.reviews(rows))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"SHOPBATCH_WAREHOUSE": store.root, "SHOPBATCH_ALLOW_FAKE": "1"}
    words = [sys.executable, "-m", "shopbatch", "run", "score_reviews", "engine.kind=fake", "workers=1"]
    signalled = 'SHOPBATCH_CRASH_AT=between_commits SHOPBATCH_CRASH_PID=$$ SHOPBATCH_CRASH_SIGNAL=SIGTERM exec "$@"'
    began = time.monotonic()
    command = ["sh", "-c", signalled, "sh", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr[-2000:]
    assert time.monotonic() - began < LIMIT + 60
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["message"] == "SIGTERM; the same command goes on from here"
    assert history.newest(store.root)[0]["outcome"] == "stopped"
    assert store.exists("review_sentiment_rejects") and not store.exists("review_sentiment"), "or nothing was tested"
    again = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr[-2000:]
    counted = json.loads(again.stdout.splitlines()[-1])["rows"]
    assert (counted["published"], counted["rejected"], counted["computed"]) == (39, 1, 0)
