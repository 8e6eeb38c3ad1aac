"""A warehouse on an object store: the main job end to end, two writers at once, a line that breaks in the middle."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tests.cluster.head import clean_environment
from tests.cluster.s3 import SECRET, ObjectStore, object_store

ROOT = Path(__file__).parents[2]

# When the driver has taken its third receipt it asks for the line to be cut, and waits until it is.
RECEIPTS = """
import sys, time
from pathlib import Path
from shopbatch import job
from shopbatch.inference import run, source

root, wish = sys.argv[1], Path(sys.argv[2])
source.PART_ROWS, source.SHARD_ROWS = 60, 90
receipts = []
def at(place):
    if place == "compute":
        receipts.append(place)
        if len(receipts) == 3:
            wish.touch()
            while wish.exists():
                time.sleep(0.01)
run.crash_point = at
sys.exit(job.main("score_reviews", ["engine.kind=fake", "engine.slow_ms=50", "engine.light=false", "flush_rows=8",
    "gates.reject_share=1.0", "workers=2", f"platform.warehouse={root}", "platform.cpus=2"]))
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[ObjectStore]:
    with object_store() as started:
        yield started


def process(s3: ObjectStore, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**clean_environment(), **s3.env, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.run(
        [sys.executable, *command], env=env, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )


def shopbatch(s3: ObjectStore, root: str, *words: str) -> subprocess.CompletedProcess[str]:
    return process(ObjectStore({**s3.env, "SHOPBATCH_WAREHOUSE": root}, s3.line), "-m", "shopbatch.cli.main", *words)


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout.strip(), done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def read(s3: ObjectStore, root: str, table: str) -> Any:
    """A table, read by delta-rs with credentials given to it, not taken from this process's environment."""
    options = {**{k.lower(): v for k, v in s3.env.items()}, "aws_allow_http": "true"}
    return DeltaTable(f"{root}/{table}", storage_options=options)


def put(s3: ObjectStore, root: str) -> None:
    """`toy.shop()` into the warehouse, from a process that has the credentials."""
    done = process(s3, "-c", f"from tests.inference import toy; toy.put(toy.Store({root!r}), *toy.shop(), group=17)")
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_main_job_end_to_end(s3: ObjectStore) -> None:
    """With the fake engine: a real encoder is half a gigabyte, and the test's store keeps it in memory."""
    root, words = s3.warehouse("main"), ("run", "score_reviews", "engine.kind=fake")
    filled = shopbatch(s3, root, "sample", "--source", "generated", "--rows", "1500", "--transactions", "50")
    assert filled.returncode == 0, filled.stderr[-3000:]
    first = shopbatch(s3, root, *words)
    assert first.returncode == 0, first.stderr[-3000:]
    rows = report(first)["rows"]
    table = read(s3, root, "review_sentiment").to_pyarrow_table()
    assert table.num_rows == rows["published"] > 1400
    second = report(shopbatch(s3, root, *words))
    assert (second["outcome"], second["rows"]["computed"]) == ("nothing to do", 0)
    assert "review_sentiment" in shopbatch(s3, root, "tables").stdout
    key = table["review_id"][0].as_py()
    assert json.loads(shopbatch(s3, root, "why", "review_sentiment", key).stdout)["published"]
    kept = s3.keys("main/_runs/score_reviews")
    assert sum(k.endswith("report.json") for k in kept) == 2 and not any(k.endswith("inflight") for k in kept)
    assert SECRET not in first.stdout + first.stderr


def test_two_runs_at_once_both_end_well(s3: ObjectStore) -> None:
    root = s3.warehouse("race")
    put(s3, root)
    words = ("run", "score_reviews", "engine.kind=fake", "engine.slow_ms=20", "flush_rows=16", "gates.reject_share=1.0")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(shopbatch, s3, root, *words) for _ in range(2)]
        done = [future.result() for future in both]
    assert [d.returncode for d in done] == [0, 0], [d.stderr[-2000:] for d in done]
    assert {report(d)["outcome"] for d in done} <= {"published", "nothing to do", "superseded"}
    keys = read(s3, root, "review_sentiment").to_pyarrow_table()["review_id"].to_pylist()
    assert len(keys) == len(set(keys)) == report(done[0])["rows"]["published"]


def cut_line(s3: ObjectStore, root: str, wish: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """The job, its line to the store cut at the third receipt, for so long (0: never, inf: until it has ended)."""
    over = threading.Event()

    def obey() -> None:
        while not wish.exists():
            if over.wait(0.01):
                return
        if seconds:
            s3.line.cut()
        wish.unlink()
        over.wait(None if math.isinf(seconds) else seconds)
        s3.line.mend()

    hand = threading.Thread(target=obey)
    hand.start()
    try:
        few = ObjectStore({**s3.env, "AWS_MAX_ATTEMPTS": "3" if math.isinf(seconds) else "8"}, s3.line)
        return process(few, "-c", RECEIPTS, root, str(wish))
    finally:
        over.set()
        hand.join()


def test_a_line_that_breaks_for_a_moment_is_waited_for(s3: ObjectStore, tmp_path: Path) -> None:
    root = s3.warehouse("moment")
    put(s3, root)
    done = cut_line(s3, root, tmp_path / "wish", 3)
    assert done.returncode == 0, done.stderr[-3000:]
    assert report(done)["outcome"] == "published"
    assert read(s3, root, "review_sentiment").to_pyarrow_table().num_rows == report(done)["rows"]["published"]


def test_a_line_that_stays_broken_ends_the_run_with_4_and_the_next_goes_on(s3: ObjectStore, tmp_path: Path) -> None:
    root = s3.warehouse("gone")
    put(s3, root)
    broken = cut_line(s3, root, tmp_path / "wish", math.inf)
    assert broken.returncode == 4, broken.stderr[-3000:]
    assert "the same command goes on from here" in broken.stderr
    again = cut_line(s3, root, tmp_path / "wish", 0)
    assert again.returncode == 0, again.stderr[-3000:]
    whole = report(again)["rows"]
    assert whole["pending"] == 0 and 0 < whole["computed"] < whole["distinct"]
