"""Declare the source tables of the profiles, the columns to read, and the features that each table gives.

The module imports no Spark, so that faulty sources are refused before Spark is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shopbatch.capabilities.profiles.config import ProfileConfig, requested_days
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Table
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Snapshot, Store

TRANSACTION_COLUMNS = (
    "basket_id", "product_id", "line_number", "user_id", "quantity", "sales_value", "retail_discount",
    "coupon_discount", "coupon_match_discount", "order_status", "transaction_at", "ingested_at",
)  # fmt: skip
# Columns that may be missing from tables that another system, or an older version, wrote.
_NEWER = {TRANSACTIONS.name: ("line_number", "order_status"), PRODUCTS.name: ("updated_at",),
          EVENTS.name: ("product_id",)}  # fmt: skip
EVENT_COLUMNS = ("event_id", "user_id", "event_type", "product_id", "event_time", "ingested_at")


@dataclass(frozen=True)
class Lookup:
    """An optional table that is joined to the tiles if the warehouse has it.

    Attributes:
        table: The declaration of the table.
        columns: The columns to read.
        ids: The columns that hold ids of users, products, campaigns or coupons. Rows in which one of them is null or
            blank are left out.
        gives: Names of the features that are null in every profile if the table is missing, as text for the report.
    """

    table: Table
    columns: tuple[str, ...]
    ids: tuple[str, ...]
    gives: str


LOOKUPS = (
    Lookup(PRODUCTS, ("product_id", "department", "category", "brand", "updated_at"), ("product_id",),
           "departments, categories, brands, prices"),
    Lookup(USERS, ("user_id", "age", "income", "household_size"), ("user_id",), "age, income, household_size"),
    Lookup(CAMPAIGNS, ("campaign_id", "user_id", "starts_at"), ("campaign_id", "user_id"), "campaigns"),
    Lookup(COUPONS, ("campaign_id", "coupon_id"), ("campaign_id", "coupon_id"), "coupons offered"),
    Lookup(REDEMPTIONS, ("user_id", "campaign_id", "coupon_id", "redeemed_at"), ("user_id", "campaign_id", "coupon_id"),
           "redemptions"),
    Lookup(REVIEWS, ("review_id", "user_id", "created_at"), ("user_id",), "reviews"),
    Lookup(REVIEW_SENTIMENT, ("review_id", "label", "p_negative", "p_positive"), (), "sentiment of reviews"),
)  # fmt: skip


OPTIONAL = (*(lookup.table.name for lookup in LOOKUPS), EVENTS.name)


def read_sources(store: Store) -> dict[str, Snapshot]:
    """Pin one snapshot of every source table that the warehouse has, check its columns, and return it by table name.

    Args:
        store: The warehouse.

    Raises:
        UserError: `transactions` is missing, or a column of a table is missing or has another type.
    """
    optional = [*((lookup.table, lookup.columns) for lookup in LOOKUPS), (EVENTS, EVENT_COLUMNS)]
    present = [(table, columns) for table, columns in optional if store.exists(table.name)]
    sources = {}
    for table, columns in ((TRANSACTIONS, TRANSACTION_COLUMNS), *present):
        newer = _NEWER.get(table.name, ())
        needed = [c for c in columns if c not in newer]
        sources[table.name] = store.require(table, needed, optional=newer)
    return sources


def check_sources(config: ProfileConfig, store: Store) -> None:
    """Refuse, before Spark is started, the missing or faulty sources that would make a run fail later.

    An empty `transactions` is refused here only if no gate would refuse it later: with `gates.rows=any`, or without a
    published user_profiles.

    Args:
        config: Settings of the job.
        store: The warehouse.

    Raises:
        UserError: A source is missing or faulty, or `as_of=latest` cannot be resolved because there is no transaction.
    """
    empty = not read_sources(store)[TRANSACTIONS.name].rows
    if empty and (config.gates.rows == "any" or not store.exists(USER_PROFILES.name)):  # else a gate refuses it later
        requested_days(config, None)


def missing(sources: Mapping[str, Snapshot]) -> dict[str, str]:
    """Return the optional tables that the warehouse lacks, each with the features that are null without it.

    The report shows the result.

    Args:
        sources: The snapshots that `read_sources` returned, by table name.

    Returns:
        {table name: text such as "null without it: reviews"}.
    """
    gives = {lookup.table.name: lookup.gives for lookup in LOOKUPS} | {EVENTS.name: "views, carts, searches"}
    return {name: f"null without it: {what}" for name, what in gives.items() if name not in sources}


def missing_master_data(sources: Mapping[str, Snapshot]) -> str:
    """Return a message that says which of `products` and `users` is missing, and what is null without it; "" if none.

    Nearly every shop has these two tables, so the report shows the message at its head.

    Args:
        sources: The snapshots that `read_sources` returned, by table name.
    """
    absent = [lookup for lookup in LOOKUPS if lookup.table in (PRODUCTS, USERS) and lookup.table.name not in sources]
    return "; ".join(f"there is no table {x.table.name}, so {x.gives} are null" for x in absent)
