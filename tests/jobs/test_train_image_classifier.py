"""train_image_classifier: better than raw pixels, honest about what it is not sure of, published once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shopbatch.capabilities.images.config import FitConfig
from shopbatch.capabilities.images.examples import read_examples
from shopbatch.capabilities.images.model import NAME, ImageClassifier
from shopbatch.models import registry
from shopbatch.models.folder import ModelError
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import messages, run_job

ARGUMENTS = ("label=department", "fit.least_rows=10", "fit.precision=0.7", "fit.confidence=0.6")


def run(store: Store, *arguments: str) -> tuple[int, dict[str, Any], str]:
    return run_job(store, "train_image_classifier", *ARGUMENTS, *arguments)


def test_the_classifier_is_published_once_with_its_figures(picture_shop: Store) -> None:
    code, report, err = run(picture_shop)
    assert (code, report["outcome"]) == (0, "published"), err
    quality = report["metrics"]["quality"]["all"]
    assert quality["accuracy"]["value"] > quality["commonest class"] + 0.1
    assert quality["accuracy"]["value"] >= quality["accuracy of raw pixels"]
    assert quality["right where said"] >= quality["accuracy"]["value"]
    model = registry.find(f"{picture_shop.root}/_models", f"{NAME}@live")
    loaded = ImageClassifier.load(model.path)
    assert loaded.recipe == picture_shop.snapshot("image_vectors").metadata["recipe"]
    assert {"Clothing", "Kitchen"} <= set(loaded.classes) and loaded.label == "department"
    assert run(picture_shop)[1]["outcome"] == "nothing to do"
    code, report, err = run(picture_shop, "fit.seed=1", "gates.worse=0")
    assert code == 0 and {gate["name"] for gate in report["gates"]} >= {"accuracy against the live model"}


@pytest.mark.parametrize(
    ("argument", "gate"), [("gates.pixels=0.9", "lead over raw pixels"), ("fit.precision=0.999", "coverage")]
)
def test_a_gate_refuses_and_nothing_is_published(picture_shop: Store, argument: str, gate: str) -> None:
    code, report, err = run(picture_shop, argument)
    assert code == 3 and gate in err
    assert [g["name"] for g in report["gates"] if not g["passed"]] == [gate]
    assert registry.find_live(f"{picture_shop.root}/_models", NAME) is None


def test_a_worse_one_does_not_replace_the_live_one(picture_shop: Store) -> None:
    """The live one knows the truth; the next is trained on names of departments that say nothing."""
    assert run(picture_shop)[0] == 0
    live = registry.find(f"{picture_shop.root}/_models", f"{NAME}@live").digest
    products = pl.DataFrame(picture_shop.snapshot("products").read())
    named = products["department"].to_list()
    shuffled = np.random.default_rng(0).permutation(len(named))
    keep = pl.Series([named[i] if n % 5 else named[n] for n, i in enumerate(shuffled)])
    put_products(picture_shop, products.with_columns(keep.alias("department")))
    code, _, err = run(picture_shop, "gates.coverage=0", "gates.pixels=-1")
    assert code == 3 and "accuracy against the live model" in err
    assert registry.find(f"{picture_shop.root}/_models", f"{NAME}@live").digest == live


def put_products(store: Store, products: pl.DataFrame) -> None:
    rows = pa.table({c.name: products[c.name].to_arrow().cast(c.type) for c in PRODUCTS.columns}, PRODUCTS.schema())
    store.commit(PRODUCTS, [store.write_file(PRODUCTS, rows, "changed", 0)], "replace", "changed")


def test_no_picture_is_judged_by_one_that_looks_the_same(picture_shop: Store) -> None:
    images, vectors, products = (picture_shop.snapshot(n) for n in ("product_images", "image_vectors", "products"))
    examples = read_examples(images, vectors, products, "department", FitConfig(least_rows=10))
    assert 13 <= examples.left_out["duplicates"] < 40
    assert len(examples.image_ids) == len(set(zip(examples.group.tolist(), examples.label.tolist(), strict=True)))
    parts = pl.DataFrame({"group": examples.group, "fold": examples.fold}).group_by("group").n_unique()
    assert parts["fold"].max() == 1
    shares = np.bincount(examples.fold + 1) / len(examples.label)
    np.testing.assert_allclose(shares, [0.2] + 5 * [0.16], atol=0.08)
    assert np.abs(np.linalg.norm(examples.vectors, axis=1) - 1).max() < 0.02


def test_too_few_classes_are_the_users_mistake(picture_shop: Store) -> None:
    for argument in ("label=division", "fit.least_rows=500"):
        code, _, err = run(picture_shop, argument)
        assert code == 2 and len(messages(err)) == 1


def test_a_damaged_model_folder_is_refused(picture_shop: Store, tmp_path: Path) -> None:
    weights = np.zeros((4, 2), np.float32)
    ImageClassifier(("a", "b"), weights, np.zeros(3, np.float32), 0.5, "category", "r", 0.2).save(tmp_path)
    with pytest.raises(ModelError, match="do not fit together"):
        ImageClassifier.load(tmp_path)
    (tmp_path / "head.json").write_text("[]", "utf-8")
    with pytest.raises(ModelError, match="is not an image classifier"):
        ImageClassifier.load(tmp_path)
