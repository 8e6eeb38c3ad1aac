"""The driver killed at each of its crash points, as `kill -9` does, and the same run again: nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from shopbatch.inference.candidate import VOLATILE
from tests.inference import oracle, toy

pytestmark = pytest.mark.usefixtures("ray_local", "cut_small")
FLUSH = 8
PLACES = ("compute", "before_commit", "before_publish", "between_commits")

RUN = """
import sys
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.inference import parts, shards
from tests.inference import toy
parts.PART_ROWS, shards.SHARD_ROWS = 60, 90
with ray_session(Platform(cpus=2, object_store_mb=256)):
    toy.run(toy.Store(sys.argv[1]), toy.spec(slow_ms=float(sys.argv[3])), flush_rows=int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """By place: a warehouse after a first run of `toy.shop()` that was killed there. Two are on their way at a time."""
    stores = {place: toy.warehouse(tmp_path_factory.mktemp(place)) for place in PLACES}
    for store in stores.values():
        toy.put(store, *toy.shop(), group=17)
    with ThreadPoolExecutor(2) as pool:
        done = {place: pool.submit(kill, stores[place], place) for place in PLACES}

        def wait(place):
            done[place].result()
            return stores[place]

        yield wait


def kill(store, place):
    """A run in a process of its own, with a Ray of its own, that is killed at this place; its workers are gone then."""
    root = Path(__file__).parents[2]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment |= {"SHOPBATCH_CRASH_AT": place, "SHOPBATCH_TEST": store.root, "PYTHONPATH": path}
    slow_ms = 200 if place == "compute" else 0  # so that there is something left to compute
    command = [sys.executable, "-c", RUN, store.root, str(FLUSH), str(slow_ms)]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    until = time.monotonic() + 60
    while workers_alive(f"SHOPBATCH_TEST={store.root}"):
        assert time.monotonic() < until, "workers outlived their driver"
        time.sleep(0.05)


def workers_alive(mark):
    """Whether a Ray worker has this in its environment. Ray's agents, which may take a minute to end, write nothing."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            title = (process / "cmdline").read_bytes()
            if (
                title.startswith(b"ray::")
                and b"Agent" not in title
                and mark.encode() in (process / "environ").read_bytes()
            ):
                return True
    return False


def on_disk(store):
    """Rows in the memo's files, committed or not."""
    rows = [pq.read_metadata(Path(store.root, toy.MEMO, p)).num_rows for p in toy.written(store, toy.MEMO)]
    assert max(rows) <= FLUSH  # what a worker holds unwritten, and may lose, is no more
    return sum(rows)


def lasting(store, table):
    """A table without what says how its rows came to be, in a fixed order."""
    rows = pl.read_delta(store.uri(table)).drop(*(c for c in VOLATILE if c != "scored_at" or table == toy.SINK))
    return rows.sort(rows.columns)


@pytest.mark.parametrize("place", PLACES)
def test_the_same_run_again_makes_up_for_a_killed_one(killed, first_run, place):
    store, (undisturbed, tables, _) = killed(place), first_run
    want = oracle.expect(*tables)
    assert (toy.REJECTS in store.names()) == (place == "between_commits") and toy.SINK not in store.names()
    there = on_disk(store)
    distinct = len(want.contents)
    assert there >= FLUSH if place == "compute" else there == distinct

    report = toy.run(store, toy.spec(), flush_rows=FLUSH)
    assert report.outcome == "published" and report.rows.computed == distinct - there
    oracle.check(store, toy.spec(), want)
    assert lasting(store, toy.SINK).equals(lasting(undisturbed, toy.SINK))
    rejects = [
        lasting(s, toy.REJECTS).drop("source_file").sort("review_id", "source_row") for s in (store, undisturbed)
    ]
    assert rejects[0].equals(rejects[1])
    # nothing that was written is computed again: the kill costs at most FLUSH answers a worker, which were not
    assert sorted(oracle.memo_hashes(store, toy.spec())) == sorted(oracle.content_hash(*c) for c in want.contents)
    assert toy.orphans(store, toy.MEMO) == set()
    before = toy.versions(store)
    assert toy.run(store, toy.spec()).outcome == "nothing to do"
    assert toy.versions(store) == before
