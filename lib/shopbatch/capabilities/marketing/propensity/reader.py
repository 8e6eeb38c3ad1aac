"""Read the active days of users from `user_daily` into arrays; of a large table, those of a sample of users."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.core.hashing import hash128
from shopbatch.evaluation.purchases import Purchases
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

COLUMNS = ("user_id", "day", "baskets", "purchase_cents")
EPOCH = date(1970, 1, 1)


def day_number(day: date) -> float:
    """Return a day as the number of days since 1970-01-01, as `Purchases.day` counts them."""
    return float((day - EPOCH).days)


def read_purchases(snapshot: Snapshot, most_rows: int, most_users: int, seed: int) -> tuple[Purchases, list[str]]:
    """Read the active days (days with a basket) of all users or of a sample, one file at a time.

    Args:
        snapshot: A version of `user_daily`.
        most_rows: About how many rows are used at most. Of a larger table, users are drawn by a hash of their id; a
            drawn user keeps all days.
        most_users: Most users that are kept, drawn in the same way.
        seed: Seed of the draw.

    Returns:
        The active days, and the users' ids in the order of their numbers.
    """
    share = min(1.0, most_rows / max(1, snapshot.rows))
    schema, parts = snapshot.select(COLUMNS), []
    for file in snapshot.files:
        part = files.read(file.uri, schema, file.partition)
        if share < 1.0:
            part = part.filter(_draw(part["user_id"], seed) < np.uint64(int(share * 2**64) - 1))
        rows = pl.DataFrame(part).filter(pl.col("baskets") > 0)
        parts.append(rows.select("user_id", pl.col("day").to_physical().cast(pl.Int64), "purchase_cents"))
    empty = pl.DataFrame(schema={"user_id": pl.String, "day": pl.Int64, "purchase_cents": pl.Int64})
    whole = pl.concat([empty, *parts])
    users = whole["user_id"].unique().sort()
    if len(users) > most_users:
        users = users.gather(np.sort(np.argsort(_draw(users.to_arrow(), seed), kind="stable")[:most_users]))
        whole = whole.join(pl.DataFrame({"user_id": users}), "user_id", "semi")
    whole = whole.sort("user_id", "day")
    ids = whole["user_id"].unique(maintain_order=True)
    number = whole["user_id"].rle_id().cast(pl.Int64).to_numpy()
    money = whole["purchase_cents"].to_numpy() / 100.0
    return Purchases(number, whole["day"].to_numpy(), money, len(ids)), ids.to_list()


def _draw(ids: pa.Array | pa.ChunkedArray, seed: int) -> np.ndarray:
    """Return a pseudo-random number for each user id, uint64 [n]; users with the smallest numbers are drawn."""
    return np.asarray(hash128([ids])[0] * np.uint64(2 * seed + 1))
