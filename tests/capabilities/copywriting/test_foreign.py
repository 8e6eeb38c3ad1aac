"""Products that are described in another script than the copy's get no planned copy in that language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import shopbatch as sb
from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.run import copy_specs
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store

ENGLISH = {"title": "French Press 1 L", "product_type": "French Press", "brand": "Brewly", "description": "Of glass."}
BRANDED = {"title": "Linen Shirt", "product_type": "Shirt", "brand": "云栖"}
CHINESE = {"title": "纯棉圆领T恤", "brand": "云栖", "attributes": {"颜色": "白色"}}
LATIN_NAME = {"title": "Pixel 9 Pro", "attributes": {"颜色": "黑色", "材质": "玻璃"}}
BROKEN = {"title": "?"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "reasons"),
    [
        ("en", [None, None, "foreign_facts", "foreign_facts", "empty"]),
        ("zh", ["foreign_facts", "foreign_facts", None, None, "empty"]),
    ],
)
def test_planned_copy_mixes_no_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, reasons: list[str | None]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path))
    rows: list[dict[str, Any]] = [ENGLISH, BRANDED, CHINESE, LATIN_NAME, BROKEN]
    results = sb.score(rows, "describe_products", languages=[language])
    assert [r.get("rejected") for r in results] == reasons
    (spec,) = copy_specs(Config(languages=(language,)), Store(str(tmp_path)), Report(job="describe_products"))
    assert "foreign_facts" in spec.stage.harmless, "a shop with two languages would be refused by the gate"


def test_a_generator_may_write_from_facts_of_another_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path))
    (refused,) = sb.score([ENGLISH], "describe_products", languages=["zh"], engine={"kind": "fake"}, fallback=False)
    assert refused["rejected"] == "invalid_json", "it was asked, and what it wrote is no copy"
