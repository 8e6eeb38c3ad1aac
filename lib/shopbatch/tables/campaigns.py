"""Declares the source tables `campaigns`, `coupons` and `redemptions`.

They say which campaign was sent to which user, for which products its coupons are valid, and who redeemed one. Filled
by `shopbatch sample` or `shopbatch load`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Nobody, Person, Table

CAMPAIGNS = Table(
    name="campaigns",
    meaning="One row per campaign and user that it was sent to.",
    key=("campaign_id", "user_id"),
    person=Person(user="user_id"),
    columns=(
        Column("campaign_id", pa.string(), "The campaign.", nullable=False),
        Column("user_id", pa.string(), "Whom it was sent to (users.user_id).", nullable=False, personal=True),
        Column("campaign_type", pa.string(), "Kind of campaign (Type A, Type B, ...); null where unknown."),
        Column("starts_at", TIMESTAMP, "When it began and counts as received, UTC."),
        Column("ends_at", TIMESTAMP, "When its coupons expire, UTC."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
)

COUPONS = Table(
    name="coupons",
    meaning="One row per coupon of a campaign and product that it is good for.",
    key=("campaign_id", "coupon_id", "product_id"),
    person=Nobody("A coupon is an offer; whom it was sent to stands in campaigns."),
    columns=(
        Column("campaign_id", pa.string(), "The campaign (campaigns.campaign_id).", nullable=False),
        Column("coupon_id", pa.string(), "The coupon; several campaigns may carry the same.", nullable=False),
        Column("product_id", pa.string(), "A product that it is good for (products.product_id).", nullable=False),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
)

REDEMPTIONS = Table(
    name="redemptions",
    meaning="One row per coupon that a user redeemed at a moment.",
    key=("user_id", "campaign_id", "coupon_id", "redeemed_at"),
    person=Person(user="user_id"),
    columns=(
        Column("user_id", pa.string(), "Who redeemed it (users.user_id).", nullable=False, personal=True),
        Column("campaign_id", pa.string(), "Of which campaign (campaigns.campaign_id).", nullable=False),
        Column("coupon_id", pa.string(), "Which coupon (coupons.coupon_id).", nullable=False),
        Column("redeemed_at", TIMESTAMP, "When, UTC; a day's start where only the day is known.", nullable=False),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
)
