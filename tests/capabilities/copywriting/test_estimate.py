"""A dry run of planned copy counts products; it opens no model and starts no Ray."""

from __future__ import annotations

import json

import pytest

from shopbatch.cli import main as cli
from shopbatch.core import sessions
from shopbatch.warehouse.store import Store
from tests.capabilities.copywriting import writer


def test_a_dry_run_of_the_planner_starts_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(*_: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(sessions, "ray_session", start)
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    writer.put(store, [{"product_id": f"p{i}", "title": f"Mug {i}"} for i in range(7)])
    assert cli.main(["run", "describe_products", "--dry-run", "languages=[en,zh]"]) == 0
    estimate = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert estimate == {"estimate": {x: {"rows": 7, "writer": "plan"} for x in ("en", "zh")}}
    assert cli.main(["run", "describe_products", "--dry-run", "limit=3"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["estimate"]["en"]["rows"] == 3
