"""The generated shop's catalogue, users and logs agree with one another, column by column."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shopbatch.sample.activity import events, transactions
from shopbatch.sample.offers import gtins
from shopbatch.sample.shop import Shop, products, users
from shopbatch.sample.shop_words import shop_words
from shopbatch.tables.products import AVAILABILITY

SHOP = Shop(reviews=100, products=1_200, users=2_000, seed=4, lines=60_000, events=40_000)
OPENED = datetime(2023, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def catalogue() -> list[dict]:
    return products(SHOP, 0, SHOP.products).to_pylist()


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(transactions(SHOP, 0, SHOP.lines)))


@pytest.fixture(scope="module")
def logged() -> list[dict]:
    return events(SHOP, 0, SHOP.events).to_pylist()


def share(rows: list[dict], column: str) -> float:
    return sum(row[column] is not None for row in rows) / len(rows)


def test_attributes_and_description_say_what_title_and_size_say(catalogue: list[dict]) -> None:
    words = shop_words().products
    for row in catalogue:
        known = dict(row["attributes"] or ())
        assert list(known) == sorted(known)
        if known:
            assert row["title"] == f"{row['brand']} {known['colour']} {row['product_type']}"
            assert known.get("size") == row["package_size"]
            assert known["material"] in words.materials[row["product_type"]]
            assert ("season" in known) == (row["product_type"] in words.worn)
        if row["description"]:
            said = row["description"]
            assert all(value in said for value in known.values())
            assert row["brand"] in said and row["product_type"] in said
            assert set(re.findall(r"\d+", said)) <= set(re.findall(r"\d+", f"{row['brand']} {row['package_size']}"))
            others = set(words.colours) - {row["title"].split()[2]}
            assert not others & set(re.findall(r"\w+", said))
            made_of = {m for listed in words.materials.values() for m in listed if f" {m}" in said}
            assert made_of <= set(words.materials[row["product_type"]]) | {"steel"}
    assert share(catalogue, "attributes") == pytest.approx(0.95, abs=0.02)
    assert share(catalogue, "description") == pytest.approx(0.90, abs=0.03)
    assert len({row["description"] for row in catalogue}) > 500


def test_variants_are_one_thing_in_several_colours_or_sizes(catalogue: list[dict]) -> None:
    groups: dict[str, list[dict]] = {}
    for row in catalogue:
        groups.setdefault(row["item_group_id"], []).append(row)
    alone = groups.pop(None)
    assert 0.2 < len(alone) / len(catalogue) < 0.6
    assert sum(len(rows) > 1 for rows in groups.values()) > 100
    for rows in groups.values():
        assert len({(r["brand"], r["product_type"]) for r in rows}) == 1
        for name in ("material", "season"):
            assert len({dict(r["attributes"]).get(name) for r in rows if r["attributes"]}) <= 1
    assert any(len({r["title"] for r in rows}) > 1 for rows in groups.values())


def test_prices_stock_links_and_times_are_those_of_a_catalogue(catalogue: list[dict]) -> None:
    for row in catalogue:
        assert row["price"] > 0
        assert row["sale_price"] is None or 0 < row["sale_price"] < row["price"]
        assert ("sale" in row["tags"]) == (row["sale_price"] is not None)
        assert row["product_type"] in row["tags"]
        assert row["url"] == f"https://www.shop.example/products/{row['product_id']}"
        assert row["image_url"] == f"https://images.shop.example/{row['product_id']}.jpg"
        assert (row["currency"], row["language"], row["market"]) == ("USD", "en", "US")
        assert row["created_at"] < OPENED
        assert row["created_at"] <= row["updated_at"] < OPENED.replace(year=2025)
    assert share(catalogue, "sale_price") == pytest.approx(0.15, abs=0.03)
    assert {row["availability"] for row in catalogue} == set(AVAILABILITY)
    assert any(row["updated_at"] > OPENED for row in catalogue)


def test_gtins_have_their_check_digit(catalogue: list[dict]) -> None:
    # check digits of printed codes, not of this code's own rule
    printed = ["4006381333931", "9780306406157", "0036000291452", "5901234123457"]
    assert [str(g).zfill(13) for g in gtins(np.array([int(g[:12]) for g in printed])).to_pylist()] == printed
    codes = [row["gtin"] for row in catalogue]
    assert len(set(codes)) == len(codes)
    for code in codes:
        assert re.fullmatch(r"2\d{12}", code)
        assert sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(code)) % 10 == 0


def test_a_line_is_the_catalogues_price_less_discounts(catalogue: list[dict], lines: pl.DataFrame) -> None:
    price = pl.DataFrame({"product_id": [r["product_id"] for r in catalogue], "price": [r["price"] for r in catalogue]})
    joined = lines.join(price, on="product_id")
    assert len(joined) == len(lines)
    assert (joined["unit_price"] == joined["price"]).all()
    discounts = pl.sum_horizontal(pl.col("^.*_discount$").cast(pl.Float64))
    owed = pl.col("unit_price").cast(pl.Float64) * pl.col("quantity") - discounts
    assert lines.select((owed - pl.col("sales_value").cast(pl.Float64)).abs().max()).item() < 1e-6
    assert lines.select(pl.min_horizontal(pl.col("^.*_discount$")).min()).item() == Decimal(0)
    assert (lines["coupon_match_discount"] > 0).sum() > 100
    numbers = lines.group_by("basket_id").agg(pl.col("line_number").sort())
    assert all(n.to_list() == list(range(1, len(n) + 1)) for n in numbers["line_number"])


def test_few_baskets_are_cancelled_or_refunded_and_those_as_a_whole(lines: pl.DataFrame) -> None:
    baskets = lines.group_by("basket_id").agg(pl.col("order_status").unique())
    assert (baskets["order_status"].list.len() == 1).all()
    shares = dict(baskets["order_status"].list.first().value_counts(normalize=True).rows())
    assert shares == pytest.approx({"paid": 0.99, "cancelled": 0.005, "refunded": 0.005}, abs=0.002)


def test_users_say_what_they_agreed_to_and_when() -> None:
    rows = users(SHOP, 0, SHOP.users).to_pylist()
    for channel, (asked, given) in shop_words().users.consents.items():
        said = [(row[f"{channel}_consent"], row[f"{channel}_consent_at"]) for row in rows]
        assert all((consent is None) == (at is None) for consent, at in said)
        assert all(at < OPENED for _, at in said if at)
        known = [consent for consent, _ in said if consent is not None]
        assert len(known) / len(said) == pytest.approx(asked, abs=0.04)
        assert sum(known) / len(known) == pytest.approx(given, abs=0.05)
    assert {(row["language"], row["market"]) for row in rows} == {
        ("en", "US"),
        ("zh", "CN"),
        ("zh", "US"),
        (None, None),
    }


def test_a_search_shows_what_was_searched(catalogue: list[dict], logged: list[dict]) -> None:
    sold = {row["product_id"]: row for row in catalogue}
    colours = set(shop_words().products.colours)
    searches = [e for e in logged if e["event_type"] == "search"]
    assert len(searches) > 3_000
    assert all(e["query"] is None and e["results_shown"] is None for e in logged if e["event_type"] != "search")
    in_colour = 0
    for event in searches:
        shown = [sold[p] for p in event["results_shown"]]
        assert len(set(event["results_shown"])) == len(shown) == 5
        word = event["query"].split()[0]
        colour = word if word in colours else ""
        in_colour += bool(colour)
        assert {row["product_type"] for row in shown} == {event["query"].removeprefix(colour).strip()}
        assert any(colour in row["title"] for row in shown)  # the product that was meant is there
    assert in_colour / len(searches) == pytest.approx(0.4, abs=0.03)


def test_a_visit_is_one_users_day_in_one_place_and_invitations_need_consent(logged: list[dict]) -> None:
    agreed = {row["user_id"]: row for row in users(SHOP, 0, SHOP.users).to_pylist()}
    visits: dict[str, set] = {}
    for event in logged:
        if event["event_type"] == "invitation":
            assert event["session_id"] is None
            channel = event["channel"]
            assert channel == "post" or agreed[event["user_id"]][f"{channel}_consent"] is True
        else:
            visits.setdefault(event["session_id"], set()).add(
                (event["user_id"], event["event_time"].date(), event["channel"])
            )
        assert event["position"] is None or (event["event_type"] == "view" and 1 <= event["position"] <= 40)
    assert {len(visit) for visit in visits.values()} == {1}
    assert {channel for visit in visits.values() for _, _, channel in visit} == {"web", "app", "store"}
    assert {e["channel"] for e in logged if e["event_type"] == "invitation"} == {"email", "sms", "push", "post"}
    assert len(visits) < len(logged)


@pytest.mark.parametrize("count", [16, 40])
def test_a_tiny_shop_shows_the_few_products_that_it_has(count: int) -> None:
    shop = Shop(reviews=1, products=count, users=4, seed=1, lines=2, events=600)
    shown = [r for r in events(shop, 0, 600)["results_shown"].to_pylist() if r is not None]
    assert shown
    assert all(1 <= len(set(r)) == len(r) <= 5 for r in shown)
    whole = products(shop, 0, count)
    assert pa.concat_tables([products(shop, 0, 7), products(shop, 7, count - 7)]).equals(whole)
