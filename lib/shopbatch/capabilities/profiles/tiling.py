"""Declares which tiles are made from which source table, turns source rows into facts, and picks the facts that count.

Of several facts with one key only one counts. `tiles` builds and updates the tiles; `run` reads facts here when it
needs a state of the past.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.features import daily, facts
from shopbatch.capabilities.profiles.features.expressions import day
from shopbatch.capabilities.profiles.sources import EVENT_COLUMNS, TRANSACTION_COLUMNS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.schema import Table
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.user_daily import (
    EVENTS_REJECTS,
    TRANSACTIONS_REJECTS,
    USER_DAILY,
    USER_EVENT_DAILY,
    USER_PRODUCT_DAILY,
    USER_PRODUCT_EVENT_DAILY,
)
from shopbatch.warehouse import spark_bridge
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.store import Snapshot

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Transform = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Tiling:
    """One source table and the tile tables made from it."""

    source: Table
    columns: tuple[str, ...]
    """Columns of the source that are read."""
    to_facts: Transform
    """Source rows -> facts with a `reason` (null: the fact is valid)."""
    identity: tuple[str, ...]
    """Columns of a fact. Two facts that agree in all of them are the same."""
    key: tuple[str, ...]
    """Columns of the key. Of several facts with one key only one counts."""
    time: str
    """The column that decides on which day a fact falls."""
    lookup: str
    """The part of the key whose file statistics say which files may hold a key."""
    sinks: tuple[tuple[Table, Transform], ...]
    """Tile tables, each with the transform from facts to its rows. The commit of the first table records which version
    of the source all of them were made from."""
    rejects: Table
    to_rejects: Transform
    """Facts that do not count (with `reason` and `rows`) -> rows of `rejects`."""
    from_rejects: Transform
    """The reverse of `to_rejects`."""
    version: int
    """Of facts and tiles; raised when their meaning changes, so that the tiles are rebuilt."""
    void: str | None = None
    """The reason of facts that compete with the others of their key, and count as nothing if they win."""

    @property
    def tables(self) -> list[Table]:
        """All tables of the tiling: the main tiles first, the rejects last."""
        return [*(table for table, _ in self.sinks), self.rejects]


def read_facts(
    spark: SparkSession, tiling: Tiling, source: Snapshot, only: Sequence[FileRef] | None = None
) -> DataFrame:
    """Return the facts, with `reason`, of a snapshot's rows or of some of its files."""
    return tiling.to_facts(spark_bridge.read(spark, source, tiling.columns, only))


def valid_facts(all_facts: DataFrame) -> DataFrame:
    """Return the facts that have no reason to be rejected."""
    return all_facts.where("reason is null").drop("reason")


def competing_facts(tiling: Tiling, all_facts: DataFrame) -> DataFrame:
    """Return the facts of which one wins per key, with `void`: whether it counts as nothing if it wins."""
    if tiling.void is None:
        return valid_facts(all_facts).withColumn("void", F.lit(False))
    competes = F.col("reason").isNull() | (F.col("reason") == tiling.void)
    return all_facts.where(competes).withColumn("void", F.col("reason").isNotNull()).drop("reason")


def void_rejects(tiling: Tiling, winners: DataFrame) -> DataFrame:
    """Return those of the winners (with `void`) that count as nothing, with `reason` and `rows`."""
    void = winners.where("void").select(*tiling.identity)
    return void.withColumns({"reason": F.lit(tiling.void), "rows": F.lit(1).cast("bigint")})


def split_repeated(tiling: Tiling, all_facts: DataFrame, any_void: bool) -> tuple[DataFrame, DataFrame | None]:
    """Split the facts that compete into those that count (at most one per key) and the rest.

    Args:
        tiling: The tiling.
        all_facts: Facts with `reason`; those that do not compete are left out of both results.
        any_void: Whether there may be void facts.

    Returns:
        The facts that count, and the rest as `facts.repeated` returns it, or None if every fact counts.
    """
    winners, lost = _winners(tiling, competing_facts(tiling, all_facts))
    if not any_void:
        return winners.select(*tiling.identity), lost
    void = void_rejects(tiling, winners)
    counted = winners.where("not void").select(*tiling.identity)
    return counted, void if lost is None else reduce(DataFrame.union, [lost, void])


def _winners(tiling: Tiling, competing: DataFrame) -> tuple[DataFrame, DataFrame | None]:
    """Return the fact of each key that wins, with `void`, and the rest (None: there is no other one)."""
    hashed = competing.withColumn("key_hash", F.xxhash64(*tiling.key))
    hashes = hashed.select("key_hash").repartition("key_hash").groupBy("key_hash").count()
    suspects = hashes.where("count > 1").select("key_hash").cache()
    if not suspects.count():
        return competing, None
    # Different keys with one hash do no harm: `ranked` compares the keys themselves.
    columns = (*tiling.identity, "void")
    ranks = facts.ranked(hashed.join(suspects, "key_hash", "left_semi"), tiling.key, columns).cache()
    single = hashed.join(suspects, "key_hash", "left_anti").select(*columns)
    return single.union(ranks.where("rank = 1").select(*columns)), facts.repeated(ranks, tiling.identity)


def with_day(tiling: Tiling, valid: DataFrame) -> DataFrame:
    """Add the column `day` to facts."""
    return valid.withColumn("day", day(tiling.time))


def in_one_bucket(tiling: Tiling, valid: DataFrame) -> DataFrame:
    """Add `day` and `bucket` to facts, for tiles whose number of files does not matter."""
    return with_day(tiling, valid).withColumn("bucket", F.lit(0)).repartition("user_id", "day")


TRANSACTION_TILES = Tiling(
    source=TRANSACTIONS,
    columns=TRANSACTION_COLUMNS,
    to_facts=facts.transactions,
    identity=facts.TRANSACTION,
    key=("basket_id", "product_id", "line_number"),
    time="transaction_at",
    lookup="basket_id",
    sinks=((USER_DAILY, daily.user_daily), (USER_PRODUCT_DAILY, daily.user_product_daily)),
    rejects=TRANSACTIONS_REJECTS,
    to_rejects=facts.to_transaction_rejects,
    from_rejects=facts.from_transaction_rejects,
    version=3,
    void="cancelled",
)

EVENT_TILES = Tiling(
    source=EVENTS,
    columns=EVENT_COLUMNS,
    to_facts=facts.events,
    identity=facts.EVENT,
    key=("event_id",),
    time="event_time",
    lookup="event_id",
    sinks=(
        (USER_EVENT_DAILY, daily.user_event_daily),
        (USER_PRODUCT_EVENT_DAILY, daily.user_product_event_daily),
    ),
    rejects=EVENTS_REJECTS,
    to_rejects=lambda rejects: rejects,
    from_rejects=lambda rejects: rejects,
    version=4,
)
