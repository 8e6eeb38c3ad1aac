"""find_similar_images: planted copies are found, neighbours are the exact ones, words need a model that reads them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import polars as pl

from shopbatch.capabilities.images.words import search_by_words
from shopbatch.tables.images import IMAGE_VECTORS, PRODUCT_IMAGES
from shopbatch.warehouse.store import Store
from tests.capabilities.copywriting import writer
from tests.engines import tiny_clip
from tests.jobs.command_line import run_job
from tests.warehouse.rot import flip


def test_copies_and_neighbours_are_published_once(picture_shop: Store) -> None:
    code, report, err = run_job(picture_shop, "find_similar_images", "k=5")
    assert (code, report["outcome"]) == (0, "published"), err
    rows = pl.DataFrame(picture_shop.snapshot("similar_images").read()).sort("image_id")
    images = pl.DataFrame(picture_shop.snapshot("product_images").read()).sort("image_id")
    assert rows["image_id"].to_list() == images["image_id"].to_list()
    sha256 = dict(images.select("image_id", "sha256").iter_rows())
    product = dict(images.select("image_id", "product_id").iter_rows())
    copies = rows.filter(same="file")
    assert copies.height == 13
    for row in copies.iter_rows(named=True):
        assert sha256[row["image_id"]] == sha256[row["copy_of"]] and row["copies"] >= 2
        assert product[row["copy_of"]] in row["products"] and row["product_id"] not in row["products"]
    assert rows.filter(pl.col("copies") == 1)["same"].null_count() == rows.filter(pl.col("copies") == 1).height
    check_neighbours(picture_shop, rows, 5)
    assert run_job(picture_shop, "find_similar_images", "k=5")[1]["outcome"] == "nothing to do"
    file = Path(f"{picture_shop.root}/_runs/find_similar_images/{report['run_id']}/pictures.html")
    page = file.read_text("utf-8")
    assert page.count("the same file") == 13 and '<img src="data:image/jpeg;base64,' in page
    file.unlink()  # as if the run had been killed between table and page
    again = run_job(picture_shop, "find_similar_images", "k=5")[1]
    assert again["outcome"] == "published"
    assert Path(f"{picture_shop.root}/_runs/find_similar_images/{again['run_id']}/pictures.html").is_file()


def test_a_picture_of_no_product_is_shown_as_such(picture_shop: Store) -> None:
    vectors = pl.DataFrame(picture_shop.snapshot("image_vectors").read())
    table = picture_shop.snapshot("image_vectors")
    without = vectors.with_columns(pl.lit(None, pl.String).alias("product_id")).to_arrow().cast(table.schema)
    file = picture_shop.write_file(IMAGE_VECTORS, without, "without", 0)
    picture_shop.commit(IMAGE_VECTORS, [file], "replace", "without", dict(table.metadata))
    code, report, err = run_job(picture_shop, "find_similar_images", "k=5")
    assert code == 0, err
    page = Path(f"{picture_shop.root}/_runs/find_similar_images/{report['run_id']}/pictures.html").read_text("utf-8")
    assert "of no product" in page and "None" not in page


def test_pictures_that_went_since_look_like_no_other_and_damage_is_made_good(picture_shop: Store) -> None:
    assert run_job(picture_shop, "find_similar_images", "k=5")[0] == 0
    before = pl.DataFrame(picture_shop.snapshot("similar_images").read())
    gone = before.filter(pl.col("copies") == 1)["image_id"].sort().head(2).to_list()
    kept = [row for row in picture_shop.snapshot("product_images").read().to_pylist() if row["image_id"] not in gone]
    writer.put(picture_shop, kept, PRODUCT_IMAGES)
    code, _, err = run_job(picture_shop, "find_similar_images", "k=5")
    assert code == 0, err
    after = pl.DataFrame(picture_shop.snapshot("similar_images").read())
    columns = ["image_id", "copy_of", "same", "copies"]
    assert after.select(columns).sort("image_id").equals(before.select(columns).sort("image_id"))
    writer.put(picture_shop, [], PRODUCT_IMAGES)
    code, _, err = run_job(picture_shop, "find_similar_images", "k=5")
    assert code == 3 and "product_images has no rows" in err and "gates.rows=any" in err
    writer.put(picture_shop, kept, PRODUCT_IMAGES)
    (file,) = picture_shop.snapshot("similar_images").files
    flip(Path(file.uri), random.Random(3))
    code, report, err = run_job(picture_shop, "find_similar_images", "k=5")
    assert (code, report["outcome"]) == (0, "published"), err
    assert "similar_images" in report["message"] and "made anew" in report["message"]
    assert not Path(file.uri).exists() and picture_shop.snapshot("similar_images").rows == after.height
    assert run_job(picture_shop, "find_similar_images", "k=5")[1]["outcome"] == "nothing to do"


def check_neighbours(store: Store, rows: pl.DataFrame, k: int) -> None:
    """Compare with all cosines: other products only, and one of several copies."""
    vectors = pl.DataFrame(store.snapshot("image_vectors").read()).sort("image_id")
    matrix = np.stack([np.frombuffer(v, np.int8) for v in vectors["vector"]]) * vectors["scale"].to_numpy()[:, None]
    cosines = matrix @ matrix.T
    place = {name: n for n, name in enumerate(vectors["image_id"].to_list())}
    first = np.array([place[name] for name in rows["copy_of"].to_list()])
    for n, row in enumerate(rows.iter_rows(named=True)):
        allowed = (first == np.arange(len(first))) & (first != first[n])
        wanted = np.sort(cosines[n][allowed])[::-1][:k]
        np.testing.assert_allclose([s["score"] for s in row["similar"]], wanted, atol=1e-4)
        assert all(s["product_id"] != row["product_id"] and allowed[place[s["image_id"]]] for s in row["similar"])


def test_words_find_pictures_with_an_encoder_that_reads_both(picture_shop: Store, tmp_path: Path) -> None:
    code, _, err = run_job(picture_shop, "find_similar_images", "texts=[red shoe]")
    assert code == 2 and "reads pictures only" in err
    clip = tiny_clip.build(tmp_path / "clip")
    arguments = ("engine={kind: openvino}", f"encoder={clip}", "workers=1")
    code, _, err = run_job(picture_shop, "embed_images", *arguments)
    assert code == 0, err
    assert picture_shop.snapshot("image_vectors").metadata["encoder"].startswith("clip@")
    best = search_by_words(picture_shop, ["red shoe", "蓝色的包"], 4)
    assert [len(answers) for answers in best] == [4, 4]
    for answers in best:
        scores = [score for _, score in answers]
        assert scores == sorted(scores, reverse=True) and all(-1.01 <= score <= 1.01 for score in scores)
    code, report, err = run_job(picture_shop, "find_similar_images", "texts=[red shoe]")
    assert code == 0, err
    page = Path(f"{picture_shop.root}/_runs/find_similar_images/{report['run_id']}/pictures.html").read_text("utf-8")
    assert page.count("red shoe") == 10
