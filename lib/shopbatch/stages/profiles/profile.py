"""All groups of features -> user_profiles. The last select is the table's schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from shopbatch.stages.profiles import activity, affinity, outlook, touch
from shopbatch.tables.user_profiles import FEATURES, USER_PROFILES, Feature

_ZERO = {
    "campaigns": ("campaigns_received", "campaigns_responded", "coupons_offered"),
    "redemptions": ("coupons_redeemed_90d", "coupons_redeemed_all"),
    "reviews": ("reviews_written",),
    "events": ("views_30d", "carts_30d", "searches_30d", "invitations_all"),
}


@dataclass(frozen=True)
class Inputs:
    """What a profile is made of; None where the warehouse has no such table."""

    daily: DataFrame
    product_daily: DataFrame
    products: DataFrame
    users: DataFrame
    event_daily: DataFrame | None = None
    campaigns: DataFrame | None = None
    coupons: DataFrame | None = None
    redemptions: DataFrame | None = None
    reviews: DataFrame | None = None
    review_sentiment: DataFrame | None = None


@dataclass(frozen=True)
class Rules:
    """What a shop may decide. half_life: days. private_brands: names of products.brand."""

    half_life: int = 90
    private_brands: Sequence[str] = ("Private",)


def profiles(inputs: Inputs, as_of: date, rules: Rules, run_id: str, knowledge_cut: datetime | None) -> DataFrame:
    """The rows of user_profiles for one day: of every user of whom anything is known before it."""
    sums = activity.sums(inputs.daily, as_of).cache()
    bought = affinity.by_product(inputs.product_daily, as_of, rules.half_life).cache()
    kinds = affinity.by_kind(bought, inputs.products).cache()
    parts = [
        activity.features(sums),
        affinity.of_products(bought),
        affinity.of_kinds(kinds),
        affinity.of_prices(kinds, rules.private_brands),
        outlook.features(sums),
        outlook.segments(sums),
        *_touches(inputs, as_of),
    ]
    known = reduce(DataFrame.union, [part.select("user_id") for part in (parts[0], *parts[6:])])
    whole = known.distinct() if len(parts) > 6 else known
    for part in parts:
        whole = whole.join(part, "user_id", "left")
    people = inputs.users.select("user_id", "age", "income", "household_size")
    whole = whole.join(people, "user_id", "left")
    absent = [f for f in FEATURES if f.name not in whole.columns]
    whole = whole.withColumns({f.name: F.lit(None).cast(_spark_type(f)) for f in absent})
    whole = _with_zeros(whole, inputs).withColumns(
        {
            "cart_rate_30d": _ratio("carts_30d", "views_30d"),
            "purchase_rate_30d": _ratio("baskets_30d", "carts_30d"),
            "as_of": F.lit(as_of),
            "knowledge_cut": F.lit(knowledge_cut).cast("timestamp"),
            "run_id": F.lit(run_id),
        }
    )
    return whole.select(*USER_PROFILES.names)


def _touches(inputs: Inputs, as_of: date) -> list[DataFrame]:
    """The features of the tables that there may be."""
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


def _with_zeros(whole: DataFrame, inputs: Inputs) -> DataFrame:
    """Counts of users who have nothing are 0, not null; counts of tables that are not there stay null."""
    zero = [f.name for f in FEATURES if f.null == "never null" and f.name != "rfm_segment"]
    if inputs.campaigns is not None:
        zero += ["campaigns_received"]
        zero += ["campaigns_responded"] if inputs.redemptions is not None else []
        zero += ["coupons_offered"] if inputs.coupons is not None else []
    zero += _ZERO["redemptions"] if inputs.redemptions is not None else ()
    zero += _ZERO["reviews"] if inputs.reviews is not None else ()
    zero += _ZERO["events"] if inputs.event_daily is not None else ()
    columns = {name: F.coalesce(name, F.lit(0).cast(whole.schema[name].dataType)) for name in zero}
    columns |= {f.name: F.coalesce(f.name, F.array().cast("array<string>")) for f in FEATURES if f.name.startswith("top_") and f.null.startswith("empty")}
    columns["rfm_segment"] = F.coalesce("rfm_segment", F.lit("no_purchase"))
    return whole.withColumns(columns)


def _spark_type(feature: Feature) -> DataType:
    from pyspark.sql.pandas.types import from_arrow_type

    return from_arrow_type(feature.type)


def _ratio(over: str, under: str) -> F.Column:
    return F.col(over).cast("double") / F.when(F.col(under) > 0, F.col(under)).cast("double")
