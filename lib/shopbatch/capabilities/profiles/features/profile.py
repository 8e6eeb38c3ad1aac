"""Join all groups of features to the rows of user_profiles; `run` calls `profiles` once for each day to publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_type

from shopbatch.capabilities.profiles.features import activity, affinity, outlook, touch
from shopbatch.capabilities.profiles.features.expressions import one_per_key, ratio
from shopbatch.tables.user_profiles import FEATURES, USER_PROFILES

_PERSON = ("age", "income", "household_size")
_RATES = {"cart_rate_30d": ("carts_30d", "views_30d"), "purchase_rate_30d": ("baskets_30d", "carts_30d")}
# Counts that are 0 for users without rows, but null for everyone if one of these input tables is missing.
_ZERO = {
    **dict.fromkeys(("departments_bought", "categories_bought", "brands_bought"), ("products",)),
    "unknown_product_sales": ("products",),
    "campaigns_received": ("campaigns",),
    "campaigns_responded": ("campaigns", "redemptions"),
    "coupons_offered": ("campaigns", "coupons"),
    "coupons_redeemed_90d": ("redemptions",),
    "coupons_redeemed_all": ("redemptions",),
    "reviews_written": ("reviews",),
    **dict.fromkeys(("views_30d", "carts_30d", "searches_30d", "invitations_all"), ("event_daily",)),
}


@dataclass(frozen=True)
class Inputs:
    """The tiles (`daily`, `product_daily`, `event_daily`) and source tables from which profiles are computed.

    An optional one is None if the warehouse does not have it.
    """

    daily: DataFrame
    product_daily: DataFrame
    products: DataFrame | None = None
    users: DataFrame | None = None
    event_daily: DataFrame | None = None
    campaigns: DataFrame | None = None
    coupons: DataFrame | None = None
    redemptions: DataFrame | None = None
    reviews: DataFrame | None = None
    review_sentiment: DataFrame | None = None


def profiles(
    inputs: Inputs,
    as_of: date,
    half_life: int,
    private_brands: Sequence[str],
    run_id: str,
    knowledge_cut: datetime | None = None,
) -> DataFrame:
    """Compute the rows of user_profiles for one day: one for every user with any record before it.

    A record is a transaction, campaign, redemption, review or event; users who occur only in the table users get no
    row.

    Args:
        inputs: Tiles and source tables.
        as_of: The day. Only records before it are used.
        half_life: Age in days at which a purchase has half its weight in the features of taste.
        private_brands: Values of products.brand that are the shop's own brands.
        run_id: The run, written to the column of that name.
        knowledge_cut: The time by which the inputs had been ingested, written to the column of that name; None: no cut.
    """
    sums = activity.sums(inputs.daily, as_of).cache()
    bought = affinity.by_product(inputs.product_daily, as_of, half_life).cache()
    buyers = [activity.features(outlook.with_segments(outlook.with_outlook(sums))), affinity.of_products(bought)]
    if inputs.products is not None:
        kinds = affinity.by_kind(bought, inputs.products).cache()
        buyers += [affinity.of_kinds(kinds), affinity.of_prices(kinds, private_brands)]
    whole = reduce(lambda left, right: left.join(right, "user_id", "left"), buyers)
    for part in _touches(inputs, as_of):
        whole = whole.join(part, "user_id", "full")
    if inputs.users is not None:
        whole = whole.join(one_per_key(inputs.users, "user_id", _PERSON), "user_id", "left")
    return _complete(whole, inputs).select(*_columns(as_of, run_id, knowledge_cut))


def _touches(inputs: Inputs, as_of: date) -> list[DataFrame]:
    """Return one frame of features per user for each of campaigns, redemptions, reviews and events that exists."""
    parts = []
    if inputs.campaigns is not None:
        parts.append(touch.campaigns(inputs.campaigns, inputs.redemptions, inputs.coupons, as_of))
    if inputs.redemptions is not None:
        parts.append(touch.redemptions(inputs.redemptions, as_of))
    if inputs.reviews is not None:
        parts.append(touch.reviews(inputs.reviews, inputs.review_sentiment, as_of))
    if inputs.event_daily is not None:
        parts.append(touch.events(inputs.event_daily, as_of))
    return parts


def _complete(whole: DataFrame, inputs: Inputs) -> DataFrame:
    """Return `user_id` and all features, with nulls replaced where a user has no rows in an existing input table.

    Counts become 0 and lists become empty. Features whose input table is missing stay null for everyone.
    """
    zero = {f.name for f in FEATURES if f.null == "never null"}
    zero |= {name for name, needs in _ZERO.items() if all(getattr(inputs, n) is not None for n in needs)}
    present = set(whole.columns)
    columns = []
    for feature in FEATURES:
        kind = from_arrow_type(feature.type)
        column = F.col(feature.name) if feature.name in present else F.lit(None).cast(kind)
        if feature.name == "rfm_segment":
            column = F.coalesce(column, F.lit("no_purchase"))
        elif feature.null.startswith("empty") and feature.name in present:
            column = F.coalesce(column, F.array().cast(kind))
        elif feature.name in _RATES:
            over, under = (F.col(n) if n in present else F.lit(None) for n in _RATES[feature.name])
            column = ratio(F.coalesce(over, F.lit(0)), under)
        elif feature.name in zero:
            column = F.coalesce(column, F.lit(0).cast(kind))
        columns.append(column.alias(feature.name))
    return whole.select("user_id", *columns)


def _columns(as_of: date, run_id: str, knowledge_cut: datetime | None) -> list[Column]:
    """Return the columns of user_profiles in their order; as_of, knowledge_cut and run_id are the same in every row."""
    constant = {
        "as_of": F.lit(as_of),
        "knowledge_cut": F.lit(knowledge_cut).cast("timestamp"),
        "run_id": F.lit(run_id),
    }
    return [constant[name].alias(name) if name in constant else F.col(name) for name in USER_PROFILES.names]
