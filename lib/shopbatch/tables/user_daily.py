"""Declares the tile tables (daily sums of transactions and events per user, and per user and product) and rejects.

`build_user_profiles` keeps the tiles up to date and computes a profile as a sum of tiles over days. The rejects hold
the rows of `transactions` and `events` that are part of no tile. Money is in whole cents, so that sums are exact.
`docs/features.md` defines line, basket and return.
"""

import pyarrow as pa

from shopbatch.tables.schema import MONEY, TIMESTAMP, Column, Person, Table

_USER = Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True)
_DAY = Column("day", pa.date32(), "The day in the shop's time zone.", nullable=False)
_PRODUCT = Column("product_id", pa.string(), "The product (products.product_id, or unknown there).", nullable=False)


def _count(name: str, meaning: str) -> Column:
    return Column(name, pa.int64(), meaning, nullable=False)


_SUMS = (
    _count("lines", "Purchase lines: quantity and money 0 or above."),
    _count("units", "Units of purchase lines."),
    _count("sales_cents", "Money of all lines, what was given back taken off, in cents."),
    _count("purchase_cents", "Money of purchase lines, in cents."),
)

USER_DAILY = Table(
    name="user_daily",
    job="build_user_profiles",
    meaning="One row per user and day with a transaction.",
    key=("user_id", "day"),
    person=Person(user="user_id"),
    columns=(
        _USER,
        _DAY,
        _count("baskets", "Different baskets with a purchase line."),
        *_SUMS,
        Column("basket_cents_sq", pa.decimal128(38, 0), "Sum over baskets of their purchase cents squared.", False),
        _count("basket_units_sq", "Sum over baskets of their units squared."),
        Column("basket_cents_max", pa.int64(), "Greatest purchase cents of a basket; null: no basket."),
        _count("baskets_night", "Baskets whose first purchase line is from 0:00 to 6:00 (end apart)."),
        _count("baskets_morning", "The same from 6:00 to 12:00."),
        _count("baskets_afternoon", "The same from 12:00 to 18:00."),
        _count("baskets_evening", "The same from 18:00 to 24:00."),
        _count("discount_cents", "All discounts on purchase lines, in cents."),
        _count("discounted_lines", "Purchase lines with any discount above 0."),
        _count("coupon_lines", "Purchase lines with a coupon's discount (or its match) above 0."),
        _count("return_lines", "Lines with a quantity or money below 0, and purchase lines that were refunded."),
        _count("returned_units", "Units of these lines, as a positive number."),
        _count("returned_cents", "Money given back for these lines, as a positive amount, in cents."),
    ),
)

USER_PRODUCT_DAILY = Table(
    name="user_product_daily",
    job="build_user_profiles",
    meaning="One row per user, day and product with a transaction.",
    key=("user_id", "day", "product_id"),
    person=Person(user="user_id"),
    columns=(
        _USER,
        _DAY,
        _PRODUCT,
        *_SUMS,
        _count("unit_cents", "Money of purchase lines with a quantity above 0, in cents."),
    ),
)

USER_EVENT_DAILY = Table(
    name="user_event_daily",
    job="build_user_profiles",
    meaning="One row per user and day with an event.",
    key=("user_id", "day"),
    person=Person(user="user_id"),
    columns=(
        _USER,
        _DAY,
        _count("views", "Events of type view."),
        _count("carts", "Events of type cart."),
        _count("searches", "Events of type search."),
        _count("invitations", "Events of type invitation."),
    ),
)

USER_PRODUCT_EVENT_DAILY = Table(
    name="user_product_event_daily",
    job="build_user_profiles",
    meaning="One row per user, day and product that was viewed or put into a cart.",
    key=("user_id", "day", "product_id"),
    person=Person(user="user_id"),
    columns=(
        _USER,
        _DAY,
        _PRODUCT,
        _count("views", "Events of type view."),
        _count("carts", "Events of type cart."),
    ),
)

_REASON = Column(
    "reason",
    pa.string(),
    "Why: no_key, no_user, no_time (or outside the years 2 to 9998), no_quantity (or beyond 10,000,000 either "
    "way), no_amount, no_type, no_status (an unknown order_status), cancelled (the order was never paid: no fault of "
    "the row), superseded (a later version of the row counts), repeated (the very same row counts already).",
    nullable=False,
)
_ROWS = _count("rows", "How many rows of the source are just like this.")

TRANSACTIONS_REJECTS = Table(
    name="transactions_rejects",
    job="build_user_profiles",
    meaning="The rows of transactions that count in no tile, each with its reason. Published by build_user_profiles.",
    key=(),
    person=Person(user="user_id"),
    columns=(
        Column("basket_id", pa.string(), "As in transactions."),
        Column("product_id", pa.string(), "As in transactions, without blanks at its ends."),
        Column("user_id", pa.string(), "As in transactions, without blanks at its ends.", personal=True),
        Column("transaction_at", TIMESTAMP, "As in transactions."),
        Column("ingested_at", TIMESTAMP, "As in transactions; transaction_at where that is null."),
        Column("quantity", pa.int64(), "As in transactions."),
        Column("sales_value", MONEY, "As in transactions."),
        Column("discount", MONEY, "The loyalty discount; 0 where that is null."),
        Column("coupon", MONEY, "The coupon's discount and its match; 0 where they are null."),
        _REASON,
        _ROWS,
        Column("line_number", pa.int64(), "As in transactions; 1 where that is null."),
        Column("order_status", pa.string(), "As in transactions; paid where that is null; null if it is unknown."),
    ),
)

EVENTS_REJECTS = Table(
    name="events_rejects",
    job="build_user_profiles",
    meaning="The rows of events that count in no tile, each with its reason. Published by build_user_profiles.",
    key=(),
    person=Person(user="user_id"),
    columns=(
        Column("event_id", pa.string(), "As in events."),
        Column("user_id", pa.string(), "As in events, without blanks at its ends.", personal=True),
        Column("event_type", pa.string(), "As in events."),
        Column("event_time", TIMESTAMP, "As in events."),
        Column("ingested_at", TIMESTAMP, "As in events; event_time where that is null."),
        _REASON,
        _ROWS,
        Column("product_id", pa.string(), "As in events, without blanks at its ends; null where that is blank."),
    ),
)
