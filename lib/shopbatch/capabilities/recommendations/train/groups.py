"""Groups of users by which the quality of the lists is reported."""

from __future__ import annotations

import numpy as np

from shopbatch.capabilities.recommendations.history import History
from shopbatch.warehouse.store import Snapshot

COLUMNS = ("age", "income", "household_size", "kids_count", "marital_status", "home_ownership", "language", "market")
TERCILES = ("least active third", "middle third", "most active third")


def groups_of(users: Snapshot | None, names: list[str], before: History) -> dict[str, np.ndarray]:
    """Return the name of each user's group by what divides them, object [users]; None for a user in no group.

    Args:
        users: The table `users`, if there is one.
        names: Names of the users of the history.
        before: Their history before the held-out days, which says how active they are.
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
