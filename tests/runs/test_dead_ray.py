"""The local Ray dies under a run: exit code 4, a report and one line; the next run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shopbatch.runs import history
from shopbatch.warehouse.store import Store
from tests.inference import toy

OPTIONS = ["engine.kind=fake", "engine.light=false", "workers=1", "flush_rows=2", "commit_seconds=0"]


@pytest.mark.chaos
@pytest.mark.slow
def test_a_dead_raylet_is_exit_4_with_a_report_and_one_line(store: Store) -> None:
    toy.put(store, toy.reviews([{"review_id": f"r{i}", "text": f"text {i}", "language": "en"} for i in range(40)]))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment["SHOPBATCH_WAREHOUSE"] = store.root
    command = [sys.executable, "-m", "shopbatch", "run", "score_reviews", *OPTIONS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*command, "engine.hang_on=text 39"], env=environment, **pipes)  # type: ignore[call-overload]
    until = time.monotonic() + 120
    while not store.exists("score_reviews_memo"):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.1)
    driver = history.newest(store.root)[0]["pid"]
    os.kill(next(p for p in children(driver) if b"raylet/raylet" in cmdline(p)), signal.SIGKILL)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 4, err[-2000:]
    said = [line for line in err.splitlines() if not line.startswith("{")]
    assert len(said) == 1 and said[0].startswith("shopbatch: stopped: ") and "the same command goes on" in said[0]
    report = json.loads(out.splitlines()[-1])
    assert report["outcome"] == "stopped" and history.newest(store.root)[0]["outcome"] == "stopped"
    kept = store.snapshot("score_reviews_memo").rows
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=180)
    assert again.returncode == 0, again.stderr[-2000:]
    rows = json.loads(again.stdout.splitlines()[-1])["rows"]
    assert rows["published"] == 40 and rows["computed"] <= 40 - kept


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text("utf-8").split()
    return [int(p) for p in listed]


def cmdline(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
