"""From the candidates of many users to lists that may be shown: without what must not be in them, and not all alike.

Nothing here computes a score, so that a changed rule changes lists without a model being asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.recommendations.recommend.candidates import CANDIDATE
from shopbatch.capabilities.recommendations.recommend.catalogue import ANYWHERE, Catalogue

_NEVER = -(10**6)  # a day before all others


@dataclass(frozen=True)
class Rules:
    """The rules of a list. What they say of single products is in the catalogue.

    Attributes:
        size: Places of the list.
        mmr: Weight of the score against likeness to what the list holds: 1 leaves the order by score.
        most_per_group: Most products of one value, by column.
        returned_days: For how many days a returned product is not listed.
        seldom: Which products of the model are of a group that is hardly bought again, bool [n].
        seldom_days: For how many days these are not listed again.
        today: The day up to which days are counted, days since 1970.
    """

    size: int
    mmr: float
    most_per_group: Mapping[str, int]
    returned_days: int
    seldom: np.ndarray = field(repr=False)
    seldom_days: int
    today: int


@dataclass(frozen=True)
class Entries:
    """Candidates of a tile of users, as `CANDIDATE` has them: user u has the entries starts[u] to starts[u + 1].

    last and returned are days since 1970, long ago where there is none; days is 0 there. because: int [n] lists.
    """

    starts: np.ndarray
    item: np.ndarray
    score: np.ndarray
    source: np.ndarray
    days: np.ndarray
    last: np.ndarray
    returned: np.ndarray
    because: pa.Array

    @classmethod
    def of(cls, column: pa.ChunkedArray | pa.Array) -> Entries:
        """Read a column of lists of candidates."""
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        lengths = whole.value_lengths().fill_null(0).to_numpy()
        flat = whole.flatten()
        parts = {f.name: flat.field(n) for n, f in enumerate(CANDIDATE)} if len(flat) else {}
        parts = parts or {f.name: pa.array([], f.type) for f in CANDIDATE}
        numbers = {n: parts[n].fill_null(_NEVER).to_numpy().astype(np.int64) for n in ("item", "last", "returned")}
        return cls(
            starts=np.concatenate([[0], np.cumsum(lengths)]),
            score=parts["score"].to_numpy().astype(np.float64),
            source=parts["source"].to_numpy().astype(np.int64),
            days=parts["days"].fill_null(0).to_numpy().astype(np.int64),
            because=parts["because"],
            **numbers,
        )

    @property
    def user(self) -> np.ndarray:
        """The user of each entry, int64 [n]."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def chosen(some: Entries, catalogue: Catalogue, rules: Rules, market: np.ndarray) -> list[np.ndarray]:
    """Choose the entries of each user's list, in the order of the list.

    Args:
        some: The candidates; no item twice for one user.
        catalogue: The products.
        rules: The rules.
        market: Market of each user, int64 [users].
    """
    user = some.user
    good = np.flatnonzero(allowed(some, catalogue, rules, market[user]))
    order = good[np.lexsort((some.item[good], -some.score[good], user[good]))]
    users = len(some.starts) - 1
    sizes = np.bincount(user[order], minlength=users)
    width = int(sizes.max(initial=0))
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    entry = np.full((users, width), -1)
    entry[user[order], place] = order
    picked = _diverse(entry, some, catalogue, rules)
    return [row[row >= 0] for row in picked]


def allowed(some: Entries, catalogue: Catalogue, rules: Rules, market: np.ndarray) -> np.ndarray:
    """Return which entries a list may hold, bool [n]; `market` is that of each entry's user."""
    item = some.item
    sold = (catalogue.market[item] == ANYWHERE) | (market == ANYWHERE) | (catalogue.market[item] == market)
    kept = rules.today - some.returned >= rules.returned_days
    again = ~rules.seldom[item] | (rules.today - some.last >= rules.seldom_days)
    return np.asarray(catalogue.listed[item] & sold & kept & again)


def _diverse(entry: np.ndarray, some: Entries, catalogue: Catalogue, rules: Rules) -> np.ndarray:
    """Fill the places one by one, all users at once: entries int64 [users, size], -1 where there is none."""
    users, width = entry.shape
    picked = np.full((users, rules.size), -1)
    if not width:
        return picked
    item = some.item[entry]
    score = np.where(entry >= 0, some.score[entry], 0.0)
    top = np.where(score[:, :1] > 0, score[:, :1], 1.0)
    worth = np.where(entry >= 0, rules.mmr * score / top, -np.inf)
    kind = np.where(entry >= 0, catalogue.groups["product_type"][item], -1)
    capped = [(np.where(entry >= 0, catalogue.groups[c][item], -1), most) for c, most in rules.most_per_group.items()]
    held = [np.zeros(entry.shape, np.int64) for _ in capped]
    nearest = np.zeros(entry.shape, bool)
    row = np.arange(users)
    for place in range(min(rules.size, width)):
        now = worth - (1 - rules.mmr) * nearest
        best = np.argmax(now, axis=1)
        any_left = np.isfinite(now[row, best])
        picked[any_left, place] = entry[row, best][any_left]
        worth[row, best] = -np.inf
        if rules.mmr < 1:
            nearest |= (kind == kind[row, best][:, None]) & (kind >= 0) & any_left[:, None]
        for n, (code, most) in enumerate(capped):
            held[n] += (code == code[row, best][:, None]) & (code >= 0) & any_left[:, None]
            worth[held[n] >= most] = -np.inf
    return picked
