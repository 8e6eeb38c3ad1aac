"""The generated shop's logs: transactions and events in order of time, some late; campaigns and what came of them."""

from datetime import timedelta

import polars as pl
import pyarrow as pa
import pytest

from shopbatch.sample import fill_generated
from shopbatch.sample.activity import events, transactions
from shopbatch.sample.campaigns import campaigns, redemptions
from shopbatch.sample.shop import Shop
from shopbatch.tables import TABLES
from shopbatch.warehouse.store import Store

LINES = 300_000
SHOP = Shop(reviews=1_000, products=400, users=3_000, seed=11, lines=LINES, events=LINES)
HOURS = (timedelta(hours=1), timedelta(hours=72))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("logs")))
    fill_generated(store, 1_000, 11, lines=LINES)
    return store


def frame(store: Store, table: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.snapshot(table).read()))


@pytest.mark.parametrize("make", [transactions, events, campaigns, redemptions])
def test_rows_do_not_depend_on_how_they_are_cut_and_ordered(make: object) -> None:
    assert callable(make)
    whole = make(SHOP, 0, 20_000)
    parts = [make(SHOP, first, 5_000) for first in (15_000, 0, 10_000, 5_000)]
    assert whole.num_rows > 100
    assert pa.concat_tables([parts[i] for i in (1, 3, 2, 0)]).equals(whole)


@pytest.mark.parametrize("name", ["transactions", "campaigns", "coupons", "redemptions"])
def test_keys_are_unique(warehouse: Store, name: str) -> None:
    assert not frame(warehouse, name).select(TABLES[name].key).is_duplicated().any()


def test_transactions_are_in_order_of_time_and_some_late(warehouse: Store) -> None:
    lines = frame(warehouse, "transactions")
    assert lines["transaction_at"].is_sorted()
    assert lines["transaction_at"].max() - lines["transaction_at"].min() > timedelta(days=729)
    baskets = lines.group_by("basket_id").agg(pl.col("transaction_at", "ingested_at").n_unique()).drop("basket_id")
    assert (baskets.max().row(0)) == (1, 1)  # a basket is paid, and arrives, as one
    late = lines.drop_nulls("ingested_at")
    assert late["basket_id"].n_unique() / lines["basket_id"].n_unique() == pytest.approx(0.02, abs=0.002)
    assert (late["ingested_at"] - late["transaction_at"]).is_between(*HOURS).all()


def test_files_are_of_neighbouring_times(warehouse: Store) -> None:
    for table, column in (("transactions", "transaction_at"), ("events", "event_time")):
        snapshot = warehouse.snapshot(table)
        first, second = (frame(warehouse, table)[a:b] for a, b in ((0, 262_144), (262_144, LINES)))
        assert [f.rows for f in snapshot.files] == [len(first), len(second)]
        assert first[column].max() - second[column].min() < timedelta(days=3)


def test_events_have_their_shares(warehouse: Store) -> None:
    rows = frame(warehouse, "events")
    assert len(rows) == LINES
    shares = {kind: count / LINES for kind, count in rows["event_type"].value_counts().rows()}
    assert shares == pytest.approx({"view": 0.70, "cart": 0.15, "search": 0.10, "invitation": 0.05}, abs=0.005)
    assert (rows["product_id"].is_null() == rows["event_type"].is_in(["search", "invitation"])).all()
    once = rows.filter(pl.col("event_id").is_first_distinct())
    assert once["event_time"].is_sorted()
    late = once.drop_nulls("ingested_at")
    assert len(late) / len(once) == pytest.approx(0.02, abs=0.002)
    assert (late["ingested_at"] - late["event_time"]).is_between(*HOURS).all()
    assert rows.join(frame(warehouse, "users"), on="user_id", how="anti").is_empty()
    named = rows.drop_nulls("product_id")
    assert named.join(frame(warehouse, "products"), on="product_id", how="anti").is_empty()


def test_events_that_come_again_are_the_same_but_later(warehouse: Store) -> None:
    rows = frame(warehouse, "events")
    arrival = pl.col("ingested_at").fill_null(pl.col("event_time"))
    first = pl.col("event_id").is_first_distinct()
    again = rows.filter(~first)
    assert len(again) / LINES == pytest.approx(0.002, abs=0.0005)
    both = again.join(rows.filter(first).with_columns(arrived=arrival), on="event_id", suffix="_first")
    assert len(both) == len(again)
    assert (both["ingested_at"] > both["arrived"]).all()
    for column in ("user_id", "event_type", "product_id", "event_time", "source"):
        assert both[column].eq_missing(both[f"{column}_first"]).all()


def test_users_look_at_what_they_like_to_buy(warehouse: Store) -> None:
    taste = pl.col("product_id").str.slice(2).cast(pl.Int64) % 16
    looked = frame(warehouse, "events").drop_nulls("product_id").group_by("user_id").agg(taste.mode().first())
    bought = frame(warehouse, "transactions").group_by("user_id").agg(taste.mode().first())
    both = looked.join(bought, on="user_id", suffix="_bought")
    assert (both["product_id"] == both["product_id_bought"]).mean() > 0.95


def test_campaigns_are_sent_to_a_quarter_of_the_users(warehouse: Store) -> None:
    sent, users = frame(warehouse, "campaigns"), frame(warehouse, "users")
    assert len(sent) / (12 * len(users)) == pytest.approx(0.25, abs=0.01)
    assert sent.join(users, on="user_id", how="anti").is_empty()
    each = sent.select("campaign_id", "campaign_type", "starts_at", "ends_at").unique().sort("starts_at")
    assert len(each) == 12
    assert (each["ends_at"] - each["starts_at"] == timedelta(days=30)).all()
    assert (each["starts_at"][1:] >= each["ends_at"][:-1]).all()
    paid = frame(warehouse, "transactions")["transaction_at"]
    assert each["starts_at"].min() >= paid.min().replace(hour=0, minute=0, second=0)
    assert each["ends_at"].max() <= paid.max() + timedelta(days=1)


def test_coupons_are_redeemed_by_those_who_got_them_in_time(warehouse: Store) -> None:
    sent, coupons, used = (frame(warehouse, name) for name in ("campaigns", "coupons", "redemptions"))
    assert coupons.group_by("campaign_id").agg(pl.col("coupon_id").n_unique())["coupon_id"].to_list() == [20] * 12
    assert coupons.group_by("campaign_id", "coupon_id").len()["len"].unique().to_list() == [5]
    assert coupons.join(frame(warehouse, "products"), on="product_id", how="anti").is_empty()
    joined = used.join(sent, on=["campaign_id", "user_id"])
    assert len(joined) == len(used)
    assert (joined["redeemed_at"] > joined["starts_at"]).all()
    assert (joined["redeemed_at"] < joined["ends_at"]).all()
    assert used.join(coupons, on=["campaign_id", "coupon_id"], how="anti").is_empty()
    times = used.group_by("campaign_id", "user_id").len()["len"]
    assert len(times) / len(sent) == pytest.approx(0.05, abs=0.01)
    assert set(times) == {1, 2}
