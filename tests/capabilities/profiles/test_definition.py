"""What a profile says: equal to the SQL definition (`oracle.sql`), with all tables or few, odd rows and odd ids."""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from shopbatch.core.errors import GateRefused
from shopbatch.runs.report import Report
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.conftest import AS_OF, FIRST_DAY, copy_of, quick
from tests.capabilities.profiles.shop import CATALOGUE, at, expected_profiles, line, open_shop, profiles, put, run


def everything(store: Store) -> None:
    """A shop with a row of every kind in every table."""
    open_shop(
        store,
        [
            *(
                line(f"b{i}", f"p{i % 4}", f"u{i % 6}", f"2024-0{i % 3 + 1}-{i % 27 + 1:02}", value=90 + i)
                for i in range(60)
            ),
            line("r1", "p1", "u1", "2024-03-10", quantity=-2, value=-180),
            line("r2", "p1", "returns only", "2024-03-10", quantity=-1, value=-50),
            line("z", "p2", "u1", "2024-03-11", quantity=0, value=30),
            line("neg", "p3", "u4", "2024-03-19", value=-500),  # a refund written as one unit is no visit
            line("neg0", "p3", "returns only", "2024-03-11", quantity=0, value=-25),
            # several lines of one product in a basket, the last one corrected; an exchange
            *(line("several", "p1", "many lines", "2024-03-12", value=70, line_number=n) for n in (None, 2, 7)),
            line(
                "several", "p1", "many lines", "2024-03-12", value=71, line_number=7, ingested_at=at("2024-03-19", 11)
            ),
            line("exchange", "p2", "u0", "2024-03-12", quantity=2, value=2000, line_number=1),
            line("exchange", "p2", "u0", "2024-03-12", quantity=-1, value=-1000, line_number=2),
            # never paid, paid and then cancelled, cancelled and then paid, refunded
            *(line(f"c{i}", "p3", "u2", "2024-03-15", value=900, order_status="cancelled") for i in range(2)),
            line("c2", "p3", "u2", "2024-03-15", value=910),
            line(
                "c2",
                "p3",
                None,
                transaction_at=None,
                quantity=None,
                value=None,
                order_status="cancelled",
                ingested_at=at("2024-03-16"),
            ),
            line("c3", "p3", "u2", "2024-03-15", value=920, order_status="cancelled"),
            line("c3", "p3", "u2", "2024-03-15", value=920, order_status="paid", ingested_at=at("2024-03-16")),
            line("c4", "p2", "u3", "2024-03-16", quantity=3, value=930, order_status="refunded"),
            line("c4", "p1", "u3", "2024-03-16", quantity=1, value=940, order_status="paid"),
            line("c5", "p2", "only refunded", "2024-03-16", quantity=2, value=950, order_status="refunded"),
            line("c6", "p2", "u3", "2024-03-17", quantity=-1, value=-310, order_status="refunded"),
            # ids with blanks at their ends, and one that differs by its case alone
            *(
                line(f"w{i}", p, u, "2024-03-14")
                for i, (p, u) in enumerate(
                    [("p1 ", "u1\t"), ("\u00a0p2", "\u3000u1"), ("p3\u200b", "u1\ufeff"), ("p1", "U1")]
                )
            ),
            line("disc", "p2", "u2", "2024-03-12", retail_discount=1, coupon_discount=2, coupon_match_discount=None),
            line("b3", "p3", "u3", "2024-03-13", value=7, ingested_at=at("2024-03-19")),
            line("b3", "p3", "u3", "2024-03-13", value=8, ingested_at=at("2024-03-25")),
        ],
    )
    sent = [("c1", "u1"), ("c1", "u2"), ("c2", "u1")]
    put(store, CAMPAIGNS, [{"campaign_id": c, "user_id": u, "starts_at": at("2024-02-01")} for c, u in sent])
    put(store, CAMPAIGNS, [{"campaign_id": "c9", "user_id": "u1", "starts_at": at("2024-03-20")}])
    put(store, COUPONS, [{"campaign_id": "c1", "coupon_id": k, "product_id": p} for k in "xy" for p in ("p1", "p2")])
    put(store, REDEMPTIONS, [
        {"user_id": u, "campaign_id": "c1", "coupon_id": "x", "redeemed_at": at(d)}
        for u, d in (("u1", "2024-02-20"), ("u1", "2024-03-20"), ("only redeems", "2023-11-01"))
    ])  # fmt: skip
    put(store, REVIEWS, [
        {"review_id": r, "user_id": u, "created_at": at(d)}
        for r, u, d in (("v1", "u1", "2024-03-01"), ("v2", "u1", "2024-03-21"), ("v3", "only writes", "2024-03-02"),
                        ("v1", "u1", "2024-03-05"), ("v4", None, "2024-03-01"), ("v5", "u1", "2024-03-04"))
    ])  # fmt: skip
    scored = {"content_hash": "0", "recipe": "r", "scored_at": at("2024-03-30"), "run_id": "x", "p_neutral": 0.1}
    put(store, REVIEW_SENTIMENT, [
        {**scored, "review_id": r, "label": label, "p_negative": n, "p_positive": p}
        for r, label, n, p in (("v1", "positive", 0.1, 0.8), ("v5", "negative", 0.7, 0.2))
    ])  # fmt: skip
    put(store, EVENTS, [
        {"event_id": f"e{i}", "user_id": f"u{i % 3}", "event_type": kind, "event_time": at(d)}
        for i, (kind, d) in enumerate([(k, d) for k in ("view", "cart", "search", "invitation", "view", "dance")
                                       for d in ("2024-01-01", "2024-03-01", "2024-03-19", "2024-03-20")])
    ])  # fmt: skip
    put(store, EVENTS, [{"event_id": "e0", "user_id": "u5", "event_type": "view", "event_time": at("2024-03-18"),
                         "ingested_at": at("2024-03-19")}])  # fmt: skip


@pytest.fixture(scope="module")
def whole_shop_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Report]:
    """A shop with a row of every kind, its profiles of two days, and the report of the run that published them."""
    store = Store(str(tmp_path_factory.mktemp("whole-shop") / "warehouse"))
    everything(store)
    with quick(spark):
        return store, run(spark, store, as_of="2024-03-19..2024-03-20")


@pytest.fixture
def whole_shop(whole_shop_once: tuple[Store, Report], tmp_path: Path) -> Store:
    """A copy of that shop."""
    return copy_of(whole_shop_once[0], tmp_path / "whole-shop")


def test_every_group_of_features_equals_the_sql_definition(whole_shop_once: tuple[Store, Report]) -> None:
    store, report = whole_shop_once
    for day in (date(2024, 3, 19), AS_OF):
        assert differences(profiles(store, day), expected_profiles(store, day)) == {}
    # superseded: two earlier versions of b3, one of several, c2 before it was cancelled, c3 before it was paid
    assert report.rejects == {"superseded": 5, "cancelled": 3}
    assert all(gate.passed for gate in report.gates) and report.message == ""
    assert store.snapshot("events_rejects").read(["reason"])["reason"].to_pylist().count("no_type") == 4


def test_a_line_with_negative_money_is_no_visit(whole_shop_once: tuple[Store, Report]) -> None:
    """What the oracle says too, as a user would look at it."""
    rows = {r["user_id"]: r for r in profiles(whole_shop_once[0], AS_OF).to_pylist()}
    only_returns, refunded, many_lines = rows["returns only"], rows["only refunded"], rows["many lines"]
    assert (only_returns["return_lines"], only_returns["returned_units"]) == (2, 1)
    assert only_returns["returned_value"] == Decimal("0.75")
    assert only_returns["baskets_all"] == only_returns["active_months"] == 0
    assert only_returns["days_since_last"] is None and only_returns["sales_all"] == Decimal("-0.75")
    assert rows["u4"]["days_since_last"] > 1 and rows["u4"]["returned_units"] == 1  # a refund of one unit yesterday
    assert (refunded["baskets_all"], refunded["units_all"], refunded["returned_units"]) == (1, 2, 2)
    assert (refunded["sales_all"], refunded["returned_value"]) == (Decimal(0), Decimal("9.50"))
    assert (many_lines["units_all"], many_lines["baskets_all"], many_lines["sales_all"]) == (3, 1, Decimal("2.11"))
    assert "U1" in rows and not any(user != user.strip() for user in rows)


def test_a_knowledge_cut_and_a_short_half_life(spark: SparkSession, whole_shop: Store) -> None:
    """At the cut one correction of a line had come, and one of a line and one of an event had not."""
    store, cut = whole_shop, at("2024-03-19", 11)
    # users who bought nothing for 63 to 219 half lives; the oracle counts an age of more than 120 as 120
    old = [(2020 + i, f"p{j % 4}", f"0{j + 1}", 500 + 7 * j) for i in range(4) for j in range(5)]
    put(store, TRANSACTIONS, [line(f"{y}{d}", p, f"old{y}", f"{y}-01-{d}", value=v) for y, p, d, v in old])
    run(spark, store, as_of=AS_OF, restate=AS_OF, knowledge_cut=cut, half_life_days=7, gates={"drift": 99})
    rows = profiles(store, AS_OF)
    assert differences(rows, expected_profiles(store, AS_OF, knowledge_cut=cut, half_life=7)) == {}
    assert rows["knowledge_cut"][0].as_py() == cut
    assert [len(row["top_products"]) for row in rows.to_pylist() if row["user_id"].startswith("old")] == [4] * 4


def test_without_the_optional_tables_their_features_are_null(spark: SparkSession, first_day: Store) -> None:
    store = first_day
    rows = profiles(store, FIRST_DAY)
    assert differences(rows, expected_profiles(store, FIRST_DAY)) == {}
    assert [rows[n].null_count for n in ("campaigns_received", "views_30d", "reviews_written")] == [4, 4, 4]
    # nothing but transactions, which another system wrote: a column of its own, and none that came later
    for name in ("products", "users"):
        shutil.rmtree(store.uri(name))
    expected = expected_profiles(store, FIRST_DAY)
    data = store.snapshot("transactions").read().drop_columns(["line_number", "order_status", "unit_price"])
    data = data.append_column("till", pa.array(["7"] * data.num_rows))
    write_deltalake(store.uri("transactions"), data, mode="overwrite", schema_mode="overwrite")
    with pytest.raises(GateRefused, match="products has no rows, and the live version is made of 3"):
        run(spark, store, as_of=FIRST_DAY, restate=FIRST_DAY)
    report = run(spark, store, as_of=FIRST_DAY, restate=FIRST_DAY, gates={"rows": "any"})
    rows = profiles(store, FIRST_DAY)
    assert differences(rows, expected) == {}
    absent = ("top_departments", "brands_bought", "price_level", "unknown_product_sales", "age")
    assert [rows[n].null_count for n in absent] == [4] * 5 and rows["top_products"].to_pylist() == [["p1"]] * 4
    assert "no table products, so departments" in report.message and "no table users" in report.message
    assert {"products", "users", "campaigns", "events"} <= set(report.metrics["tables that are not there"])


def test_a_catalogue_or_user_that_was_loaded_twice_counts_once(spark: SparkSession, store: Store) -> None:
    open_shop(store, [line(f"b{i}", f"p{i % 4}", f"u{i % 2}", value=90 + i) for i in range(8)])
    # of p1 and u1 the row that counts comes first, of p2 and u0 last; p3's is the one that was changed last
    moved = {"department": "PASTRY", "category": None, "brand": "Private"}
    put(store, PRODUCTS, [{"product_id": "p1", **moved}])
    put(store, PRODUCTS, [*CATALOGUE, *CATALOGUE])
    put(store, PRODUCTS, [{"product_id": "p2 ", **moved}])
    for day, department in (("2024-03-02", "DELI"), ("2024-03-01", "ZOO")):
        put(store, PRODUCTS, [{"product_id": "p3", "department": department, "updated_at": at(day)}])
    by_age, by_income = {"age": "35-44", "income": None}, {"age": None, "income": "50-74K"}
    for user, rows in (("u1", (by_age, by_income)), ("u0", (by_income, by_age))):
        for row in rows:
            put(store, USERS, [{"user_id": user, **row}])
    run(spark, store, as_of=AS_OF)
    rows = profiles(store, AS_OF)
    assert differences(rows, expected_profiles(store, AS_OF)) == {}
    assert rows["age"].to_pylist() == ["35-44", "35-44"]
    assert [d.as_py() for d in rows["top_departments"]] == [["PASTRY", "unknown"], ["DELI", "PASTRY"]]
