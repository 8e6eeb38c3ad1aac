"""A warehouse on an object store: the main job end to end, two writers at once, a connection that breaks."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from shopbatch.core.errors import UserError
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT_REJECTS
from shopbatch.warehouse import files
from shopbatch.warehouse.candidates import candidate_of, keep_candidate
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.store import Store
from tests.cluster.head import clean_environment
from tests.cluster.s3 import SECRET, ObjectStore, object_store
from tests.inference import toy

ROOT = Path(__file__).parents[2]

# When the driver has taken its third receipt it asks the test to cut the connection, and waits until that is done.
RECEIPTS = """
import sys, time
from pathlib import Path
from shopbatch.runs import job
from shopbatch.inference import parts, run, shards

root, wish = sys.argv[1], Path(sys.argv[2])
parts.PART_ROWS, shards.SHARD_ROWS = 60, 90
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


# Several commands in one process, and in one Ray session, which each of them would otherwise start and stop.
COMMANDS = """
import contextlib, io, json, sys
from shopbatch.cli import main as cli
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session

results = []
with ray_session(Platform(cpus=2, object_store_mb=256)):
    for words in json.loads(sys.argv[1]):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(words)
        results.append((words, code, out.getvalue(), err.getvalue()))
print(json.dumps(results))
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
    return process(ObjectStore({**s3.env, "SHOPBATCH_WAREHOUSE": root}, s3.line), "-m", "shopbatch", *words)


def commands(s3: ObjectStore, root: str, *lines: Sequence[str]) -> list[subprocess.CompletedProcess[str]]:
    """Run several command lines in one process."""
    store = ObjectStore({**s3.env, "SHOPBATCH_WAREHOUSE": root}, s3.line)
    done = process(store, "-c", COMMANDS, json.dumps(lines))
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout.splitlines()[-1])
    return [subprocess.CompletedProcess(*result) for result in results]


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout.strip(), done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def read(s3: ObjectStore, root: str, table: str) -> Any:
    """A table, read by delta-rs with explicit credentials instead of those of this process's environment."""
    options = {**{k.lower(): v for k, v in s3.env.items()}, "aws_allow_http": "true"}
    return DeltaTable(f"{root}/{table}", storage_options=options)


def put(s3: ObjectStore, root: str) -> None:
    """Write `toy.shop()` into the warehouse."""
    with s3.in_this_process():
        toy.put(Store(root), *toy.shop(), group=17)


def test_the_main_job_end_to_end(s3: ObjectStore) -> None:
    """With the fake engine: a real encoder has half a gigabyte, and the test's store keeps it in memory."""
    root, words = s3.warehouse("main"), ("run", "score_reviews", "engine.kind=fake")
    sample = ("sample", "--source", "generated", "--rows", "1500", "--transactions", "50")
    done = commands(s3, root, sample, words, words, ("tables",), ("report", "score_reviews"))
    assert [each.returncode for each in done] == [0] * 5, [each.stderr[-2000:] for each in done]
    _, first, second, tables, where = done
    rows = report(first)["rows"]
    table = read(s3, root, "review_sentiment").to_pyarrow_table()
    assert table.num_rows == rows["published"] > 1400
    assert (report(second)["outcome"], report(second)["rows"]["computed"]) == ("nothing to do", 0)
    assert "review_sentiment" in tables.stdout
    key = table["review_id"][0].as_py()
    assert json.loads(shopbatch(s3, root, "why", "review_sentiment", key, "--json").stdout)["published"]
    kept = s3.keys("main/_runs/score_reviews")
    assert f"{root}/_runs/score_reviews/{report(second)['run_id']}/merchant.html" in where.stdout
    assert sum(k.endswith("merchant.html") for k in kept) == sum(k.endswith("products.csv") for k in kept) == 2
    assert sum(k.endswith("report.json") for k in kept) == 2 and not any(k.endswith("inflight") for k in kept)
    assert SECRET not in first.stdout + first.stderr


def test_the_rejects_of_a_refused_candidate_are_kept_there_too(s3: ObjectStore) -> None:
    with s3.in_this_process():
        store = Store(s3.warehouse("refused"))
        rows = REVIEW_SENTIMENT_REJECTS.fill(
            2,
            **{n: pa.array([n] * 2) for n in ("reason", "kind", "content_hash", "recipe", "source_file", "run_id")},
            attempt=pa.array([1, 2], pa.int8()),
            source_row=pa.array([0, 1]),
        )
        files.write(f"{store.uri(toy.REJECTS)}/run/part-0.parquet", rows)
        keep_candidate(
            store, "score_reviews", "run", REVIEW_SENTIMENT_REJECTS, [DataFile("run/part-0.parquet", 0, 2, "")]
        )
        store.discard(REVIEW_SENTIMENT_REJECTS, [DataFile("run/part-0.parquet", 0, 2, "")])
        kept = candidate_of(store, toy.REJECTS, "run")
        assert kept.read().equals(rows)
        with pytest.raises(UserError, match="no such run; the newest are: run"):
            candidate_of(store, toy.REJECTS, "other")


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
    """Run the job, and cut its connection at the third receipt for `seconds` (0: never, inf: until it has ended)."""
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

    cutter = threading.Thread(target=obey)
    cutter.start()
    try:
        few_attempts = ObjectStore({**s3.env, "AWS_MAX_ATTEMPTS": "3" if math.isinf(seconds) else "8"}, s3.line)
        return process(few_attempts, "-c", RECEIPTS, root, str(wish))
    finally:
        over.set()
        cutter.join()


def test_a_connection_that_breaks_for_a_moment_is_waited_for(s3: ObjectStore, tmp_path: Path) -> None:
    root = s3.warehouse("moment")
    put(s3, root)
    done = cut_line(s3, root, tmp_path / "wish", 3)
    assert done.returncode == 0, done.stderr[-3000:]
    assert report(done)["outcome"] == "published"
    assert read(s3, root, "review_sentiment").to_pyarrow_table().num_rows == report(done)["rows"]["published"]


def test_a_connection_that_stays_broken_ends_the_run_with_4_and_the_next_continues(
    s3: ObjectStore, tmp_path: Path
) -> None:
    root = s3.warehouse("gone")
    put(s3, root)
    broken = cut_line(s3, root, tmp_path / "wish", math.inf)
    assert broken.returncode == 4, broken.stderr[-3000:]
    assert "the same command goes on from here" in broken.stderr
    again = cut_line(s3, root, tmp_path / "wish", 0)
    assert again.returncode == 0, again.stderr[-3000:]
    whole = report(again)["rows"]
    assert whole["pending"] == 0 and 0 < whole["computed"] < whole["distinct"]
