"""`shopbatch config` lists every key with its meaning, its value now and where that comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shopbatch.cli import main as cli
from shopbatch.core import config
from shopbatch.runs import job

JOBS = job.names()


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    assert cli.main(["config", *words, "--json"]) == 0
    return {row["path"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}


@pytest.mark.parametrize("name", JOBS)
def test_every_key_is_listed_with_a_meaning(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    keys = listed(capsys, name)
    assert [path for path, row in keys.items() if not row["meaning"] or not row["type"]] == []
    assert {key.path for key in config.describe(job.find(name).config) if key.type != "block"} == set(keys)


def test_each_value_names_the_layer_that_set_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("gates: {drift: 0.3, reject_share: 0.4}\n", "utf-8")
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", "/elsewhere")
    keys = listed(capsys, "score_reviews", "--with", str(overlay), "gates.drift=0.5", "limit=7")

    def stands(path: str) -> tuple[str | None, str]:
        return keys[path]["value"], keys[path]["source"]

    assert stands("gates.drift") == ("0.5", "command line")
    assert stands("gates.reject_share") == ("0.4", str(overlay))
    assert stands("platform.warehouse") == ("/elsewhere", "SHOPBATCH_WAREHOUSE")
    assert stands("model") == ("sentiment@live", "conf/base/score_reviews.yaml")
    assert stands("platform.spark.memory") == ("4g", "default")


def test_a_block_of_another_kind_keeps_nothing_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    keys = listed(capsys, "score_reviews", "engine.kind=fake")
    assert (keys["engine.kind"]["value"], keys["engine.kind"]["source"]) == ("fake", "command line")
    assert keys["engine.precision"]["value"] is None and "openvino" in keys["engine.precision"]["only_for"]


def test_a_key_is_found_by_its_end_and_a_block_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(listed(capsys, "score_reviews", "reject_share")) == ["gates.reject_share"]
    assert {path.partition(".")[0] for path in listed(capsys, "score_reviews", "gates")} == {"gates"}
    assert cli.main(["config", "score_reviews", "gates.reject_shar"]) == 2
    assert "did you mean 'gates.reject_share'?" in capsys.readouterr().err


def test_a_secret_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "score_reviews", "platform.warehouse=s3://key:hush@host/w"]) == 0
    out = capsys.readouterr().out
    assert "hush" not in out and "[hidden]" in out
    assert max(map(len, out.splitlines())) <= 100
