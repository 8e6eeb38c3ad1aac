"""A run with nothing to compute ends without Ray; what has to be computed starts it, and gives the same rows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shopbatch.load import load_file
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import run_job

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def run(store: Store, ray: bool = True) -> tuple[int, dict[str, Any], str]:
    """Run score_reviews in a process of its own. ray: whether a Ray could start there."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"SHOPBATCH_WAREHOUSE": store.root, "SHOPBATCH_ALLOW_FAKE": "1"}
    if not ray:
        environment |= {"RAY_TMPDIR": f"{store.root}/no such folder"}
    words = [sys.executable, "-m", "shopbatch", "run", "score_reviews", "engine.kind=fake", "platform.cpus=2"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}, done.stderr


def load(store: Store, folder: Path, texts: dict[str, str]) -> None:
    rows = "".join(f'{name},"{text}"\n' for name, text in texts.items())
    (folder / "reviews.csv").write_text(f"review_id,text\n{rows}", "utf-8")
    load_file(store, "reviews", str(folder / "reviews.csv"))


def test_only_a_run_that_computes_starts_ray(store, tmp_path, ray_local):
    texts = {f"r{i}": f"A coat of kind {i % 7}" for i in range(40)} | {"empty": ""}
    load(store, tmp_path, texts)
    other = Store(str(tmp_path / "other"))
    shutil.copytree(store.root, other.root)
    code, report, _ = run(store)
    assert (code, report["rows"]["computed"], report["rows"]["published"]) == (0, 7, 40)

    code, report, err = run(store, ray=False)
    assert (code, report["outcome"], report["rows"]["published"]) == (0, "nothing to do", 40), err

    load(store, tmp_path, texts | {"new": "A scarf"})
    assert run(store, ray=False)[0] == 1, "a row has to be computed, and Ray cannot start"
    code, report, err = run(store)
    assert (code, report["rows"]["computed"], report["rows"]["published"]) == (0, 1, 41), err

    # indexed by Ray's tasks from the start, as a large source is
    load(other, tmp_path, texts | {"new": "A scarf"})
    assert run_job(other, "score_reviews", "engine.kind=fake")[0] == 0
    rows = [
        pl.read_delta(s.uri("review_sentiment")).drop("run_id", "scored_at").sort("review_id") for s in (store, other)
    ]
    assert rows[0].equals(rows[1])


def test_a_damaged_result_is_made_again_without_ray(store, tmp_path):
    load(store, tmp_path, {"a": "A coat", "b": "A hat"})
    assert run(store)[0] == 0
    file = next(Path(store.uri("review_sentiment")).rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    code, report, _ = run(store, ray=False)
    assert (code, report["outcome"], report["rows"]["computed"]) == (0, "published", 0)
    assert file.name in report["message"]
