"""Metrics of ranked item lists (NDCG, hit rate, recall, exposure), with all items ranked and ties treated fairly.

`train_recommender` uses it. No negatives are sampled. Where several items have the same score, each metric is its
expected value over random orders of these items, so a model that scores few items and leaves the others at zero gains
nothing from the order of its zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch


def gathered(starts: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Select some sets from a flat array in which set s has the elements starts[s] to starts[s + 1].

    Args:
        starts: Start of each set and the end of the last one, int64 [sets + 1].
        which: Indexes of the wanted sets, int [n].

    Returns:
        The starts of the wanted sets in the new array, in the order given, int64 [n + 1]; and the positions of their
        elements in the old array, int64 [elements], to index it with.
    """
    sizes = np.diff(starts)[which]
    new = np.concatenate([[0], np.cumsum(sizes)])
    return new, np.arange(new[-1]) + np.repeat(starts[which] - new[:-1], sizes)


@dataclass(frozen=True)
class ItemSets:
    """One set of items for each user, in one flat array: user u has items[starts[u]:starts[u + 1]].

    Attributes:
        starts: Start of each user's items and the end of the last one, int64 [users + 1].
        items: The items as column numbers of a score matrix, int64 [n]; those of a user are distinct and ascending.
    """

    starts: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, user: np.ndarray, item: np.ndarray, users: int) -> ItemSets:
        """Build the sets from (user, item) pairs in any order; repeated pairs are merged.

        Args:
            user: The user of each pair, 0 to users - 1, int [n].
            item: The item of each pair, as a column number of a score matrix, int [n].
            users: Number of users; those without a pair get an empty set.
        """
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
        """Return the number of items of each user, int64 [users]."""
        return np.diff(self.starts)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (user, item) pairs of all sets as two arrays, int64 [n] each."""
        return np.repeat(np.arange(len(self)), self.sizes), self.items

    def of_users(self, users: np.ndarray) -> ItemSets:
        """Return the sets of the users with the numbers `users`, in the order given; the first becomes user 0."""
        starts, at = gathered(self.starts, users)
        return ItemSets(starts, self.items[at])

    def without(self, other: ItemSets) -> ItemSets:
        """Return each user's items minus the same user's items in `other` (set difference)."""
        return self._kept(other, False)

    def within(self, other: ItemSets) -> ItemSets:
        """Return each user's items that are also among the same user's items in `other` (intersection)."""
        return self._kept(other, True)

    def _kept(self, other: ItemSets, inside: bool) -> ItemSets:
        user, item = self.pairs()
        other_user, other_item = other.pairs()
        width = 1 + max((int(i.max()) for i in (item, other_item) if len(i)), default=0)
        keep = np.isin(user * width + item, other_user * width + other_item) == inside
        return ItemSets(np.searchsorted(user[keep], np.arange(len(self) + 1)), item[keep])


@dataclass(frozen=True)
class Quality:
    """The metrics of the first k items of each user's list, float64 [users] each; nan for a user who wanted nothing.

    Attributes:
        ndcg: Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002), 0 to 1.
        hit: Probability that at least one wanted item is among the first k.
        recall: Share of the wanted items that are among the first k.
    """

    ndcg: np.ndarray
    hit: np.ndarray
    recall: np.ndarray


def judge(
    scores: np.ndarray, wanted: ItemSets, cutoffs: Sequence[int], unknown: np.ndarray | None = None
) -> list[Quality]:
    """Return the ranking metrics of a batch of users, with all items ranked by score.

    Args:
        scores: Score of every item for each user of the batch, float [users, items]; -inf for an item that must not be
            in the list. Call the function with batches of users: a matrix of all users would not fit into memory.
        wanted: The items that each user wanted (such as later purchases), as column numbers of `scores`.
        cutoffs: List lengths k to measure, such as (10, 20).
        unknown: Number of wanted items of each user that have no column in `scores`, int [users]; they are taken as
            missed.

    Returns:
        One Quality per cutoff.

    Raises:
        ValueError: A score is nan, or `scores` and `wanted` have different numbers of users.
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
    """Return the groups of items with equal scores that reach into the first `most` items of each user's list.

    Returns:
        The user, the number of items ranked before the group, the number of items of the group, and the number of
        wanted items in it; [groups] each, best groups of a user first.
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
    """Return the expected metrics of the first k items over random orders within the groups of `_tie_groups`.

    `total` is the number of wanted items of each user, int [users].
    """
    gain = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])  # cumulative, of 0, 1, ... places
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
    """Return the log probability that draws without replacement get no wanted item, float64 [groups].

    Args:
        size: Items of each group, [groups].
        hits: Wanted items among them, [groups].
        places: Number of draws from each group, [groups].
    """
    out = np.zeros(len(size))
    for drawn in range(int(places.max(initial=0))):
        open_ = (drawn < places) & (hits > 0)
        left = size[open_] - drawn
        with np.errstate(divide="ignore"):
            out[open_] += np.log(np.maximum(left - hits[open_], 0) / left)
    return out


def restricted(scores: np.ndarray, owned: ItemSets, kind: str) -> np.ndarray:
    """Return the scores of a batch with -inf for the items that the recommendation task `kind` excludes.

    Args:
        scores: float [users, items].
        owned: Items that each user has bought before.
        kind: "repeat" excludes items that the user has not bought before, "new" those that the user has, "all" none.
    """
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
    """Return the k best items of each row, best first; of equal scores the item in the lower column.

    Args:
        scores: float [users, items]; -inf for items that may not be returned.
        k: Length of the lists.

    Returns:
        The items as column numbers of `scores`, int64 [users, k]; -1 where a row has fewer than k items.
    """
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
    """Return the k-th greatest score of each row, [users].

    It uses PyTorch's topk, which is ten times as fast as NumPy's partition where k is small.
    """
    return np.asarray(torch.from_numpy(np.ascontiguousarray(scores)).topk(k, 1).values[:, -1].numpy())


@dataclass(frozen=True)
class Exposure:
    """How evenly recommendation lists show the items of a catalogue.

    Attributes:
        shown: Number of lists in which each item is shown, int64 [items].
        coverage: Share of the items that are in at least one list.
        gini: Gini coefficient of `shown`: 0 if all items are shown equally often, towards 1 if the lists show only few
            items.
        popularity: Mean popularity of the shown items, each once per list that shows it; nan if nothing is shown.
        popularity_wanted: Mean popularity of the items that the users wanted; nan if there are none.
    """

    shown: np.ndarray
    coverage: float
    gini: float
    popularity: float
    popularity_wanted: float


def exposure(lists: Iterable[np.ndarray], wanted: ItemSets, popularity: np.ndarray) -> Exposure:
    """Measure how evenly recommendation lists show the items of a catalogue.

    Args:
        lists: Batches of lists. The items are indexes into `popularity`, int [users, k] each; -1 where a list is
            shorter.
        wanted: The items that the same users wanted, as the same indexes.
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
    """Return the Gini coefficient of counts that are 0 or above, 0 (all equal) to almost 1; nan if their sum is 0."""
    total = float(counts.sum())
    if total == 0:
        return float("nan")
    ordered, n = np.sort(counts.astype(float)), len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))
