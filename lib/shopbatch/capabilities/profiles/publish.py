"""One day's profiles: written, judged, and made visible in one commit that takes the place of that day alone.

Called by `run`. Figures of the candidate are read off the files just written, so that what is judged is what will
be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
from pyspark.sql import functions as F

from shopbatch.capabilities.profiles.config import Gates
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import GateRefused
from shopbatch.tables.user_profiles import FEATURES, USER_PROFILES
from shopbatch.warehouse import files
from shopbatch.warehouse import spark_bridge as tables
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.gates import Gate
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILES = 32  # of a day: one user's rows are then in a 32nd of its bytes
_USERS_PER_TASK, _USERS_PER_FILE, _FEWEST = 200_000, 25_000, 16
_STEADY = ("sales_30d", "baskets_30d", "active_days_90d", "buy_probability_30d", "price_level")


class AlreadyThere(Exception):
    """Another run published the day meanwhile."""


@dataclass(frozen=True)
class Money:
    """Cents of the source's rows and of those in the rejects, by day; under None those without a moment."""

    source: Mapping[date | None, int]
    rejects: Mapping[date | None, int]

    def before(self, as_of: date) -> tuple[int, int]:
        """Both sums over the days before `as_of`; rows without a moment are of every day."""
        source, rejects = (sum(c for d, c in m.items() if d is None or d < as_of) for m in (self.source, self.rejects))
        return source, rejects


def of_day(snapshot: Snapshot | None, as_of: date) -> list[FileRef]:
    """The visible files of a day."""
    return [f for f in snapshot.files if f.partition.get("as_of") == as_of.isoformat()] if snapshot else []


def published_days(snapshot: Snapshot | None) -> list[date]:
    """The days that the table holds, in order."""
    return sorted({date.fromisoformat(str(f.partition["as_of"])) for f in snapshot.files}) if snapshot else []


def unchanged(now: Snapshot | None, as_of: date, files_then: Sequence[FileRef]) -> None:
    """AlreadyThere if the day's visible files are others than they were."""
    if [f.path for f in of_day(now, as_of)] != [f.path for f in files_then]:
        raise AlreadyThere


def write(frame: DataFrame, store: Store, as_of: date, run_id: str) -> list[DataFile]:
    """Write a day's rows in files of neighbouring users, sorted, so that a reader of one user needs one of them."""
    frame = frame.cache()  # counted, perhaps sampled, and written: computed once
    users = frame.count()
    tasks = -(-users // _USERS_PER_TASK) or 1
    rows = max(-(-users // FILES), _FEWEST) if tasks == 1 else _USERS_PER_FILE
    placed = frame.repartitionByRange(tasks, "user_id").sortWithinPartitions("user_id")
    return tables.write(placed, store, USER_PROFILES, run_id, {"as_of": as_of.isoformat()}, rows)


def scan(store: Store, written: Sequence[DataFile | FileRef]) -> pl.LazyFrame:
    """A day's files as a lazy frame."""
    root = store.uri(USER_PROFILES.name)
    return files.scan([f"{root}/{f.path}" for f in written])


def judge(
    store: Store, written: Sequence[DataFile], money: tuple[int, int], before: Sequence[FileRef], limits: Gates
) -> list[Gate]:
    """Every gate of a day's candidate.

    money: cents of the source before the day, and of the rejects. before: files of the day published before it, if any.
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
    return [
        Gate("one row per user", twice, 0, twice == 0),
        Gate("no nulls where there may be none", len(nulls), 0, not nulls, ", ".join(nulls[:5])),
        Gate("values in range", len(outside), 0, not outside, ", ".join(outside[:5])),
        Gate("money reconciles, in cents", source - users - rejects, 0, source == users + rejects,
             f"source {source:,}, users {users:,}, rejects {rejects:,}"),
        Gate("users who never bought", round(facts["no_purchase"] or 0.0, 4), limits.no_purchase_share,
             (facts["no_purchase"] or 0.0) <= limits.no_purchase_share),
        _drift(store, frame, before, limits.drift),
    ]  # fmt: skip


def publish(
    store: Store, as_of: date, written: Sequence[DataFile], replaced: Sequence[FileRef], metadata: Mapping[str, Any]
) -> int:
    """Make a day visible in the place of `replaced`; returns the version. AlreadyThere if the day changed meanwhile."""
    crash_point("profiles_written")
    gone = [f.path for f in replaced]
    return store.commit(
        USER_PROFILES, written, "rewrite", str(metadata["run_id"]), metadata, gone,
        lambda now: unchanged(now, as_of, replaced),
    )  # fmt: skip


def same(spark: SparkSession, store: Store, written: Sequence[DataFile], replaced: Sequence[FileRef]) -> bool:
    """Whether two sets of files say the same of the same users, but for the run that computed it."""
    if sum(f.rows for f in written) != sum(f.rows for f in replaced):
        return False
    columns = [c for c in USER_PROFILES.file_schema().names if c != "run_id"]
    root = store.uri(USER_PROFILES.name)
    # a null leaves such a hash as it is: without the flags it would not matter which of two columns is null
    row = F.xxhash64(*columns, *(F.isnull(c) for c in columns)).cast("decimal(38,0)")
    frames = (spark.read.parquet(*(f"{root}/{f.path}" for f in part)) for part in (written, replaced))
    one, other = (frame.agg(F.sum(row)).first() for frame in frames)
    return bool(one == other)


def refuse(gates: Sequence[Gate], as_of: date) -> None:
    """GateRefused if a gate did not pass."""
    if failed := [g for g in gates if not g.passed]:
        first = failed[0]
        raise GateRefused(f"{as_of}: {first.name}: {first.value}, limit {first.limit} {first.detail}".rstrip())


def _outside(facts: Mapping[str, Any], name: str, between: tuple[float, float]) -> bool:
    low, high = facts[f"min_{name}"], facts[f"max_{name}"]
    return low is not None and (low < between[0] - 1e-9 or high > between[1] + 1e-9)


def _drift(store: Store, frame: pl.LazyFrame, before: Sequence[FileRef], limit: float) -> Gate:
    """The greatest relative change of the number of users or of a mean against the day before."""
    if not before:
        return Gate("drift", None, limit, True, "no day before it is published")
    means = [pl.len().cast(pl.Float64).alias("users"), *(pl.col(n).cast(pl.Float64).mean().alias(n) for n in _STEADY)]
    new, old = (f.select(means).collect(engine="streaming").row(0, named=True) for f in (frame, scan(store, before)))
    changes = {n: abs((new[n] or 0.0) - v) / abs(v) for n, v in old.items() if v}
    worst = max(changes, key=lambda n: changes[n], default="")
    value = round(changes.get(worst, 0.0), 4)
    return Gate("drift", value, limit, value <= limit, worst)
