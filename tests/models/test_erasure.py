"""Which models a row helped to train: in one sentence, with what cannot be known; and what is said of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.stage import review_text
from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import former_hash128, hex128
from shopbatch.models import erasure, registry
from shopbatch.models.summary import main_metric
from shopbatch.warehouse.store import Store
from tests.inference import toy

BY_TEXT = {"reviews": review_text}


def publish(store: Store, name: str, **manifest: Any) -> str:
    def build(folder: Path) -> None:
        (folder / "vocab.txt").write_text(name)

    return registry.publish(f"{store.root}/_models", name, build, **manifest).reference


def rows_of(store: Store, *keys: str) -> list[str]:
    rows = store.snapshot("reviews").read()
    chosen = rows.filter(pa.compute.is_in(rows["review_id"], pa.array(keys)))
    return erasure.keyed(store, erasure.text_names(review_text(chosen)))


@pytest.fixture
def shop(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Three reviews; one of two models was trained on the first, both on the second."""
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    monkeypatch.setenv("COLUMNS", "80")
    toy.put(store, [{"review_id": f"w-{i}", "text": f"text {i}"} for i in range(3)])
    base = publish(store, "base", base="from elsewhere", licence="MIT")
    publish(store, "one", origin="a", base=base, rows=rows_of(store, "w-0", "w-1"))
    metrics = {"en": {"accuracy": {"value": 0.95477, "low": 0.9}}, "zh": {"accuracy": {"value": 0.7}}}
    publish(store, "sentiment", origin="b", encoder=base, rows=rows_of(store, "w-1"), metrics=metrics)
    return store


@pytest.mark.parametrize(
    ("row", "says", "models"),
    [
        ("w-0", "1 model was trained on reviews w-0: one@", ["one"]),
        ("w-1", "2 models were trained on reviews w-1: one@", ["one", "sentiment"]),
        ("w-2", "no model was trained on reviews w-2", []),
        ("w-9", "no model is known to have been trained on reviews w-9 (the row is not in reviews, so its text", []),
    ],
)
def test_a_row_names_its_models_in_a_sentence(shop: Store, row: str, says: str, models: list[str]) -> None:
    answer = erasure.trained_on(shop, "reviews", row, BY_TEXT)
    assert answer.sentence.startswith(says)
    assert [m["model"].partition("@")[0] for m in answer.models] == models
    listed = {m["model"]: m for m in erasure.list_models(shop)}
    assert answer.models == [listed[m["model"]] for m in answer.models]


def test_a_model_of_an_older_version_is_found_by_the_hash_that_it_keeps(shop: Store) -> None:
    former = hex128(*former_hash128([pa.array(["text 2"])])).to_pylist()
    publish(shop, "older", origin="e", rows=erasure.keyed(shop, former))
    assert erasure.trained_on(shop, "reviews", "w-2", BY_TEXT).sentence.startswith("1 model was trained on reviews w-2")


def test_a_deleted_row_is_still_found_by_its_key(shop: Store) -> None:
    publish(shop, "replies", origin="c", rows=erasure.keyed(shop, ["d-1"]))
    answer = erasure.trained_on(shop, "support_dialogs", "d-1", BY_TEXT)
    assert answer.sentence.startswith("1 model was trained on support_dialogs d-1: replies@")
    assert answer.sentence.endswith("(there is no table support_dialogs)")


def test_a_model_without_a_record_is_named(shop: Store) -> None:
    silent = publish(shop, "silent", origin="d")
    answer = erasure.trained_on(shop, "reviews", "w-2", BY_TEXT)
    assert answer.sentence == (
        f"no model is known to have been trained on reviews w-2 ({silent} keeps no record of training rows)"
    )


def test_mistakes(shop: Store) -> None:
    with pytest.raises(UserError, match="did you mean 'reviews'"):
        erasure.trained_on(shop, "revews", "w-1", BY_TEXT)
    with pytest.raises(UserError, match="no single key"):
        erasure.trained_on(shop, "transactions", "b1", BY_TEXT)


def test_the_list_of_models(shop: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    blocks = dict(block.split("\n", 1) for block in _blocks(capsys.readouterr().out))
    [name] = [title for title in blocks if title.startswith("sentiment@")]
    assert name.endswith("  live")
    for words in (
        "quality   accuracy: en 0.955, zh 0.7",
        "licence   MIT",
        "used by   audit_bias (model=sentiment@live), ",
    ):
        assert words in blocks[name]
    assert cli.main(["models", "--trained-on", "reviews", "w-0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 model was trained on reviews w-0") and lines[1].startswith("one@")


def _blocks(out: str) -> list[str]:
    blocks: list[str] = []
    for line in out.splitlines():
        if line.startswith(" "):
            blocks[-1] += f"\n{line.strip()}"
        else:
            blocks.append(line.rstrip())
    return blocks


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ({}, ""),
        ({"candidate": "x", "all": {"loss": 1.0}}, "loss: all 1"),
        (
            {"base": {"all": {"loss": 9.0}}, "candidate": {"all": {"loss": 3.0, "perplexity": 20.0855}}},
            "perplexity: all 20.1",
        ),
        ({"ndcg": 0.31234, "rows": {"value": 5}}, "ndcg 0.312, rows 5"),
    ],
)
def test_the_main_metric(metrics: dict[str, Any], says: str) -> None:
    assert main_metric(metrics) == says
