"""What is sent to a cluster: code, conf and lock file, and no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shopbatch.cluster import bundle
from shopbatch.core.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conf/prod/score_reviews.yaml", "engine: {api_key: hunter2}"),
        ("conf/prod/score_reviews.yaml", "platform:\n  password:\n    hunter2\n"),
        ("conf/prod/score_reviews.yaml", "platform:\n  password: >\n    hunter2\n"),
        ("conf/prod/more.json", '{"secret_key": "hunter2"}'),
        ("conf/prompts/describe.en.md", "write to https://me:hunter2@shop.example"),
        ("jobs/more.py", 'KEY = "sk-hunter20123456789"'),
        ("conf/prod/.env", "A=hunter2"),
        ("overlay.conf", "model: x\nhf_token: hunter2"),
    ],
)
def test_no_secret_travels(project: Path, tmp_path: Path, name: str, text: str) -> None:
    (project / name).write_text(text, "utf-8")
    overlay = str(project / name) if name.startswith("overlay") else None
    with pytest.raises(UserError) as refused:
        bundle.build(tmp_path / "sent", overlay)
    assert Path(name).name in str(refused.value) and "hunter2" not in str(refused.value)


def test_a_bundle_is_code_conf_and_lock_and_its_digest_is_of_their_content(project: Path, tmp_path: Path) -> None:
    (project / "notes.txt").write_text("private", "utf-8")
    first = bundle.build(tmp_path / "a")
    assert bundle.build(tmp_path / "b") == first
    sent = {p.relative_to(tmp_path / "a").as_posix() for p in (tmp_path / "a").rglob("*") if p.is_file()}
    assert {"jobs/score_reviews.py", "conf/base/score_reviews.yaml", "shopbatch/cli/main.py"} <= sent
    assert not {p for p in sent if "__pycache__" in p or p == "notes.txt"}
    with pytest.raises(UserError, match="only files of conf/ travel"):
        bundle.build(tmp_path / "c", named=[project / "notes.txt"])
    (project / "conf" / "prompts" / "describe.en.md").write_text("Other.", "utf-8")
    assert bundle.build(tmp_path / "d") != first


def test_the_bundle_of_a_folder_with_conf_alone_brings_the_packaged_jobs_and_conf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("local/platform.yaml", "warehouse: w"), ("base/score_reviews.yaml", "gates: {drift: 0.7}")):
        (tmp_path / "shop" / "conf" / name).parent.mkdir(parents=True)
        (tmp_path / "shop" / "conf" / name).write_text(text, "utf-8")
    monkeypatch.setenv("SHOPBATCH_HOME", str(tmp_path / "shop"))
    bundle.build(tmp_path / "sent", named=[ROOT / "conf" / "prompts" / "describe.en.md"])
    command = [sys.executable, "-m", "shopbatch", "run", "score_reviews", "--dry-run"]
    env = {**os.environ, "SHOPBATCH_HOME": ".", "PYTHONPATH": "."}
    done = subprocess.run(command, cwd=tmp_path / "sent", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    settings = json.loads(done.stdout)
    assert (settings["gates"]["drift"], settings["model"]) == (0.7, "sentiment@live")
