"""How good ranked lists are: every item is ranked, no negatives are sampled, and equal scores favour nobody.

Where several items have the same score, each number is its expected value over the random orders of these items. A
model that scores few items and leaves the others at zero therefore gains nothing from its zeros, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch


def gathered(starts: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the entries of some sets that lie one after the other: set s has the entries starts[s] to starts[s + 1].

    Args:
        starts: int64 [sets + 1].
        which: Numbers of the sets wanted, int [n].

    Returns:
        The starts of the wanted sets, in the order given, int64 [n + 1], and where their entries stand.
    """
    sizes = np.diff(starts)[which]
    new = np.concatenate([[0], np.cumsum(sizes)])
    return new, np.arange(new[-1]) + np.repeat(starts[which] - new[:-1], sizes)


@dataclass(frozen=True)
class ItemSets:
    """One set of items for each user: user u has items[starts[u]:starts[u + 1]].

    Attributes:
        starts: int64 [users + 1], ascending, the first 0.
        items: Item numbers, int64 [n]; those of a user are distinct and ascending.
    """

    starts: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, user: np.ndarray, item: np.ndarray, users: int) -> ItemSets:
        """Collect pairs of a user and an item, int [n] each, in any order; a repeated pair counts once."""
        order = np.lexsort((item, user))
        user, item = user[order].astype(np.int64), item[order].astype(np.int64)
        first = np.ones(len(user), bool)
        first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
        return cls(np.searchsorted(user[first], np.arange(users + 1)), item[first])

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Items per user, int64 [users]."""
        return np.diff(self.starts)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (user, item) of every pair, int64 [n] each."""
        return np.repeat(np.arange(len(self)), self.sizes), self.items

    def of_users(self, users: np.ndarray) -> ItemSets:
        """Return the sets of some users, in the order given."""
        starts, at = gathered(self.starts, users)
        return ItemSets(starts, self.items[at])

    def without(self, other: ItemSets) -> ItemSets:
        """Return each user's items that the user's set in `other` does not hold."""
        return self._kept(other, False)

    def within(self, other: ItemSets) -> ItemSets:
        """Return each user's items that the user's set in `other` holds too."""
        return self._kept(other, True)

    def _kept(self, other: ItemSets, inside: bool) -> ItemSets:
        user, item = self.pairs()
        other_user, other_item = other.pairs()
        width = 1 + max((int(i.max()) for i in (item, other_item) if len(i)), default=0)
        keep = np.isin(user * width + item, other_user * width + other_item) == inside
        return ItemSets(np.searchsorted(user[keep], np.arange(len(self) + 1)), item[keep])


@dataclass(frozen=True)
class Quality:
    """What the first k places of each user's list are worth, float64 [users] each.

    Attributes:
        ndcg: Discounted gain of the wanted items, divided by that of the best list (Järvelin and Kekäläinen 2002).
        hit: Probability that a wanted item is among the first k.
        recall: Share of the wanted items that are among the first k.
    """

    ndcg: np.ndarray
    hit: np.ndarray
    recall: np.ndarray


def judge(
    scores: np.ndarray, wanted: ItemSets, cutoffs: Sequence[int], unknown: np.ndarray | None = None
) -> list[Quality]:
    """Judge a tile of users, all items ranked.

    Args:
        scores: Score of every item for each user of the tile, float [users, items]; -inf for an item that the list must
            not hold. Call it with tiles of users: a matrix of all users would not fit.
        wanted: The items that each user wanted, all of them numbers of columns.
        cutoffs: The numbers of places, such as (10, 20).
        unknown: Wanted items of each user that the model does not know, int [users]; they count as missed.

    Returns:
        One Quality per cutoff. A user who wanted nothing has nan.

    Raises:
        ValueError: A score is nan, or the tile and `wanted` differ in users.
    """
    users, items = scores.shape
    if len(wanted) != users:
        raise ValueError(f"{users} rows of scores, but the wanted items of {len(wanted)} users")
    if np.isnan(scores).any():
        raise ValueError("a score is not a number")
    user, before, size, hits = _tie_groups(scores, wanted, min(max(cutoffs), items))
    total = wanted.sizes + (0 if unknown is None else unknown)
    return [_quality(user, before, size, hits, k, total) for k in cutoffs]


def _tie_groups(scores: np.ndarray, wanted: ItemSets, most: int) -> tuple[np.ndarray, ...]:
    """The groups of equal scores that reach into the first `most` places.

    Returns:
        user, items ranked before the group, items of the group, wanted items of the group; [groups] each, best first.
    """
    users, items = scores.shape
    least = _kth_best(scores, most)
    row, column = np.nonzero(scores > least[:, None])
    at_least = (scores == least[:, None]).sum(1)
    want_row, want_column = wanted.pairs()
    is_wanted = np.isin(row * items + column, want_row * items + want_column)
    least_hits = np.bincount(want_row, scores[want_row, want_column] == least[want_row], users)
    finite = np.flatnonzero(np.isfinite(least))
    row = np.concatenate([row, finite])
    value = np.concatenate([scores[row[: len(column)], column], least[finite]])
    size = np.concatenate([np.ones(len(column), np.int64), at_least[finite]])
    hits = np.concatenate([is_wanted.astype(float), least_hits[finite]])
    order = np.lexsort((-value, row))
    row, value, size, hits = row[order], value[order], size[order], hits[order]
    new = np.ones(len(row), bool)
    new[1:] = (row[1:] != row[:-1]) | (value[1:] != value[:-1])
    starts = np.flatnonzero(new)
    if not len(starts):
        return (np.zeros(0, np.int64),) * 4
    size, hits, user = np.add.reduceat(size, starts), np.add.reduceat(hits, starts), row[starts]
    before = np.cumsum(size) - size
    return user, before - before[np.searchsorted(user, user)], size, hits


def _quality(
    user: np.ndarray, before: np.ndarray, size: np.ndarray, hits: np.ndarray, k: int, total: np.ndarray
) -> Quality:
    """Expected quality of the first k places, from the tie groups."""
    gain = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])  # of the first 0, 1, ... places
    from_, to = np.minimum(before, k), np.minimum(before + size, k)
    users = len(total)
    dcg = np.bincount(user, hits / size * (gain[to] - gain[from_]), users)
    within = np.bincount(user, hits / size * (to - from_), users)
    missed = np.zeros(users)  # logarithm of the probability that no place holds a wanted item
    np.add.at(missed, user, _log_all_miss(size, hits, to - from_))
    wants = np.maximum(total, 1)
    nothing = np.where(total == 0, np.nan, 0.0)
    return Quality(dcg / gain[np.minimum(wants, k)] + nothing, -np.expm1(missed) + nothing, within / wants + nothing)


def _log_all_miss(size: np.ndarray, hits: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Logarithm of the probability that `places` draws without replacement from `size` items get none of `hits`."""
    out = np.zeros(len(size))
    for drawn in range(int(places.max(initial=0))):
        open_ = (drawn < places) & (hits > 0)
        left = size[open_] - drawn
        with np.errstate(divide="ignore"):
            out[open_] += np.log(np.maximum(left - hits[open_], 0) / left)
    return out


def restricted(scores: np.ndarray, owned: ItemSets, kind: str) -> np.ndarray:
    """Return the scores of a tile with only the items of one kind: "repeat" (owned by the user), "new", or "all"."""
    user, item = owned.pairs()
    if kind == "all":
        return scores
    if kind == "new":
        out = scores.copy()
        out[user, item] = -np.inf
        return out
    out = np.full_like(scores, -np.inf)
    out[user, item] = scores[user, item]
    return out


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the best k items of each row, int64 [users, k], best first; of equal scores the first; -1 where none."""
    users, items = scores.shape
    k_here = min(k, items)
    least = _kth_best(scores, k_here)[:, None]
    room = k_here - (scores > least).sum(1)
    equal = scores == least
    crowded = np.flatnonzero(equal.sum(1) > room)
    equal[crowded] &= np.cumsum(equal[crowded], axis=1) <= room[crowded, None]
    row, column = np.nonzero((scores > least) | equal)
    value = scores[row, column]
    order = np.lexsort((column, -value, row))
    best = np.where(np.isfinite(value), column, -1)[order].reshape(users, k_here)
    return np.pad(best, ((0, 0), (0, k - k_here)), constant_values=-1)


def _kth_best(scores: np.ndarray, k: int) -> np.ndarray:
    """The k-th greatest score of each row, [users]: ten times as fast as NumPy's partition where k is small."""
    return np.asarray(torch.from_numpy(np.ascontiguousarray(scores)).topk(k, 1).values[:, -1].numpy())


@dataclass(frozen=True)
class Exposure:
    """Which items the lists show.

    Attributes:
        shown: Times that each item stands in a list, int64 [items].
        coverage: Share of the items that stand in at least one list.
        gini: Gini coefficient of `shown`: 0 if all items are shown equally often, towards 1 if few items take it all.
        popularity: Mean popularity of what is shown, each place counted.
        popularity_wanted: Mean popularity of what the users wanted.
    """

    shown: np.ndarray
    coverage: float
    gini: float
    popularity: float
    popularity_wanted: float


def exposure(lists: Iterable[np.ndarray], wanted: ItemSets, popularity: np.ndarray) -> Exposure:
    """Measure which items the lists show.

    Args:
        lists: Item numbers, int [users, k] per tile; -1 where a list is shorter.
        wanted: What the same users wanted.
        popularity: Any measure of the items' popularity, float [items].
    """
    shown = np.zeros(len(popularity), np.int64)
    for tile in lists:
        shown += np.bincount(tile[tile >= 0].ravel(), minlength=len(popularity))
    places = shown.sum()
    mean = float(shown @ popularity / places) if places else float("nan")
    bought = float(popularity[wanted.items].mean()) if len(wanted.items) else float("nan")
    return Exposure(shown, float((shown > 0).mean()), gini(shown), mean, bought)


def gini(counts: np.ndarray) -> float:
    """Return the Gini coefficient of counts that are 0 or above; nan if there is nothing to share out."""
    total = float(counts.sum())
    if total == 0:
        return float("nan")
    ordered, n = np.sort(counts.astype(float)), len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))
