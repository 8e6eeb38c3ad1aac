"""Declare which tiles are made from which source table, turn source rows into facts, and select one fact per key.

A fact is a source row reduced to the columns that tiles need. If several facts have the same key, only one of them is
used. `tiles` builds and updates the stored tiles from facts. `run` reads facts itself when it computes profiles as of a
knowledge cut (from the rows ingested by a given time).
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
    """One source table, the tile tables made from it, and the functions that transform one into the other."""

    source: Table
    columns: tuple[str, ...]
    """Columns of the source to read."""
    to_facts: Transform
    """Function from source rows to facts (cleaned source rows) with the column `reason`: why a row is rejected; null if
    valid."""
    identity: tuple[str, ...]
    """The columns of a fact. Two facts that agree in all of them are copies of one another."""
    key: tuple[str, ...]
    """The key columns. Of several different facts with one key only one is used."""
    time: str
    """The timestamp column whose calendar day decides to which daily tile a fact belongs."""
    lookup: str
    """The key column whose file statistics tell which source files may hold a key; the other files are skipped."""
    sinks: tuple[tuple[Table, Transform], ...]
    """Tile tables, each with the function from facts to its rows. The commit of the first table records from which
    version of the source all of them were made."""
    rejects: Table
    """The table of rejected source rows, which are part of no tile."""
    to_rejects: Transform
    """Function from rejected facts (with `reason` and `rows`) to rows of the table `rejects`."""
    from_rejects: Transform
    """The inverse of `to_rejects`."""
    version: int
    """Version of the rules for facts and tiles. It is raised when their meaning changes, so that the tiles are
    rebuilt."""
    void: str | None = None
    """The `reason` (such as `cancelled`) of facts that compete with the others of their key although they are rejected.
    If such a fact wins, no fact of its key is used. None: there are no such facts."""

    @property
    def tables(self) -> list[Table]:
        """All tables of the tiling: the main tile table first, the rejects last."""
        return [*(table for table, _ in self.sinks), self.rejects]


def read_facts(
    spark: SparkSession, tiling: Tiling, source: Snapshot, only: Sequence[FileRef] | None = None
) -> DataFrame:
    """Read rows of a source snapshot and return them as facts (cleaned rows) with `reason` (null: valid).

    Args:
        spark: The session.
        tiling: The source and its tile tables.
        source: The snapshot.
        only: Files of the snapshot to read; None for all.
    """
    return tiling.to_facts(spark_bridge.read(spark, source, tiling.columns, only))


def valid_facts(all_facts: DataFrame) -> DataFrame:
    """Return the facts (cleaned source rows) whose `reason` for rejection is null, without that column."""
    return all_facts.where("reason is null").drop("reason")


def competing_facts(tiling: Tiling, all_facts: DataFrame) -> DataFrame:
    """Return the facts (cleaned source rows) that compete to be the used one of their key, with the column `void`.

    These are the valid and the void facts. If a void fact (for example a cancelled order line) wins its key, no fact of
    the key is used.

    Args:
        tiling: The source and its tile tables.
        all_facts: Facts with `reason`; the invalid ones are left out.
    """
    if tiling.void is None:
        return valid_facts(all_facts).withColumn("void", F.lit(False))
    competes = F.col("reason").isNull() | (F.col("reason") == tiling.void)
    return all_facts.where(competes).withColumn("void", F.col("reason").isNotNull()).drop("reason")


def void_rejects(tiling: Tiling, winners: DataFrame) -> DataFrame:
    """Return the void facts (such as cancelled order lines) that won their key, as rejects with `reason` and `rows`.

    Args:
        tiling: The source and its tile tables.
        winners: The greatest fact of each key (see `facts.ranked`), with the boolean column `void`.
    """
    void = winners.where("void").select(*tiling.identity)
    return void.withColumns({"reason": F.lit(tiling.void), "rows": F.lit(1).cast("bigint")})


def split_repeated(tiling: Tiling, all_facts: DataFrame, any_void: bool) -> tuple[DataFrame, DataFrame | None]:
    """Split the valid and void facts into the used ones (at most one per key) and the rejected ones.

    A void fact (such as a cancelled order line) can win its key; then no fact of the key is used.

    Args:
        tiling: The source and its tile tables.
        all_facts: Facts with `reason`. The invalid ones are ignored and appear in neither result.
        any_void: False if there are certainly no void facts, which saves work.

    Returns:
        The used facts, and the rejected ones with `reason` and `rows` as `facts.repeated` returns them. The second is
        None if every fact is used.
    """
    winners, lost = _winners(tiling, competing_facts(tiling, all_facts))
    if not any_void:
        return winners.select(*tiling.identity), lost
    void = void_rejects(tiling, winners)
    counted = winners.where("not void").select(*tiling.identity)
    return counted, void if lost is None else reduce(DataFrame.union, [lost, void])


def _winners(tiling: Tiling, competing: DataFrame) -> tuple[DataFrame, DataFrame | None]:
    """Return the fact that wins each key, with the column `void`, and all other facts as rejects.

    The rejects are None if no key has several facts.
    """
    hashed = competing.withColumn("key_hash", F.xxhash64(*tiling.key))
    hashes = hashed.select("key_hash").repartition("key_hash").groupBy("key_hash").count()
    suspects = hashes.where("count > 1").select("key_hash").cache()
    if not suspects.count():
        return competing, None
    # Hash collisions of different keys do no harm: `ranked` compares the keys themselves.
    columns = (*tiling.identity, "void")
    ranks = facts.ranked(hashed.join(suspects, "key_hash", "left_semi"), tiling.key, columns).cache()
    single = hashed.join(suspects, "key_hash", "left_anti").select(*columns)
    return single.union(ranks.where("rank = 1").select(*columns)), facts.repeated(ranks, tiling.identity)


def with_day(tiling: Tiling, valid: DataFrame) -> DataFrame:
    """Add the column `day`, in the shop's time zone, to facts (cleaned source rows)."""
    return valid.withColumn("day", day(tiling.time))


def in_one_bucket(tiling: Tiling, valid: DataFrame) -> DataFrame:
    """Add `day` and `bucket` (always 0) to facts, and partition them by user and day, so that tiles can be computed.

    It is used instead of `layout.partition_by_day` where the tiles are not written as computed, but joined with others
    or only used in memory.
    """
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
