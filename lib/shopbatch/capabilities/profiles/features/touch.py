"""Compute features of campaigns, redemptions, reviews and events: one row per user who occurs in the table."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features.expressions import day, ratio


def campaigns(sent: DataFrame, redeemed: DataFrame | None, coupons: DataFrame | None, as_of: date) -> DataFrame:
    """Compute the features of campaigns that began before `as_of`: received, responded, coupons offered, response rate.

    Args:
        sent: Rows of `campaigns`, one per campaign and recipient.
        redeemed: Rows of `redemptions`; None if the table is missing. Responses and the rate are then null.
        coupons: Rows of `coupons`; None if the table is missing. The coupons offered are then null.
        as_of: The day of the profile.
    """
    received = sent.where(day("starts_at") < F.lit(as_of)).select("campaign_id", "user_id").distinct()
    if coupons is None:
        received = received.withColumn("offers", F.lit(None).cast("bigint"))
    else:
        offers = coupons.groupBy("campaign_id").agg(F.countDistinct("coupon_id").alias("offers"))
        received = received.join(F.broadcast(offers), "campaign_id", "left").fillna(0, ["offers"])
    answered = F.lit(None).cast("bigint")
    if redeemed is not None:
        known = redeemed.where(day("redeemed_at") < F.lit(as_of)).select("campaign_id", "user_id").distinct()
        received = received.join(known.withColumn("answer", F.lit(1)), ["campaign_id", "user_id"], "left")
        answered = F.count("answer")
    counted = received.groupBy("user_id").agg(
        F.count(F.lit(1)).alias("campaigns_received"),
        answered.alias("campaigns_responded"),
        F.sum("offers").alias("coupons_offered"),
    )
    return counted.withColumn("campaign_response_rate", ratio("campaigns_responded", "campaigns_received"))


def redemptions(redeemed: DataFrame, as_of: date) -> DataFrame:
    """Compute coupons_redeemed_90d, coupons_redeemed_all and days_since_redemption from redemptions before `as_of`."""
    age = F.datediff(F.lit(as_of), day("redeemed_at"))
    rows = redeemed.select("user_id", "campaign_id", "coupon_id", "redeemed_at", age.alias("age")).where("age > 0")
    return (
        rows.distinct()
        .groupBy("user_id")
        .agg(
            F.count_if(F.col("age") <= 90).alias("coupons_redeemed_90d"),
            F.count(F.lit(1)).alias("coupons_redeemed_all"),
            F.min("age").cast("bigint").alias("days_since_redemption"),
        )
    )


def reviews(written: DataFrame, scored: DataFrame | None, as_of: date) -> DataFrame:
    """Compute features of the reviews written before `as_of`: their number, mean sentiment, negative share and recency.

    Args:
        written: Rows of `reviews`.
        scored: Rows of `review_sentiment`; None if the table is missing. The features of sentiment are then null.
        as_of: The day of the profile.
    """
    age = F.datediff(F.lit(as_of), day("created_at"))
    rows = written.select("user_id", "review_id", age.alias("age")).where("age > 0 and user_id is not null")
    own = rows.groupBy("user_id", "review_id").agg(F.min("age").alias("age"))
    no_scores = (F.lit(None).cast("double").alias("tone"), F.lit(None).cast("int").alias("negative"))
    if scored is None:
        with_scores = own.select("*", *no_scores)
    else:
        tone = F.col("p_positive").cast("double") - F.col("p_negative").cast("double")
        negative = F.when(F.col("label") == "negative", 1).otherwise(0)
        with_scores = own.join(
            scored.select("review_id", tone.alias("tone"), negative.alias("negative")), "review_id", "left"
        )
    return with_scores.groupBy("user_id").agg(
        F.count(F.lit(1)).alias("reviews_written"),
        F.avg("tone").alias("review_sentiment_mean"),
        F.avg("negative").alias("negative_review_share"),
        F.min("age").cast("bigint").alias("days_since_review"),
    )


def events(daily: DataFrame, as_of: date) -> DataFrame:
    """Compute views_30d, carts_30d, searches_30d and invitations_all per user from user_event_daily before `as_of`."""
    recent = F.datediff(F.lit(as_of), "day") <= 30
    return (
        daily.where(F.col("day") < F.lit(as_of))
        .groupBy("user_id")
        .agg(
            *(
                F.sum(F.when(recent, F.col(name)).otherwise(F.lit(0))).alias(f"{name}_30d")
                for name in ("views", "carts", "searches")
            ),
            F.sum("invitations").alias("invitations_all"),
        )
    )
