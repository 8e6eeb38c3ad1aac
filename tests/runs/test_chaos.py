"""`shopbatch chaos`: a job that publishes in one commit passes; one that shows halves of its result does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shopbatch.runs.chaos import Kill
from tests.runs.shop import Shop

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

# it writes the table of a real job, since only declared tables are compared
_JOB = """
from contextlib import nullcontext
from pathlib import Path
import pyarrow as pa
from shopbatch.core import sessions
from shopbatch.core.config import JobConfig
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.runs.job import Job, main
from shopbatch.tables import TABLES

sessions.ray_session = lambda platform: nullcontext()
TABLE = TABLES["review_sentiment"]

class Config(JobConfig):
    halves: bool = False
    stops: bool = False

def cells(kind, first):
    if pa.types.is_string(kind):
        return pa.array([f"r{first}", f"r{first + 1}"])
    return pa.array([0, 0], pa.int64()).cast(pa.float64() if pa.types.is_floating(kind) else pa.int64()).cast(kind)

def write(store, report, first):
    rows = TABLE.fill(2, **{c.name: cells(c.type, first) for c in TABLE.columns})
    return store.write_file(TABLE, rows, report.run_id, first)

def run(config, store, report):
    runs = Path(store.root, "_runs", "toy")
    models = {path.name for path in Path(store.root, "_models").iterdir()}
    if "taught" in models or "other" not in models:
        report.outcome = "nothing_to_do"
        return
    if config.stops and len(list(runs.iterdir())) == 2:
        raise Stopped("the second run always stops")
    files = [write(store, report, 0)]
    if config.halves:
        store.commit(TABLE, files, "append", f"{report.run_id}/1")
    crash_point("compute")
    files.append(write(store, report, 2))
    store.commit(TABLE, files, "append" if config.halves else "replace", report.run_id)
    report.outcome = "published"

JOB = Job("toy", Config, run, makes=("taught",))
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop.make(tmp_path / "home")
    (shop.home / "jobs" / "toy.py").write_text(_JOB, "utf-8")
    for folder in ("reviews/_delta_log", "_models/taught", "_models/other"):  # as after a run, beside another's model
        (Path(shop.warehouse) / folder).mkdir(parents=True)
    return shop


def seed(victim: str) -> str:
    return str(next(n for n in range(100) if Kill.draw(n, {"compute": 1}, "ray").victim == victim))


def chaos(shop: Shop, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shopbatch", "chaos", "toy", "--seeds", "1", *words]
    return subprocess.run(
        command, env=shop.environment | {"TMPDIR": str(shop.home)}, capture_output=True, text=True, check=False
    )


def test_a_job_of_one_commit_survives_a_killed_driver(shop: Shop) -> None:
    done = chaos(shop, "--first", seed("driver"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "driver killed at compute:1" in done.stdout
    assert re.search(r"exit 4, 0 +lost 0, double 0, other 0, half-visible 0 .* equal", done.stdout)
    assert "1 of 1 seeds" in done.stdout
    assert not (Path(shop.warehouse) / "review_sentiment").exists(), "it works on copies"


def test_a_job_that_shows_halves_is_found_out_and_the_seed_named(shop: Shop) -> None:
    done = chaos(shop, "--first", seed("all processes"), "halves=true")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"exit -9, 0 +lost 0, double 2, other 0, half-visible 1 .* NOT EQUAL", done.stdout), done.stdout
    again = next(line for line in done.stdout.splitlines() if line.startswith("again: "))
    assert f"shopbatch chaos toy halves=true --seeds 1 --first {seed('all processes')}" in again


def test_why_a_run_again_was_not_done_is_said(shop: Shop) -> None:
    done = chaos(shop, "--first", seed("driver"), "stops=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"exit 4, 4, 0 +lost 0, double 0", done.stdout)
    assert "\n  run again: shopbatch: stopped: the second run always stops; the same command goes on" in done.stdout


def test_seeds_at_once_are_told_in_their_order(shop: Shop) -> None:
    done = chaos(shop, "--seeds", "2", "--at-once", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^seed (\d+) .* equal$", done.stdout, re.M) == ["0", "1"]
    assert "2 of 2 seeds" in done.stdout


def test_without_a_warehouse_to_copy_it_is_one_line(tmp_path: Path) -> None:
    shop = Shop.make(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-m", "shopbatch", "chaos", "toy"],
        env=shop.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "shopbatch sample" in done.stderr


def test_a_limit_is_refused_since_each_run_would_compute_other_rows(shop: Shop) -> None:
    done = chaos(shop, "limit=5")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "limit" in done.stderr
