"""Divide users into groups (by activity, age, market, ...), for which the report shows the quality of the lists."""

from __future__ import annotations

import numpy as np

from shopbatch.capabilities.recommendations.history import History
from shopbatch.warehouse.store import Snapshot

COLUMNS = ("age", "income", "household_size", "kids_count", "marital_status", "home_ownership", "language", "market")
TERCILES = ("least active third", "middle third", "most active third")


def groups_of(users: Snapshot | None, names: list[str], before: History) -> dict[str, np.ndarray]:
    """Return the group name of each user, object [users], by attribute ("activity", "age", ...); None: in no group.

    Args:
        users: Snapshot of the table `users`; None if there is none, which leaves only "activity".
        names: Ids of the users of the history.
        before: The history before the held-out days. Users are divided into thirds by their number of days in it.
    """
    days = np.zeros(before.users, np.int64)
    position, some = before.positions(), np.diff(before.starts) > 0
    days[some] = position[before.starts[1:][some] - 1] + 1
    active = np.flatnonzero(days)
    rank = np.argsort(np.argsort(days[active], kind="stable"), kind="stable")
    of_activity = np.full(before.users, None, object)
    of_activity[active] = np.array(TERCILES, object)[rank * len(TERCILES) // max(len(active), 1)]
    out = {"activity": of_activity}
    if users is None:
        return out
    there = [column for column in COLUMNS if column in users.schema.names]
    table = users.read(["user_id", *there]).to_pydict()
    place = {name: n for n, name in enumerate(table["user_id"])}
    at = [place.get(name) for name in names]
    for column in there:
        out[column] = np.array([None if n is None else table[column][n] for n in at], object)
    return out
