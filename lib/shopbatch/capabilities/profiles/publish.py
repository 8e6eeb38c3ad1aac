"""The profiles of one day: written as a candidate, judged, and published in one commit that replaces only that day.

Called by `run`. The gates read the files just written, so what is judged is what readers will see.
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

FILES = 32  # per day: who looks for one user reads a 32nd of the day's bytes, and the ids in the other files
_USERS_PER_TASK, _USERS_PER_FILE, _MIN_USERS_PER_FILE = 200_000, 25_000, 16
# how a row becomes JSON: nulls are kept and moments are not cut, so that different rows are different texts
_WHOLE = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}
_STEADY_FEATURES = ("sales_30d", "baskets_30d", "active_days_90d", "buy_probability_30d", "price_level")


@dataclass(frozen=True)
class Money:
    """Cents per day in the rows of the source and in the rejects; None is the key of rows without a valid moment."""

    source: Mapping[date | None, int]
    rejects: Mapping[date | None, int]

    def before(self, as_of: date) -> tuple[int, int]:
        """Return both sums over the days before `as_of`. Rows without a valid moment count for every day."""
        source, rejects = (sum(c for d, c in m.items() if d is None or d < as_of) for m in (self.source, self.rejects))
        return source, rejects


def partition(as_of: date) -> dict[str, str]:
    """Return the partition of the table that holds a day."""
    return {"as_of": as_of.isoformat()}


def files_of_day(snapshot: Snapshot | None, as_of: date) -> list[FileRef]:
    """Return the visible files of a day."""
    return list(snapshot.part(partition(as_of)).files) if snapshot else []


def published_days(snapshot: Snapshot | None) -> list[date]:
    """Return the days that the table holds, in order."""
    return sorted({date.fromisoformat(str(f.partition["as_of"])) for f in snapshot.files}) if snapshot else []


def write(frame: DataFrame, store: Store, as_of: date, run_id: str) -> list[DataFile]:
    """Write a day's rows sorted by user: who looks for one user reads one file, and only the ids of the others."""
    frame = frame.cache()  # it is counted, perhaps sampled, and written, but should be computed once
    users = frame.count()
    tasks = -(-users // _USERS_PER_TASK) or 1
    rows = max(-(-users // FILES), _MIN_USERS_PER_FILE) if tasks == 1 else _USERS_PER_FILE
    placed = frame.repartitionByRange(tasks, "user_id").sortWithinPartitions("user_id")
    return spark_bridge.write(placed, store, USER_PROFILES, run_id, partition(as_of), rows)


def scan(store: Store, written: Sequence[DataFile | FileRef]) -> pl.LazyFrame:
    """Return a day's files as a lazy frame."""
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
    """Judge a day's candidate and return every gate.

    Args:
        store: The warehouse.
        written: The candidate's files.
        money: Cents of the source before the day, and of the rejects.
        replaced: Files of the day's live version; empty if it is not published yet.
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
    """A gate that only a defect of the job can fail."""
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
    """Make a day's candidate visible in place of the files `replaced`. Raises Superseded if the day has changed."""
    crash_point("profiles_written")
    publication.commit(
        USER_PROFILES,
        {"job": "build_user_profiles", "run_id": run_id, "as_of": as_of.isoformat()},
        mode="rewrite",
        removed=[file.path for file in replaced],
        check=unless_changed(replaced, partition(as_of)),
    )


def same_content(spark: SparkSession, store: Store, written: Sequence[DataFile], replaced: Sequence[FileRef]) -> bool:
    """Return whether two sets of files hold the same rows, apart from the `run_id` column.

    Each row is hashed with SHA-256 after random characters that nobody can know before, and the hashes are added up. So
    rows cannot be made up whose hashes, or sums of hashes, are equal.
    """
    if sum(f.rows for f in written) != sum(f.rows for f in replaced):
        return False
    columns = [c for c in USER_PROFILES.file_schema().names if c != "run_id"]
    root = store.uri(USER_PROFILES.name)
    row = F.sha2(F.concat(F.lit(token_hex(32)), F.to_json(F.struct(*columns), _WHOLE)), 256)
    words = [F.conv(F.substring(row, first, 15), 16, 10).cast("decimal(20,0)") for first in (1, 16, 31)]
    schema = from_arrow_schema(USER_PROFILES.file_schema())  # files of an older version have less
    frames = (
        spark_bridge.read_files(spark, schema, [f"{root}/{f.path}" for f in part], root) for part in (written, replaced)
    )
    new, old = (frame.agg(*map(F.sum, words)).first() for frame in frames)
    return bool(new == old)


def _outside(facts: Mapping[str, Any], name: str, between: tuple[float, float]) -> bool:
    low, high = facts[f"min_{name}"], facts[f"max_{name}"]
    return low is not None and (low < between[0] - 1e-9 or high > between[1] + 1e-9)


def _drift(store: Store, frame: pl.LazyFrame, before: Sequence[FileRef], limit: float) -> Gate:
    """Judge the largest relative change of the number of users or of a mean since the last day published before."""
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
