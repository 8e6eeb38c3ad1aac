"""Conditions as a user writes them, beside the same conditions in Python."""

from decimal import Decimal

import pyarrow as pa
import pytest

from shopbatch.capabilities.search.conditions import COLUMNS, mask_of, split_filters, wrong_filters
from shopbatch.core.errors import UserError
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS

PRICES = [None, "9.99", "50", "49.999", "120"]
BRANDS = ["Acme", "acme", None, "Bolt", "Acme"]


@pytest.fixture(scope="module")
def products():
    prices = pa.array(
        [None if p is None else Decimal(p) for p in PRICES], PRODUCT_EMBEDDINGS.schema().field("price").type
    )
    rows = PRODUCT_EMBEDDINGS.fill(5, product_id=pa.array(list("abcde")), price=prices, brand=pa.array(BRANDS))
    return rows.select(COLUMNS)


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ("price<50", [1, 3]),
        ("price<=50; brand=Bolt", [3]),
        ("brand=", [2]),
        ("price>1000", []),
        ("brand~cm ; price!=", [1, 4]),
    ],
    ids=["below", "two", "null", "none", "contains"],
)
def test_the_products_that_meet_all_conditions(products, filters, kept):
    assert wrong_filters(filters) is None
    assert [n for n, meets in enumerate(mask_of(products, split_filters(filters))) if meets] == kept


def test_no_condition_is_no_mask(products):
    assert mask_of(products, split_filters(" ; ")) is None
    assert mask_of(products, split_filters(None)) is None


@pytest.mark.parametrize("wrong", ["cheap", "prise<50", "price<cheap", "price<"], ids=str)
def test_what_cannot_be_read_is_said(products, wrong):
    assert wrong_filters(f"brand=Acme; {wrong}") is not None
    with pytest.raises(UserError, match="--where"):
        mask_of(products, [wrong])
