"""Write the profiles of one day as a candidate, judge it by gates, and publish it in one commit.

Called by `run`. The commit replaces only that day. The gates read the files that were just written, so they judge
exactly what readers will see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import polars as pl
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from shopbatch.capabilities.profiles.config import Gates
from shopbatch.core.crash_points import crash_point
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.user_profiles import FEATURES, USER_PROFILES
from shopbatch.warehouse import files, spark_bridge
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.gates import DEFECT, Gate, explain, shrinking
from shopbatch.warehouse.publish import Publication, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILES = 32  # per day: to find one user, a reader loads 1/32 of the day and only the ids of the other files
_USERS_PER_TASK, _USERS_PER_FILE, _MIN_USERS_PER_FILE = 200_000, 25_000, 16
# Options of to_json: nulls are written and timestamps keep their microseconds, so different rows give different texts.
_WHOLE = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}
_STEADY_FEATURES = ("sales_30d", "baskets_30d", "active_days_90d", "buy_probability_30d", "price_level")


@dataclass(frozen=True)
class Money:
    """Cents of the transactions by day, for the gate on money.

    That gate requires, to the cent, that the money of all source rows is the money in the profiles plus that of the
    rejects.

    Attributes:
        source: Cents of all source rows by day. The key None holds the cents of rows without a valid time.
        rejects: Cents of the rejected rows by day, with the same meaning of None.
    """

    source: Mapping[date | None, int]
    rejects: Mapping[date | None, int]

    def before(self, as_of: date) -> tuple[int, int]:
        """Return (cents of the source, cents of the rejects), each summed over all days before `as_of`.

        Rows without a valid time are included for every `as_of`.
        """
        source, rejects = (sum(c for d, c in m.items() if d is None or d < as_of) for m in (self.source, self.rejects))
        return source, rejects


def partition(as_of: date) -> dict[str, str]:
    """Return the partition of user_profiles that holds a day, such as {"as_of": "2017-07-01"}."""
    return {"as_of": as_of.isoformat()}


def files_of_day(snapshot: Snapshot | None, as_of: date) -> list[FileRef]:
    """Return the published files of one day of user_profiles; [] if the day or the table (None) does not exist."""
    return list(snapshot.part(partition(as_of)).files) if snapshot else []


def published_days(snapshot: Snapshot | None) -> list[date]:
    """Return the days that user_profiles holds, sorted; [] if the table does not exist (None)."""
    return sorted({date.fromisoformat(str(f.partition["as_of"])) for f in snapshot.files}) if snapshot else []


def write(frame: DataFrame, store: Store, as_of: date, run_id: str) -> list[DataFile]:
    """Write one day's profiles, sorted by user, as files that stay invisible until `publish` commits them.

    Because of the order, a reader who looks for one user reads one whole file and only the column `user_id` of the
    others.

    Args:
        frame: Rows of user_profiles.
        store: The warehouse.
        as_of: The day.
        run_id: Name of the folder of the files; a new one for each call.

    Returns:
        The files written; [] if `frame` has no rows.
    """
    frame = frame.cache()  # counted, perhaps sampled, and written, but computed only once
    users = frame.count()
    tasks = -(-users // _USERS_PER_TASK) or 1
    rows = max(-(-users // FILES), _MIN_USERS_PER_FILE) if tasks == 1 else _USERS_PER_FILE
    placed = frame.repartitionByRange(tasks, "user_id").sortWithinPartitions("user_id")
    return spark_bridge.write(placed, store, USER_PROFILES, run_id, partition(as_of), rows)


def scan(store: Store, written: Sequence[DataFile | FileRef]) -> pl.LazyFrame:
    """Return the rows of one day's profile files as a Polars lazy frame; the files may be published or not."""
    root = store.uri(USER_PROFILES.name)
    return files.scan([f"{root}/{f.path}" for f in written], USER_PROFILES.file_schema())


def judge(
    store: Store,
    written: Sequence[DataFile],
    money: tuple[int, int],
    replaced: Sequence[FileRef],
    before: Sequence[FileRef],
    limits: Gates,
) -> list[Gate]:
    """Check the written profiles of one day against all gates and return the gates with their results.

    The gates are: number of users, one row per user, no unexpected nulls, values in their declared range, money equal
    to the source to the cent, share of users who never bought, and drift against the last published day.

    Args:
        store: The warehouse.
        written: Files of the candidate.
        money: Cents of the source and cents of the rejects, both before the day (`Money.before`).
        replaced: Files of the day's live version; empty if the day is not published yet.
        before: Files of the last published day before this one; empty if there is none.
        limits: The configured limits.
    """
    source, rejects = money
    uris = [f"{store.uri(USER_PROFILES.name)}/{f.path}" for f in written]
    frame = scan(store, written)
    facts = frame.select(
        pl.len().alias("users"),
        pl.col("sales_all").sum().alias("sales"),
        (pl.col("rfm_segment") == "no_purchase").mean().alias("no_purchase"),
        *(pl.col(f.name).null_count().alias(f"null_{f.name}") for f in FEATURES if f.null == "never null"),
        *(pl.col(f.name).min().alias(f"min_{f.name}") for f in FEATURES if f.between),
        *(pl.col(f.name).max().alias(f"max_{f.name}") for f in FEATURES if f.between),
    ).collect(engine="streaming").row(0, named=True)  # fmt: skip
    users = int((facts["sales"] or Decimal(0)) * 100)
    twice = files.duplicate_keys(uris, ["user_id"])
    nulls = [f.name for f in FEATURES if f.null == "never null" and facts[f"null_{f.name}"]]
    outside = [f.name for f in FEATURES if f.between and _outside(facts, f.name, f.between)]
    live = sum(file.rows for file in replaced or before)
    return [
        shrinking(limits.rows, TRANSACTIONS.name, 1, facts["users"], live),  # empty transactions were refused before
        _defect("one row per user", twice, f"{twice:,} rows repeat the user of another row"),
        _defect("no nulls where there may be none", len(nulls), f"null values in {', '.join(nulls[:5])}"),
        _defect("values in range", len(outside), f"values outside the declared range in {', '.join(outside[:5])}"),
        _money(source, users, rejects),
        _never_bought(facts["no_purchase"] or 0.0, limits.no_purchase_share),
        _drift(store, frame, before, limits.drift),
    ]


def _defect(name: str, count: int, what: str) -> Gate:
    """Return a gate that passes if `count`, a number of defects in the written profiles, is 0.

    Only a programming error in the job can make it fail. `what` describes the defects, for the message.
    """
    why = "whoever joins or sums the table would get wrong numbers"
    return Gate(name, count, 0, count == 0, explain(count == 0, what, why, DEFECT))


def _money(source: int, users: int, rejects: int) -> Gate:
    missing = source - users - rejects
    note = f"source {source:,}, users {users:,}, rejects {rejects:,}"
    what = f"{missing:,} cents of the source are neither in the profiles nor in the rejects ({note})"
    why = "every sum over the profiles would be wrong"
    passed = missing == 0
    return Gate("money reconciles, in cents", missing, 0, passed, explain(passed, what, why, DEFECT, note))


def _never_bought(share: float, limit: float) -> Gate:
    passed = share <= limit
    what = f"{share:.1%} of the users never bought anything, more than gates.no_purchase_share={limit:g}"
    why = "mostly transactions are missing, or their user ids differ from those of `users`"
    do = f"compare their ids; if it is so, set gates.no_purchase_share={min(1.0, round(share + 0.01, 2)):g}"
    return Gate("users who never bought", round(share, 4), limit, passed, explain(passed, what, why, do))


def publish(publication: Publication, as_of: date, replaced: Sequence[FileRef], run_id: str) -> None:
    """Make one day's candidate visible in place of the files `replaced`, in one commit.

    Args:
        publication: The publication to which the candidate's files were added.
        as_of: The day.
        replaced: The day's published files when the run began; empty if there were none.
        run_id: The run, stored with the commit.

    Raises:
        Superseded: Another run published the day since this one began.
    """
    crash_point("profiles_written")
    publication.commit(
        USER_PROFILES,
        {"job": "build_user_profiles", "run_id": run_id, "as_of": as_of.isoformat()},
        mode="rewrite",
        removed=[file.path for file in replaced],
        check=unless_changed(replaced, partition(as_of)),
    )


def same_content(spark: SparkSession, store: Store, written: Sequence[DataFile], replaced: Sequence[FileRef]) -> bool:
    """Return True if the written and the published files hold the same rows, apart from the column `run_id`.

    `run` then publishes nothing. Each row is hashed by SHA-256 together with a random prefix of 64 characters, and the
    sums of the hashes are compared. As nobody can know the prefix in advance, rows cannot be crafted whose hashes or
    sums of hashes are equal.

    Args:
        spark: The session.
        store: The warehouse.
        written: Files of the candidate.
        replaced: Published files of the same day.
    """
    if sum(f.rows for f in written) != sum(f.rows for f in replaced):
        return False
    columns = [c for c in USER_PROFILES.file_schema().names if c != "run_id"]
    root = store.uri(USER_PROFILES.name)
    row = F.sha2(F.concat(F.lit(token_hex(32)), F.to_json(F.struct(*columns), _WHOLE)), 256)
    words = [F.conv(F.substring(row, first, 15), 16, 10).cast("decimal(20,0)") for first in (1, 16, 31)]
    schema = from_arrow_schema(USER_PROFILES.file_schema())  # files of an older version have fewer columns
    frames = (
        spark_bridge.read_files(spark, schema, [f"{root}/{f.path}" for f in part], root) for part in (written, replaced)
    )
    new, old = (frame.agg(*map(F.sum, words)).first() for frame in frames)
    return bool(new == old)


def _outside(facts: Mapping[str, Any], name: str, between: tuple[float, float]) -> bool:
    low, high = facts[f"min_{name}"], facts[f"max_{name}"]
    return low is not None and (low < between[0] - 1e-9 or high > between[1] + 1e-9)


def _drift(store: Store, frame: pl.LazyFrame, before: Sequence[FileRef], limit: float) -> Gate:
    """Return the gate that limits the largest relative change since the last published day (files `before`).

    The change is that of the number of users or of the mean of one of the features _STEADY_FEATURES. The gate passes if
    `before` is empty.
    """
    if not before:
        return Gate("drift", None, limit, True, "no earlier day is published")
    means = [
        pl.len().cast(pl.Float64).alias("users"),
        *(pl.col(n).cast(pl.Float64).mean().alias(n) for n in _STEADY_FEATURES),
    ]
    new, old = (f.select(means).collect(engine="streaming").row(0, named=True) for f in (frame, scan(store, before)))
    changes = {n: abs((new[n] or 0.0) - v) / abs(v) for n, v in old.items() if v}
    worst = max(changes, key=lambda n: changes[n], default="")
    value = round(changes.get(worst, 0.0), 4)
    what = f"{worst} changed by {value:.1%} since the last published day, more than gates.drift={limit:g}"
    why = "a steady feature changes that much mostly because rows are missing or repeated"
    do = f"look at the newest rows of transactions; if it is so, set gates.drift={value + 0.01:.2f}"
    return Gate("drift", value, limit, value <= limit, explain(value <= limit, what, why, do, worst))
