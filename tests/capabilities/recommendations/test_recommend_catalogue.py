"""What the rules read of the catalogue, of all users together, and of a user's market: by small tables by hand."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.recommendations.recommend.catalogue import (
    ANYWHERE,
    ELSEWHERE,
    Catalogue,
    learn,
    read_catalogue,
    read_markets,
)
from shopbatch.capabilities.recommendations.recommend.config import Availability, RecommendConfig
from shopbatch.tables.products import AVAILABILITY
from shopbatch.tables.user_sequences import PURCHASE, VIEW
from shopbatch.warehouse.store import Store
from tests.capabilities.recommendations import shelf


def test_the_configuration_knows_every_availability() -> None:
    assert get_args(Availability) == AVAILABILITY


IDS = ["bare", "coat", "fuel", "gone", "sold", "tea"]


def config(**keys: object) -> RecommendConfig:
    return RecommendConfig.model_validate({"exclude": {"groups": {"department": ["FUEL"]}, "products": []}, **keys})


def catalogue_of(store: Store, **keys: object) -> Catalogue:
    old, new = (shelf.datetime_of(n) for n in (1, 2))
    coat = {"product_id": "coat", "category": "CLOTHES"}
    rows = [
        {**coat, "title": "New coat", "updated_at": new, "availability": "in_stock"},
        {**coat, "title": "Old coat", "updated_at": old, "availability": "out_of_stock"},
        {"product_id": "fuel", "title": "Diesel", "department": "FUEL"},
        {"product_id": "sold", "title": " ", "product_type": "Socks", "availability": "out_of_stock"},
        {"product_id": "bare", "availability": "preorder"},
        {"product_id": "tea", "title": "Tea", "market": "GB", "category": "DRINKS"},
        {"product_id": "no product of the model", "category": "AAA", "market": "FR"},
    ]
    shelf.put_products(store, rows)
    return read_catalogue(store.snapshot("products"), IDS, config(**keys))


def test_the_catalogue_in_the_numbers_of_the_model(store: Store) -> None:
    shop = catalogue_of(store)
    assert shop.listed.tolist() == [True, True, False, False, False, True]
    assert shop.nameable.tolist() == [True, True, False, True, True, True]
    assert shop.names.to_pylist() == ["bare", "New coat", "Diesel", "gone", "Socks", "Tea"]
    assert shop.markets == ("GB",) and shop.market.tolist() == [ANYWHERE] * 5 + [0]
    assert shop.values["category"] == ("CLOTHES", "DRINKS")
    assert shop.groups["category"].tolist() == [-1, 0, -1, -1, -1, 1]
    other = catalogue_of(store, exclude={"products": ["tea"], "availability": ["preorder"]})
    assert other.listed.tolist() == [False, True, True, False, True, False]
    assert len(read_catalogue(store.snapshot("products"), [], config()).ids) == 0


def test_a_market_that_no_product_names_is_elsewhere(store: Store) -> None:
    shelf.put_users(store, {"british": "GB", "french": "FR", "unknown": None})
    markets = read_markets(store.snapshot("users"), catalogue_of(store))
    asked = pa.array(["french", "nobody", "british", "unknown"])
    assert markets.of(asked).tolist() == [ELSEWHERE, ANYWHERE, 0, ANYWHERE]
    shelf.put_users(store, {"unknown": None}, "users-2")
    assert read_markets(store.snapshot("users"), catalogue_of(store)).of(asked).tolist() == [ANYWHERE] * 4


@pytest.mark.usefixtures("ray_local")
def test_repeatability_and_the_newest_day_are_those_of_all_users(store: Store) -> None:
    again = {f"a{n}": [("coat", 1, PURCHASE), ("coat", 1 + n % 2, PURCHASE), ("tea", 1, PURCHASE)] for n in range(40)}
    late = {"late": [("unheard of", 90, VIEW)]}
    shelf.put_histories(store, again | late)
    learned = learn(store.snapshot("user_sequences"), catalogue_of(store), "category")
    assert learned.shares == {"CLOTHES": 0.5, "DRINKS": 0.0}
    assert learned.newest == (shelf.day(90) - shelf.day(0)).days + np.datetime64(shelf.START).astype(int)
    shelf.put_histories(store, {}, "sequences-2")
    nothing = learn(store.snapshot("user_sequences"), catalogue_of(store), "category")
    assert nothing.newest is None and nothing.shares == {}
