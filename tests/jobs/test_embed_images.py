"""embed_images: pictures become vectors, each once; a second run computes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shopbatch.tables.images import PRODUCT_IMAGES
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import run_job
from tests.jobs.conftest import SIZE

pytestmark = pytest.mark.usefixtures("ray_local")
FAKE = ("engine.kind=fake", "engine.dim=16")


def put(store: Store, pictures: dict[str, bytes], name: str) -> None:
    """Make product_images hold these bytes; the fake engine decodes nothing."""
    count, texts = len(pictures), {"sha256": "0" * 64, "perceptual_hash": "0" * 64, "format": "PNG"}
    columns: dict[str, pa.Array] = {key: pa.repeat(value, count) for key, value in texts.items()}
    for key in ("image_id", "product_id", "uri"):
        columns[key] = pa.array(list(pictures), pa.string())
    numbers = {"width": pa.int32(), "height": pa.int32(), "bytes": pa.int64()}
    columns |= {key: pa.array([9] * count, kind) for key, kind in numbers.items()}
    columns["signature"] = pa.array([bytes(192)] * count, pa.binary())
    columns["picture"] = pa.array(list(pictures.values()), pa.binary())
    file = store.write_file(PRODUCT_IMAGES, PRODUCT_IMAGES.fill(count, **columns), name, 0)
    store.commit(PRODUCT_IMAGES, [file], "replace", name)


def published(store: Store) -> pl.DataFrame:
    return pl.DataFrame(store.snapshot("image_vectors").read()).sort("image_id")


def test_vectors_are_of_the_pictures_alone_and_in_eight_bits(embedded_pictures: Store) -> None:
    rows = published(embedded_pictures)
    vectors = np.stack([np.frombuffer(v, np.int8) for v in rows["vector"]]) * rows["scale"].to_numpy()[:, None]
    assert vectors.shape == (310, 768)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.02)
    copies = rows.group_by("sha256").agg(pl.len(), pl.col("vector").n_unique().alias("vectors"))
    assert copies.filter(pl.col("len") > 1)["vectors"].to_list() == [1] * 13
    memo = pl.read_delta(embedded_pictures.uri("embed_images_memo"))
    assert memo.height == 297 and {len(v) for v in memo["vector"]} == {1536}, "float16 in the memo"
    snapshot = embedded_pictures.snapshot("image_vectors")
    assert not any(snapshot.bounds(name) for name in ("vector", "image_id"))
    assert snapshot.metadata["encoder"].startswith("efficientnet-lite0@")


def test_a_second_run_computes_nothing(picture_shop: Store) -> None:
    version = picture_shop.snapshot("image_vectors").version
    code, report, _ = run_job(picture_shop, "embed_images", SIZE)
    assert (code, report["outcome"], report["rows"]["computed"]) == (0, "nothing to do", 0)
    assert picture_shop.snapshot("image_vectors").version == version


def test_a_changed_picture_computes_only_itself_and_a_bad_one_is_a_reject(store: Store) -> None:
    pictures = {f"{n}.png": b"picture %d" % (n // 2) for n in range(40)}
    put(store, pictures, "first")
    code, report, err = run_job(store, "embed_images", *FAKE)
    assert (code, report["rows"]["computed"]) == (0, 20), err
    before = published(store)
    put(store, pictures | {"7.png": b"another", "8.png": b"poison", "9.png": b""}, "second")
    code, report, err = run_job(store, "embed_images", *FAKE, "engine.fail_on=poison")
    assert (code, report["rows"]["computed"], report["rejects"]) == (0, 2, {"empty": 1, "engine_error": 1}), err
    after = published(store)
    both: Any = before.join(after, on="image_id", suffix="_now")
    assert both.filter(pl.col("vector") != pl.col("vector_now"))["image_id"].to_list() == ["7.png"]
    assert set(before["image_id"]) - set(after["image_id"]) == {"8.png", "9.png"}


def test_another_encoder_replaces_the_vectors_only_if_it_is_accepted(store: Store) -> None:
    put(store, {f"{n}.png": b"picture %d" % n for n in range(30)}, "first")
    assert run_job(store, "embed_images", *FAKE)[0] == 0
    other = ("engine.kind=fake", "engine.dim=8")
    assert run_job(store, "embed_images", *other, "gates.accept_recipe=null")[0] == 3
    assert {len(v) for v in published(store)["vector"]} == {16}
    assert run_job(store, "embed_images", *other)[0] == 0
    assert {len(v) for v in published(store)["vector"]} == {8}
