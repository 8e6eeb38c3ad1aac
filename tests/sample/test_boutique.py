"""The boutique is the same on every machine, and holds what search and the guide are shown with."""

import hashlib
import json
from collections import Counter

import pyarrow as pa
import pytest

from shopbatch.core.errors import UserError
from shopbatch.sample import fill_boutique
from shopbatch.sample.boutique import PRODUCT_COUNT, products, queries, requests
from shopbatch.sample.pictures import pictures, shown
from shopbatch.warehouse.store import Store

DIGEST = "4eeff3e45fb1ca2c"
PICTURES = "1a902f0f3912fd7d"


def digest(table: object) -> str:
    rows = json.dumps(table.to_pylist(), default=str, ensure_ascii=False)  # type: ignore[attr-defined]
    return hashlib.blake2b(rows.encode(), digest_size=8).hexdigest()


def test_the_catalogue_is_the_same() -> None:
    assert digest(products(200)) == DIGEST


def test_care_fits_the_material() -> None:
    rows = products(600).to_pylist()
    said = {
        (dict(row["attributes"]).get("material", dict(row["attributes"]).get("材质")), row["description"])
        for row in rows
    }
    wiped = {material for material, text in said if material and ("damp cloth" in text or "湿布" in text)}
    washed = {material for material, text in said if material and ("Machine washable" in text or "可机洗" in text)}
    by_hand = {"wool", "羊毛", "silk", "真丝", "cashmere", "羊绒"}
    assert {"leather", "真皮", "glass", "玻璃"} <= wiped and not wiped & (washed | by_hand)
    assert {"cotton", "纯棉", "linen", "亚麻"} <= washed and not washed & by_hand


def test_a_product_does_not_depend_on_how_many_there_are() -> None:
    assert products(100).slice(0, 50).equals(products(50))


def test_the_catalogue_has_what_shoppers_ask_for() -> None:
    rows = products(PRODUCT_COUNT).to_pylist()
    assert len(rows) >= 400
    kinds = Counter(row["product_type"] for row in rows)
    assert kinds["羽绒服"] >= 5 and kinds["down jacket"] >= 5
    assert all(row["price"] > 0 and row["currency"] in ("USD", "CNY") for row in rows)
    assert all(row["sale_price"] is None or row["sale_price"] < row["price"] for row in rows)
    assert {row["language"] for row in rows} == {"en", "zh"}
    assert {"in_stock", "out_of_stock"} == {row["availability"] for row in rows}


def test_it_is_filled_once(tmp_path: object) -> None:
    store = Store(f"{tmp_path}/warehouse")
    first = fill_boutique(store, 40)
    english = sum(row["language"] == "en" for row in products(40).to_pylist())
    assert first.written and [t.rows for t in first.tables] == [40, queries().num_rows, requests().num_rows, english]
    assert not fill_boutique(store, 40).written
    assert fill_boutique(store, 41).written


def test_pictures_are_the_same_and_some_are_wrong_or_shared_on_purpose() -> None:
    whole = products(PRODUCT_COUNT)
    drawn = pictures(whole)
    assert digest_of_bytes(drawn) == PICTURES
    kinds = {row["product_id"]: row["product_type"] for row in whole.to_pylist() if row["language"] == "en"}
    assert drawn["product_id"].to_pylist() == list(kinds)
    shows = [shown(kind, number) for number, kind in enumerate(kinds.values())]
    assert sum(kind != other for kind, other in zip(kinds.values(), shows, strict=True)) == 10
    assert drawn.num_rows - len(set(drawn["sha256"].to_pylist())) == 13
    assert pictures(products(40)).equals(drawn.slice(0, pictures(products(40)).num_rows))


def digest_of_bytes(drawn: pa.Table) -> str:
    """Of what does not depend on the JPEG library."""
    return digest(drawn.select(["image_id", "perceptual_hash"]))


def test_a_size_out_of_range_is_the_users_mistake(tmp_path: object) -> None:
    with pytest.raises(UserError, match="rows must be from 1 to"):
        fill_boutique(Store(f"{tmp_path}/warehouse"), 0)
