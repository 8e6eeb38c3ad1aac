"""Declares the table `user_profiles` of `build_user_profiles`, with all of its features (`FEATURES`).

Features are declared only here: the Delta schema with its comments and `docs/features.md` are generated from
`FEATURES`. Terms in their meanings:

- line: one valid row of `transactions`, each key counted once
- return: a line with a quantity or money below 0
- purchase line: any other line; a refunded one is recorded as bought and, on the same day, as given back
- basket: a (day, basket_id) with at least one purchase line
- active day: a day with a basket, in the shop's time zone
- `7d`: the 7 days before `as_of`; no figure includes anything from `as_of` on
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table, View

AMOUNT = pa.decimal128(18, 2)
NAMES = pa.list_(pa.field("element", pa.string()))
INT, SHARE = pa.int64(), pa.float64()
WINDOWS: dict[str, int | None] = {"7d": 7, "30d": 30, "90d": 90, "365d": 365, "all": None}  # in days; None: all time
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAYPARTS = {
    "night": (0, 6),
    "morning": (6, 12),
    "afternoon": (12, 18),
    "evening": (18, 24),
}  # (first hour, end hour); the end is excluded
SEGMENTS = (
    "no_purchase", "champions", "new_customers", "loyal", "big_spenders", "promising", "needs_attention", "at_risk",
    "hibernating", "lost",
)  # fmt: skip
NEVER, NO_BASKET = "null: no active day", "null: no basket"
_ABSENT = "null: the warehouse has no such table"


@dataclass(frozen=True)
class Feature:
    """Declaration of one feature of a user, which becomes one column of `user_profiles`.

    Attributes:
        name: Name of the column.
        type: Its Arrow type.
        group: The heading under which docs/features.md lists it.
        meaning: What a value means.
        unit: The unit of a value.
        window: The days whose data the feature uses.
        null: When the value is null, as text for the documentation; `never null` if it never is.
        between: Least and greatest possible value, which a gate checks; None: no limits.
    """

    name: str
    type: pa.DataType
    group: str
    meaning: str
    unit: str
    window: str = "all time"
    null: str = "never null"
    between: tuple[float, float] | None = None

    def column(self) -> Column:
        """Return the declaration of the feature's column; its description includes unit, window and when it is null."""
        return Column(self.name, self.type, f"{self.meaning} Unit: {self.unit}. Window: {self.window}. {self.null}.")


def _windowed(stem: str, kind: pa.DataType, meaning: str, unit: str) -> tuple[Feature, ...]:
    return tuple(
        Feature(f"{stem}_{name}", kind, "frequency and money", meaning, unit, f"{days} days" if days else "all time")
        for name, days in WINDOWS.items()
    )


def _share(name: str, group: str, meaning: str, null: str, window: str = "all time") -> Feature:
    return Feature(name, SHARE, group, meaning, "share, 0 to 1", window, null, (0.0, 1.0))


_RECENCY = (
    Feature("days_since_last", INT, "recency", "Days from the last active day to as_of.", "days", null=NEVER),
    Feature("days_since_first", INT, "recency", "Tenure: days from the first active day to as_of.", "days", null=NEVER),
    Feature("active_months", INT, "recency", "Calendar months with an active day.", "months"),
)
_FREQUENCY = (
    *_windowed("sales", AMOUNT, "Money of all lines, what was given back taken off.", "currency"),
    *_windowed("baskets", INT, "Baskets.", "baskets"),
    *_windowed("active_days", INT, "Active days.", "days"),
    *_windowed("units", INT, "Units of purchase lines.", "units"),
    Feature("sales_trend", SHARE, "frequency and money", "sales_30d over a third of sales_90d.", "ratio", "90 days",
            "null: sales_90d is not above 0"),
)  # fmt: skip
_BASKET = (
    Feature("basket_spend_mean", SHARE, "baskets", "Mean money of a basket's purchase lines.", "currency",
            null=NO_BASKET),
    Feature("basket_spend_sd", SHARE, "baskets", "Sample standard deviation of the same.", "currency",
            null="null: fewer than 2 baskets"),
    Feature("basket_spend_max", AMOUNT, "baskets", "Greatest money of a basket's purchase lines.", "currency",
            null=NO_BASKET),
    Feature("basket_units_mean", SHARE, "baskets", "Mean units of a basket.", "units", null=NO_BASKET),
    Feature("basket_units_sd", SHARE, "baskets", "Sample standard deviation of the same.", "units",
            null="null: fewer than 2 baskets"),
    Feature("basket_lines_mean", SHARE, "baskets", "Mean purchase lines of a basket.", "lines", null=NO_BASKET),
)  # fmt: skip
_INTERVAL = (
    Feature("interval_mean", SHARE, "rhythm", "Mean days between one active day and the next.", "days",
            null="null: fewer than 2 active days"),
    Feature("interval_sd", SHARE, "rhythm", "Sample standard deviation of the same.", "days",
            null="null: fewer than 3 active days"),
    Feature("interval_regularity", SHARE, "rhythm", "1 / (1 + interval_sd / interval_mean): 1 is clockwork.",
            "score, 0 to 1", null="null: fewer than 3 active days", between=(0.0, 1.0)),
    Feature("overdue_ratio", SHARE, "rhythm", "days_since_last over interval_mean: above 1 is later than usual.",
            "ratio", null="null: fewer than 2 active days"),
    *(
        _share(f"weekday_share_{day}", "rhythm", f"Baskets on a {day.capitalize()} over all baskets.", NO_BASKET)
        for day in WEEKDAYS
    ),
    *(
        _share(f"daypart_share_{part}", "rhythm",
               f"Baskets whose first purchase line is from {low}:00 to {high}:00 (end apart) over all.", NO_BASKET)
        for part, (low, high) in DAYPARTS.items()
    ),
)  # fmt: skip
_DECAYED = (
    "by money of purchase lines, each weighing 2^(-age / half life) (age: days before as_of; half life: conf, 90 days)"
)
_NO_MONEY = "null: no decayed money above 0"


def _affinity(one: str, many: str, bucket: str) -> tuple[Feature, ...]:
    group = "affinity"
    return (
        Feature(f"top_{many}", NAMES, group,
                f"Up to 5 {many} {_DECAYED}, greatest first, of equals the first in the alphabet; {bucket}.", "names",
                null="empty: no decayed money above 0"),
        _share(f"top_{one}_share", group, f"Decayed money of the first {one} over that of all {many}.", _NO_MONEY),
        Feature(f"{one}_entropy", SHARE, group, f"Entropy of the decayed money over {many}; 0: all in one.", "nats",
                null=_NO_MONEY),
        Feature(f"{many}_bought", INT, group, f"Different {many} with a purchase line; {bucket}.", many, null=_ABSENT),
    )  # fmt: skip


_UNKNOWN = "what the catalogue does not tell is `unknown`"
_AFFINITY = (
    *_affinity("department", "departments", _UNKNOWN),
    *_affinity("category", "categories", _UNKNOWN),
    *_affinity("brand", "brands", _UNKNOWN),
    Feature("top_products", NAMES, "affinity", f"Up to 5 product_ids {_DECAYED}, ordered as top_departments.", "names",
            null="empty: no decayed money above 0"),
    Feature("products_bought", INT, "affinity", "Different products with a purchase line.", "products"),
    _share("repeat_product_share", "affinity", "Products bought on 2 days or more over products bought.",
           "null: nothing bought"),
    Feature("unknown_product_sales", AMOUNT, "affinity", "Money of lines whose product is not in the catalogue.",
            "currency", null=_ABSENT),
)  # fmt: skip
_PRICE = (
    Feature("price_level", SHARE, "price",
            "Money of purchase lines with quantity above 0, over what their units would cost at their category's mean "
            "price (money over units of all users before as_of); lines of unknown category apart.",
            "ratio, 1 is the mean", null="null: no such money"),
    Feature("discount_all", AMOUNT, "price", "All discounts on purchase lines (loyalty, coupon, coupon match).",
            "currency"),
    Feature("discount_share", SHARE, "price", "discount_all over itself and the money of purchase lines.",
            "share; 0 to 1 unless a discount is negative", null="null: the sum is not above 0"),
    _share("discounted_line_share", "price", "Purchase lines with any discount over purchase lines.",
           "null: no purchase line"),
    _share("coupon_line_share", "price", "Purchase lines with a coupon's discount over purchase lines.",
           "null: no purchase line"),
    _share("private_label_share", "price",
           "Money of purchase lines of private brands (conf) over that of all known brands.",
           "null: no money above 0 of known brands"),
)  # fmt: skip
_RETURNS = (
    Feature("return_lines", INT, "returns", "Return lines and refunded purchase lines.", "lines"),
    Feature("returned_units", INT, "returns", "Units given back, as a positive number.", "units"),
    Feature("returned_value", AMOUNT, "returns", "Money given back, as a positive amount.", "currency"),
    _share("return_line_share", "returns", "return_lines over themselves and the purchase lines.", "null: no line"),
)  # fmt: skip
_OUTLOOK = (
    _share("buy_probability_30d", "outlook",
           "Probability of an active day in the 30 days from as_of on: the share that did, of users in the same cell "
           "of (days since last, active days of 90) 30, 60 and 90 days before as_of; shrunk to the mean.",
           "null: no active day, or nobody was a buyer 30 days ago", "180 days"),
    Feature("expected_spend_30d", SHARE, "outlook",
            "Expected money in the same 30 days: the cell's mean active days, scaled by the user's own active days "
            "of 90 over the cell's, times the user's mean money of an active day, shrunk to the mean.", "currency",
            "all time", "null: as buy_probability_30d"),
)  # fmt: skip
_RFM = tuple(
    Feature(
        f"rfm_{name}",
        INT,
        "segment",
        f"1 to 5: 1 + the fifths of buyers that are strictly worse in {what}.",
        "score",
        null=NEVER,
        between=(1, 5),
    )
    for name, what in (
        ("recency", "days_since_last"),
        ("frequency", "active_days_365d"),
        ("monetary", "sales_365d (whole currency units, rounded down)"),
    )
)
_SEGMENT = Feature("rfm_segment", pa.string(), "segment", f"The segment: one of {', '.join(SEGMENTS)}.", "name")
_CAMPAIGNS = (
    Feature("campaigns_received", INT, "campaigns", "Campaigns sent to the user.", "campaigns", null=_ABSENT),
    Feature("campaigns_responded", INT, "campaigns", "Of these, campaigns of which a coupon was redeemed.",
            "campaigns", null=_ABSENT),
    _share("campaign_response_rate", "campaigns", "campaigns_responded over campaigns_received.",
           "null: none received"),
    Feature("coupons_offered", INT, "campaigns", "Different (campaign, coupon) of the campaigns received.", "coupons",
            null=_ABSENT),
    Feature("coupons_redeemed_90d", INT, "campaigns", "Redemptions.", "redemptions", "90 days", _ABSENT),
    Feature("coupons_redeemed_all", INT, "campaigns", "Redemptions.", "redemptions", null=_ABSENT),
    Feature("days_since_redemption", INT, "campaigns", "Days from the last redemption to as_of.", "days",
            null="null: none redeemed"),
)  # fmt: skip
_REVIEWS = (
    Feature("reviews_written", INT, "reviews", "Different reviews by the user.", "reviews", null=_ABSENT),
    Feature("review_sentiment_mean", SHARE, "reviews", "Mean of p_positive - p_negative over scored reviews.",
            "-1 to 1", null="null: none scored", between=(-1.0, 1.0)),
    _share("negative_review_share", "reviews", "Scored reviews labelled negative over scored reviews.",
           "null: none scored"),
    Feature("days_since_review", INT, "reviews", "Days from the last review to as_of.", "days",
            null="null: none written"),
)  # fmt: skip
_EVENTS = (
    *(
        Feature(f"{name}_30d", INT, "events", f"Events of type {kind}.", "events", "30 days", _ABSENT)
        for name, kind in (("views", "view"), ("carts", "cart"), ("searches", "search"))
    ),
    Feature("invitations_all", INT, "events", "Events of type invitation.", "events", null=_ABSENT),
    Feature("cart_rate_30d", SHARE, "events", "carts_30d over views_30d.", "ratio", "30 days", "null: no view"),
    Feature("purchase_rate_30d", SHARE, "events", "baskets_30d over carts_30d.", "ratio", "30 days", "null: no cart"),
)  # fmt: skip
_PERSON = tuple(
    Feature(name, pa.string(), "demographics", f"{what}, as users says today (it has no history).", "name",
            "today", "null: unknown")
    for name, what in (("age", "Age band"), ("income", "Income band"), ("household_size", "Persons in the household"))
)  # fmt: skip

FEATURES: tuple[Feature, ...] = (
    *_RECENCY, *_FREQUENCY, *_BASKET, *_INTERVAL, *_AFFINITY, *_PRICE, *_RETURNS, *_OUTLOOK, *_RFM, _SEGMENT,
    *_CAMPAIGNS, *_REVIEWS, *_EVENTS, *_PERSON,
)  # fmt: skip

USER_PROFILES = Table(
    name="user_profiles",
    meaning="One row per user and as_of day: what was known of the user before that day. See docs/features.md.",
    key=("user_id", "as_of"),
    person=Person(user="user_id"),
    partition_by=("as_of",),
    columns=(
        Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True),
        Column("as_of", pa.date32(), "The day before whose start everything happened that counts.", nullable=False),
        *(feature.column() for feature in FEATURES),
        Column(
            "knowledge_cut",
            TIMESTAMP,
            "Only rows ingested by then count; null: all that the source held.",
            machinery=True,
        ),
        Column(
            "run_id",
            pa.string(),
            "The run that computed it (its report is under _runs/).",
            nullable=False,
            machinery=True,
        ),
    ),
    job="build_user_profiles",
    view=View(("rfm_segment", "days_since_last", "baskets_365d", "sales_365d", "buy_probability_30d")),
)
