"""Choose the products of each user's list from the candidates: apply the shop's rules and keep the lists varied.

Nothing here computes a score. So a changed rule gives new lists from the stored candidates, without the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.recommendations.recommend.candidates import CANDIDATE
from shopbatch.capabilities.recommendations.recommend.catalogue import ANYWHERE, Catalogue

_NEVER = -(10**6)  # stands for "never": a day long before all others


@dataclass(frozen=True)
class Rules:
    """The rules by which one list is chosen from the candidates. `Catalogue.listed` marks excluded products.

    Attributes:
        size: Greatest number of products in the list.
        mmr: Weight of the score against variety of product types, 0..1; 1 orders by score alone (see `ListConfig.mmr`).
        most_per_group: {column of `products`: greatest number of products with the same value in it}.
        returned_days: Number of days for which a product is not listed after the user returned it.
        seldom: True for products of groups that are hardly ever bought again, bool [products]; one element per entry of
            `Recommender.product_ids`.
        seldom_days: Number of days for which the products in `seldom` are not listed after the user bought them.
        today: The current day for these rules, in days since 1970: the newest day of all histories.
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
    """The candidates of a batch of users, as arrays with one element per (user, candidate product).

    The candidates of user u are the elements starts[u] to starts[u + 1] (exclusive) of each array. The other attributes
    are the fields of the struct `candidates.CANDIDATE`, in which nulls are replaced by numbers.

    Attributes:
        starts: Index of each user's first element; the last value is n, the number of all candidates. int64 [users +
            1].
        item: The candidate product, as its index in `Recommender.product_ids`, int64 [n].
        score: Score of the candidate for the user; higher is better, float64 [n].
        source: Part of the recommender that proposed it, as an index into `recommender.SOURCES`, int64 [n].
        days: Number of days on which the user bought the product, int64 [n]; 0 if never.
        last: Last day of purchase, days since 1970, int64 [n]; if never, a large negative number.
        returned: Last day on which the user gave the product back, days since 1970, int64 [n]; if never, a large
            negative number.
        because: For each candidate the list of the user's past products that led to it, as indexes in
            `Recommender.product_ids`, [n].
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
        """Convert a column of lists of CANDIDATE structs, one list per user, into arrays; null is an empty list."""
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
        """The user of each candidate, as a row of the batch, int64 [n]."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def chosen(some: Entries, catalogue: Catalogue, rules: Rules, market: np.ndarray) -> list[np.ndarray]:
    """Choose the products of each user's list from the candidates, and put them in order.

    Args:
        some: The candidates; a product occurs at most once for a user.
        catalogue: The properties of the products.
        rules: The rules of the list.
        market: Code of each user's market in `catalogue.market`, or ANYWHERE or ELSEWHERE, int64 [users].

    Returns:
        For each user the chosen candidates, best first, as indexes into the arrays of `some`, int64 [at most
        rules.size].
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
    """Return a mask of the candidates that may be in a list, bool [n]; rules about the list as a whole are not applied.

    A product must not be excluded, must be sold in the user's market, must not have been returned lately, and, if it is
    hardly ever bought again, must not have been bought lately.

    Args:
        some: The candidates, n in all.
        catalogue: The properties of the products.
        rules: The rules of the list.
        market: Code of the market of each candidate's user (see `chosen`), int64 [n].
    """
    item = some.item
    sold = (catalogue.market[item] == ANYWHERE) | (market == ANYWHERE) | (catalogue.market[item] == market)
    kept = rules.today - some.returned >= rules.returned_days
    again = ~rules.seldom[item] | (rules.today - some.last >= rules.seldom_days)
    return np.asarray(catalogue.listed[item] & sold & kept & again)


def _diverse(entry: np.ndarray, some: Entries, catalogue: Catalogue, rules: Rules) -> np.ndarray:
    """Fill the lists of all users position by position, with the rules for variety (`mmr`, `most_per_group`).

    Args:
        entry: The allowed candidates of each user as indexes into `some`, best first, int64 [users, most]; -1 pads the
            rows.
        some: The candidates.
        catalogue: The properties of the products.
        rules: The rules of the list.

    Returns:
        The chosen candidates as indexes into `some`, int64 [users, size]; -1 in positions that stay empty.
    """
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
