"""presets.yaml: it fits the tables, and each system's own headers are recognised as that system and as no other."""

import csv
from pathlib import Path

import pytest
import yaml

from shopbatch.core.errors import UserError
from shopbatch.load.presets import (
    ATTRIBUTE,
    Preset,
    columns_of,
    extra_columns,
    file_column,
    preset,
    preset_names,
    presets,
    recognise,
    skip_columns,
    spelled_as,
)
from shopbatch.load.words import normal_name
from shopbatch.tables import SOURCES, TABLES
from shopbatch.tables.schema import TEXT_MAP

ENTRIES = [(system, table) for system, by_table in presets().items() for table in by_table]
HEADERS = [
    (system, table, next(csv.reader([header])))
    for system, by_table in yaml.safe_load(Path(__file__).with_name("preset_headers.yaml").read_text("utf-8")).items()
    for table, headers in by_table.items()
    for header in headers
]


@pytest.mark.parametrize(("system", "table"), ENTRIES)
def test_a_preset_speaks_of_columns_that_the_table_has(system: str, table: str) -> None:
    chosen, declared = preset(table, system), TABLES[table]
    attributes = {target for target in chosen.columns if target.startswith(ATTRIBUTE)}
    named = {*chosen.columns, *chosen.first, *chosen.constants, *chosen.html} - attributes
    assert table in SOURCES
    assert named | ({chosen.carry_by} if chosen.carry_by else set()) <= set(declared.names)
    assert not attributes or declared.schema().field("attributes").type == TEXT_MAP
    assert bool(chosen.carry) == bool(chosen.carry_by)
    assert not set(chosen.columns) & set(chosen.constants)
    assert all(target in {*chosen.columns, *chosen.constants} for target in declared.must_have)
    assert {*chosen.values, *chosen.beside, *chosen.deepest, *chosen.wordpress} <= set(chosen.columns)
    assert {*chosen.best, *chosen.together, *chosen.together.values()} <= set(declared.names)
    assert not chosen.compare_at or {"price", "sale_price"} <= set(chosen.columns)
    assert all({*order} == {*declared.columns[declared.names.index(c)].one_of} for c, order in chosen.best.items())
    key = [] if declared.key_from_content or table == "events" else declared.needed_key  # no event data set has ids
    assert all(target in chosen.columns for target in key)


def test_every_preset_has_real_headers() -> None:
    assert {(system, table) for system, table, _ in HEADERS} == set(ENTRIES)


@pytest.mark.parametrize(("system", "table", "header"), HEADERS)
def test_a_header_is_recognised_as_its_own_system_and_as_nothing_else(
    system: str, table: str, header: list[str]
) -> None:
    assert recognise(table, header) == system
    for other in SOURCES:
        assert other == table or recognise(other, header) in {
            None,
            *(system for one in ENTRIES if one == (system, other)),
        }
    there = {name.casefold() for name in header}
    fitting = [
        name
        for name in preset_names(table)
        for version in preset(table, name).recognised_by
        if {asked.casefold() for asked in version} <= there
    ]
    assert set(fitting) <= {system}


@pytest.mark.parametrize("table", SOURCES)
def test_a_file_with_our_own_names_is_of_no_system(table: str) -> None:
    for other in SOURCES:
        assert recognise(table, TABLES[other].names) is None


@pytest.mark.parametrize(
    ("table", "header"),
    [
        ("products", "sku,name,description,price,stock,image"),
        ("products", "id,title,description,brand,price,image_url"),
        ("products", "Handle,Title,Vendor,Price"),
        ("transactions", "order_id,order_item_id,product_id,quantity,price,order_date,order_status"),
        ("transactions", "order_id,sku,customer_id,qty,price,created_at"),
        # Etsy
        ("transactions", "Sale Date,Item Name,Buyer,Quantity,Price,Currency,Transaction ID,Listing ID,Order ID,SKU"),
        # the orders report of WooCommerce Analytics, which names no product
        (
            "transactions",
            "Date,Order #,N. Revenue (formatted),Status,Customer,Product(s),Items sold,Coupon(s),Net Sales",
        ),
        ("users", "email,first_name,last_name,country,newsletter"),
        ("reviews", "review_id,product_id,user_id,rating,title,body,created_at"),
        ("reviews", "id,stars,text,date"),
        ("events", "event_id,event_time,event_type,user_id,product_id,session_id"),
        ("events", "user_id,item_id,timestamp,event"),
    ],
)
def test_a_file_that_only_looks_similar_is_of_no_system(table: str, header: str) -> None:
    assert recognise(table, header.split(",")) is None


@pytest.mark.parametrize(("system", "table"), ENTRIES)
def test_every_column_that_a_preset_names_is_in_a_real_header(system: str, table: str) -> None:
    """The exceptions are columns that the owner documents and no collected header has."""
    chosen = preset(table, system)
    candidates = {name for names in (*chosen.columns.values(), chosen.codes, chosen.code_lists) for name in names}
    matched = {
        column
        for s, t, header in HEADERS
        if (s, t) == (system, table)
        for name in candidates
        for column in columns_of(Preset(recognised_by=(("x",),), columns={"x": (name,)}), header).values() and [name]
    }
    documented = {
        ("woocommerce", "products"): {"Prix régulier", "Prix promo", "¿Existencias?"},
        ("woocommerce", "transactions"): {
            "Product Id", "Customer User Email", "Quantity", "Order Line Total (- Refund)", "Order Line Total",
            "Currency",
        },
        ("magento", "products"): {"brand", "color", "size", "material", "gender", "configurable_variations"},
        ("olist", "reviews"): {"product_id", "customer_unique_id"},
        ("jd", "reviews"): {"评论ID"},
        ("judgeme", "reviews"): {"review_id"},
        ("wands", "judgements"): {"query"},  # it stands in the file beside
    }  # fmt: skip
    assert candidates - matched == documented.get((system, table), set())


@pytest.mark.parametrize(("system", "table"), ENTRIES)
def test_every_column_that_decides_what_is_for_sale_is_in_a_real_header(system: str, table: str) -> None:
    """And stays there under the name that a file gives to it."""
    headers = [header for s, t, header in HEADERS if (s, t) == (system, table)]
    read = {normal_name(c) for header in headers for c in extra_columns(spelled_as(preset(table, system), header))}
    assert {*map(normal_name, skip_columns(preset(table, system)))} <= read
    stock = preset(table, system).stock
    assert stock is None or {*map(normal_name, (*stock.quantity, *stock.tracked_by, *stock.oversold))} <= read


def test_the_first_existing_column_is_taken_however_it_is_spelled() -> None:
    chosen = preset("products", "shopify")
    names = ["handle", "TITLE", "Body_(HTML)", "Vendor", "Variant Price", "Price", "Google Shopping / Gender"]
    assert columns_of(chosen, names) == {
        "product_id": "handle",
        "title": "TITLE",
        "description": "Body_(HTML)",
        "brand": "Vendor",
        "price": "Variant Price",
        "attributes.gender": "Google Shopping / Gender",
    }
    assert file_column("Price", ["price", "PRICE", "Price"]) == "Price"
    assert file_column("Price", ["unit price", "PRICE", "price"]) == "PRICE"
    assert file_column("Price", ["unit price"]) is None


def test_a_translated_export_is_read_like_the_original() -> None:
    english, _, german, spanish, french = (
        header for system, table, header in HEADERS if (system, table) == ("woocommerce", "products")
    )
    chosen = preset("products", "woocommerce")
    for header in (german, spanish, french):
        assert {*columns_of(chosen, english)} <= {*columns_of(chosen, header)}
    for header in (english, german, spanish, french):
        there = [(file_column(name, header), file_column(value, header)) for name, value in chosen.pairs]
        assert any(name and value for name, value in there)


def test_the_second_version_of_a_file_has_the_columns_of_the_first() -> None:
    chosen = preset("transactions", "uci_online_retail")
    first, second = (header for system, _, header in HEADERS if system == "uci_online_retail")
    assert list(columns_of(chosen, first)) == list(columns_of(chosen, second)) == list(chosen.columns)
    assert columns_of(chosen, second)["user_id"] == "Customer ID"


def test_of_several_systems_the_one_that_asks_for_most_is_taken() -> None:
    both = ["review_id", "order_id", "review_score", "review_comment_message", "评论内容", "评论时间", "评分"]
    assert recognise("reviews", both[4:]) == "jd"
    assert recognise("reviews", both) == "olist"


def test_a_preset_that_does_not_exist_is_an_error_that_names_those_that_do() -> None:
    with pytest.raises(UserError, match="no preset 'ebay' for table 'products'; there are: amazon, esci, google_"):
        preset("products", "ebay")
    with pytest.raises(UserError, match="no preset 'shopify' for table 'coupons'; it has none"):
        preset("coupons", "shopify")
