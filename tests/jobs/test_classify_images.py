"""classify_images: what pictures show, and the planted pictures that contradict the catalogue."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa

from shopbatch.sample.pictures import shown
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import run_job
from tests.jobs.test_train_image_classifier import put_products

TRAIN = ("train_image_classifier", "label=department", "fit.least_rows=10", "fit.precision=0.7", "fit.confidence=0.6")


def labels(store: Store) -> pl.DataFrame:
    return pl.DataFrame(store.snapshot("product_image_labels").read()).sort("image_id")


def test_contradictions_are_found_and_shown(picture_shop: Store) -> None:
    assert run_job(picture_shop, *TRAIN)[0] == 0
    code, report, err = run_job(picture_shop, "classify_images")
    assert (code, report["outcome"]) == (0, "published"), err
    rows = labels(picture_shop)
    assert rows.height == 310
    assert report["metrics"]["findings"] == dict(rows["finding"].value_counts().iter_rows()) | {
        name: 0 for name in report["metrics"]["findings"] if name not in rows["finding"].to_list()
    }
    products = pl.DataFrame(picture_shop.snapshot("products").read()).filter(language="en").sort("product_id")
    department = dict(products.unique("product_type").select("product_type", "department").iter_rows())
    truth = [department[shown(kind, n)] for n, kind in enumerate(products["product_type"].to_list())]
    rows = rows.with_columns(pl.Series("truth", truth))
    wrong = rows.filter(pl.col("truth") != pl.col("catalogue"))
    told = rows.filter(finding="contradicts")
    hits = told["image_id"].is_in(wrong["image_id"].implode()).sum()
    assert wrong.height == 9 and hits >= 6, "though the classifier was told the wrong classes, too"
    assert told.height <= 2.5 * hits
    agreeing = rows.filter(finding="agrees")
    assert (agreeing["label"] == agreeing["catalogue"]).all()
    assert (agreeing["truth"] == agreeing["label"]).mean() > 0.9
    assert rows.filter(finding="no_category")["catalogue"].is_in(["Bags"]).all()
    assert rows.filter(pl.col("label").is_null())["finding"].is_in(["unsure", "no_category"]).all()
    page = Path(f"{picture_shop.root}/_runs/classify_images/{report['run_id']}/pictures.html").read_text("utf-8")
    assert page.count('<img src="data:image/jpeg;base64,') == told.height
    assert all(f"catalogue: {name}" in page for name in told["catalogue"].to_list())
    unsure = report["metrics"]["findings"]["unsure"]
    assert (f"it is not sure enough of {unsure} picture{'s' * (unsure != 1)}" in page) == (unsure > 0)


def test_a_second_run_does_nothing_and_a_changed_catalogue_changes_the_findings(picture_shop: Store) -> None:
    assert run_job(picture_shop, *TRAIN)[0] == 0
    assert run_job(picture_shop, "classify_images")[0] == 0
    before, version = labels(picture_shop), picture_shop.snapshot("product_image_labels").version
    assert run_job(picture_shop, "classify_images")[1]["outcome"] == "nothing to do"
    assert picture_shop.snapshot("product_image_labels").version == version
    products = pl.DataFrame(picture_shop.snapshot("products").read())
    sure = before.filter(finding="agrees", catalogue="Clothing").sort("probability")["product_id"][-1]
    other = before.filter(finding="agrees", catalogue="Clothing").sort("probability")["product_id"][-2]
    new = {sure: "Kitchen", other: "Nowhere"}
    changed = pl.col("product_id").replace_strict(new, default=pl.col("department"))
    put_products(picture_shop, products.with_columns(changed.alias("department")))
    code, report, _ = run_job(picture_shop, "classify_images", "contradiction=0.3")
    page = Path(f"{picture_shop.root}/_runs/classify_images/{report['run_id']}/pictures.html").read_text("utf-8")
    assert code == 0 and "1 picture has no category that it has learnt" in page
    assert "1 without a known category" in report["highlights"]["not judged"]
    now = labels(picture_shop).filter(product_id=sure)
    assert now.select("label", "catalogue", "finding").row(0) == ("Clothing", "Kitchen", "contradicts")
    other = labels(picture_shop).filter(pl.col("product_id") != sure)
    assert other["label"].equals(before.filter(pl.col("product_id") != sure)["label"])


def test_vectors_of_another_encoder_and_a_missing_classifier_are_one_line(picture_shop: Store) -> None:
    code, _, err = run_job(picture_shop, "classify_images")
    assert code == 2 and "image-classifier" in err
    assert run_job(picture_shop, *TRAIN)[0] == 0
    assert run_job(picture_shop, "embed_images", "engine.kind=fake", "engine.dim=768")[0] == 0
    code, _, err = run_job(picture_shop, "classify_images")
    assert code == 2 and "run train_image_classifier" in err


def test_a_cut_table_of_vectors_does_not_empty_the_labels(picture_shop: Store) -> None:
    from shopbatch.tables.images import IMAGE_VECTORS

    assert run_job(picture_shop, *TRAIN)[0] == 0
    assert run_job(picture_shop, "classify_images")[0] == 0
    snapshot = picture_shop.snapshot("image_vectors")
    few: pa.Table = snapshot.read().slice(0, 30)
    file = picture_shop.write_file(IMAGE_VECTORS, few, "cut", 0)
    picture_shop.commit(IMAGE_VECTORS, [file], "replace", "cut", dict(snapshot.metadata))
    code, _, err = run_job(picture_shop, "classify_images")
    assert code == 3 and "shrinking" in err
    assert labels(picture_shop).height == 310
