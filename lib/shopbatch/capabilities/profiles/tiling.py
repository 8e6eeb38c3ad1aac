"""Which source becomes which daily tiles. Called by `run`; `tiles` does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shopbatch.capabilities.profiles.features import daily, facts
from shopbatch.tables.events import EVENTS
from shopbatch.tables.schema import Table
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.user_daily import (
    EVENTS_REJECTS,
    TRANSACTIONS_REJECTS,
    USER_DAILY,
    USER_EVENT_DAILY,
    USER_PRODUCT_DAILY,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Transform = Callable[["DataFrame"], "DataFrame"]
VERSION = 2  # of facts and tiles: raised when their meaning changes, so that tiles are built anew


@dataclass(frozen=True)
class Tiling:
    """One source and the tiles made of it.

    columns: those of the source that are read. to_facts: rows -> facts with a reason. identity: the columns of a fact.
    key: of several facts with it one counts. time: the column that names the day. near: the part of the key whose
    statistics tell which files may hold a key. sinks: tile tables and how facts become their rows; the first one's
    commit says which source version all of them are of. to_rejects, from_rejects: facts as rows of `rejects` and back.
    """

    source: Table
    columns: tuple[str, ...]
    to_facts: Transform
    identity: tuple[str, ...]
    key: tuple[str, ...]
    time: str
    near: str
    sinks: tuple[tuple[Table, Transform], ...]
    rejects: Table
    to_rejects: Transform
    from_rejects: Transform


TRANSACTION_TILES = Tiling(
    source=TRANSACTIONS,
    columns=(
        "basket_id", "product_id", "user_id", "quantity", "sales_value", "retail_discount", "coupon_discount",
        "coupon_match_discount", "transaction_at", "ingested_at",
    ),
    to_facts=facts.transactions,
    identity=facts.TRANSACTION,
    key=("basket_id", "product_id"),
    time="transaction_at",
    near="basket_id",
    sinks=((USER_DAILY, daily.user_daily), (USER_PRODUCT_DAILY, daily.user_product_daily)),
    rejects=TRANSACTIONS_REJECTS,
    to_rejects=facts.transaction_rejects,
    from_rejects=facts.transaction_rejects_back,
)  # fmt: skip

EVENT_TILES = Tiling(
    source=EVENTS,
    columns=("event_id", "user_id", "event_type", "event_time", "ingested_at"),
    to_facts=facts.events,
    identity=facts.EVENT,
    key=("event_id",),
    time="event_time",
    near="event_id",
    sinks=((USER_EVENT_DAILY, daily.user_event_daily),),
    rejects=EVENTS_REJECTS,
    to_rejects=lambda rejects: rejects,
    from_rejects=lambda rejects: rejects,
)
