"""What goes with what: for each item the best others, and what a user's history makes of them.

Two ways of counting, both kept as a short list of neighbours for every item:

- next: how often an item is followed by another within a few days of purchase, plus the cosine of their buyers;
- ease: the closed-form regression of every item on all others (Steck 2019, "Embarrassingly Shallow Autoencoders for
  Sparse Data"). It is solved over users instead of items (the dual form), so that the matrix to invert is no larger
  than the number of users drawn, however many items there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from shopbatch.capabilities.recommendations.habit import Scored, summed
from shopbatch.capabilities.recommendations.history import History

_PAIRS = 4_000_000  # pairs of items counted at once
_CELLS = 16_000_000  # cells of a tile of the dual form


@dataclass(frozen=True)
class Neighbours:
    """The neighbours part of the recommender.

    Attributes:
        item: The best neighbours of each item, best first, int64 [items, keep]; -1 where there are fewer.
        weight: Their weights, float32 [items, keep], above 0; 0 where there are fewer.
        decay: What an own item counts less for each later day with purchases; 1: all own items count alike.
        trend: Factor on the scores of each item, float64 [items].
    """

    item: np.ndarray
    weight: np.ndarray
    decay: float
    trend: np.ndarray

    def shares(self, history: History) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return every share of every score: user, own item, item and share, [n] each; shares are above 0."""
        user, own, weight = newest_rows(history, self.decay)
        to, share = self.item[own], weight[:, None] * self.weight[own] * self.trend[self.item[own]]
        row, place = np.nonzero(share > 0)
        return user[row], own[row], to[row, place], share[row, place]

    def score(self, history: History) -> Scored:
        """Score the neighbours of each user's items; own items can be among them."""
        user, _, item, share = self.shares(history)
        return summed(user, item, share, history.users, history.items)


def newest_rows(history: History, decay: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return user, item and weight of every owned item: decay to the power of the later days with purchases."""
    user, item = history.user, history.item
    order = np.lexsort((history.day, item, user))
    user, item, back = user[order], item[order], history.steps_back()[order]
    last = np.ones(len(user), bool)
    last[:-1] = (np.diff(user) != 0) | (np.diff(item) != 0)
    return user[last], item[last], np.power(float(decay), back[last])


def rising(history: History, recent: int = 30, base: int = 90) -> np.ndarray:
    """Return each item's buyers of the newest days as a multiple of what the longer time lets expect, float64 [items].

    Without it a product that was bought a lot last summer would be proposed in winter.

    Args:
        history: Everything known.
        recent: Days up to the newest one.
        base: Days that the recent ones are compared with; they hold the recent ones.
    """
    end = int(history.day.max(initial=0)) + 1
    now, then = (
        np.bincount(history.between(end - days, end).owned().items, minlength=history.items) for days in (recent, base)
    )
    expected = recent / base
    return np.asarray((now + 0.5) / ((then + 0.5 / expected) * expected))


@dataclass(frozen=True)
class NextSettings:
    """Settings of counting what follows.

    Attributes:
        steps: Days of purchase ahead that count.
        cosine: Weight of having the same buyers against being followed by.
        normal: How much a target's popularity counts against it: 0.5 as in the cosine, less favours popular items.
        keep: Neighbours kept for each item.
        decay: See Neighbours.
        most_rows: Newest purchases of a user that count. The time grows with their number squared.
        most_pairs: Pairs of purchases of one user, over all users, that the cosine compares. With more, fewer of
            the newest purchases of each user count.
        most_users: With more users, this many are drawn.
        seed: Seed of the draw.
    """

    steps: int = 3
    cosine: float = 0.3
    normal: float = 0.2
    keep: int = 100
    decay: float = 0.7
    most_rows: int = 1000
    most_users: int = 100_000
    seed: int = 0
    most_pairs: int = 60_000_000


def fit_next(history: History, settings: NextSettings | None = None) -> Neighbours:
    """Count which item follows which, and which have the same buyers.

    weight(a, b) = (sum over k of (times that b is bought k days of purchase after a) / k + cosine x buyers of both)
    / (buyers of a ^ 0.5 x buyers of b ^ normal).

    Args:
        history: Everything known.
        settings: None for the defaults.
    """
    settings = settings or NextSettings()
    history = history.drawn(settings.most_users, settings.seed).newest(settings.most_rows)
    if settings.cosine:
        history = history.newest(_affordable(history, settings.most_pairs))
    keep, owned = settings.keep, history.owned()
    buyers = np.maximum(np.bincount(owned.items, minlength=history.items), 1.0)
    item = np.full((history.items, keep), -1, np.int64)
    weight = np.zeros((history.items, keep), np.float32)
    for source, target, count in _weights(history, settings.steps, settings.cosine):
        value = count / (buyers[source] ** 0.5 * buyers[target] ** settings.normal)
        order = np.lexsort((target, -value, source))
        a, b, value = source[order], target[order], value[order]
        place = np.arange(len(a)) - np.searchsorted(a, a)
        best = place < keep
        item[a[best], place[best]], weight[a[best], place[best]] = b[best], value[best]
    return Neighbours(item, weight, settings.decay, np.ones(history.items))


def _affordable(history: History, most: int) -> int:
    """The greatest number of each user's newest rows that make at most `most` pairs together; at least 1."""
    sizes, low, high = np.diff(history.starts), 1, int(np.diff(history.starts).max(initial=1))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if (np.minimum(sizes, middle) ** 2).sum() <= most else (low, middle - 1)
    return low


def _weights(history: History, steps: int, cosine: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (a, b, weight before the division) with a != b; all pairs of one a come together."""
    owned = history.owned()
    begins, ends = _successors(history, steps)
    position = history.positions()
    by_item = np.argsort(history.item, kind="stable")
    owner = np.argsort(owned.items, kind="stable")
    user_of = owned.pairs()[0]
    per_item = np.bincount(history.item, ends - begins, history.items)
    if cosine:
        per_item += np.bincount(owned.items, owned.sizes[user_of], history.items)
    edges = np.unique(np.searchsorted(np.cumsum(per_item), np.arange(0, per_item.sum() + _PAIRS, _PAIRS)))
    edges = np.unique(np.concatenate([[0], edges.clip(0, history.items), [history.items]]))
    row_starts = np.searchsorted(history.item[by_item], edges)
    owner_starts = np.searchsorted(owned.items[owner], edges)
    values = np.array([0.0, *(1 / k for k in range(1, steps + 1)), cosine])
    for n in range(len(edges) - 1):
        rows = by_item[row_starts[n] : row_starts[n + 1]]
        pairs = owner[owner_starts[n] : owner_starts[n + 1]] if cosine else owner[:0]
        source, target = _expanded(rows, begins[rows], ends[rows])
        users = user_of[pairs]
        mate, fellow = _expanded(pairs, owned.starts[users], owned.starts[users + 1])
        a = np.concatenate([history.item[source], owned.items[mate]])
        b = np.concatenate([history.item[target], owned.items[fellow]])
        kind = np.concatenate([position[target] - position[source], np.full(len(mate), steps + 1)])
        key = np.sort((a * history.items + b)[a != b] * (steps + 2) + kind[a != b])  # one sort instead of a sum by hash
        if len(key):
            pair, kind = key // (steps + 2), key % (steps + 2)
            first = np.flatnonzero(np.concatenate([[True], np.diff(pair) != 0]))
            yield pair[first] // history.items, pair[first] % history.items, np.add.reduceat(values[kind], first)


def _successors(history: History, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the range of rows, [rows] each, that hold the next `steps` days of purchase after each row's day."""
    day = history.user * (int(history.positions().max(initial=0)) + steps + 2) + history.positions()
    return np.searchsorted(day, day, "right"), np.searchsorted(day, day + steps, "right")


def _expanded(row: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every (row, number in the row's range)."""
    size = end - begin
    offset = np.repeat(begin - (np.cumsum(size) - size), size)
    return np.repeat(row, size), np.arange(len(offset)) + offset


@dataclass(frozen=True)
class EaseSettings:
    """Settings of the regression.

    Attributes:
        penalty: Ridge penalty; a greater one trusts popular items more.
        keep: Neighbours kept for each item.
        least_users: Items with fewer buyers take no part: they have no neighbours and are nobody's.
        most_items: With more items, the most bought ones take part. The time grows with their number squared.
        most_users: With more users, this many are drawn.
        seed: Seed of the draw.
    """

    penalty: float = 1000.0
    keep: int = 100
    least_users: int = 5
    most_items: int = 30_000
    most_users: int = 4096
    seed: int = 0


def fit_ease(history: History, settings: EaseSettings | None = None) -> Neighbours:
    """Regress every item on all others, over users.

    With X the users' items, K = (X X' + penalty I)^-1 and M = X' K X, the weight of b for an owner of a is
    M[a, b] / (1 - M[b, b]): the same as inverting the matrix of items (Woodbury's identity).

    Args:
        history: Everything known.
        settings: None for the defaults.
    """
    settings = settings or EaseSettings()
    owned = history.drawn(settings.most_users, settings.seed).owned()
    counts = np.bincount(owned.items, minlength=history.items)
    known = np.argsort(-counts, kind="stable")[: settings.most_items]
    known = np.sort(known[counts[known] >= max(settings.least_users, 1)])
    user, item = owned.pairs()
    inside = np.isin(item, known)
    place = torch.from_numpy(np.stack([user[inside], np.searchsorted(known, item[inside])]))
    shape, ones = (len(owned), len(known)), torch.ones(place.shape[1])
    matrix = torch.sparse_coo_tensor(place, ones, shape, check_invariants=True).coalesce()
    best, weight = _dual(matrix, settings.penalty, settings.keep)
    items = np.full((history.items, settings.keep), -1, np.int64)
    weights = np.zeros((history.items, settings.keep), np.float32)
    if len(known):
        items[known, : best.shape[1]] = np.where(weight > 0, known[best], -1)
        weights[known, : best.shape[1]] = np.maximum(weight, 0)
    return Neighbours(items, weights, 1.0, np.ones(history.items))


def _dual(matrix: torch.Tensor, penalty: float, keep: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best columns b for each column a, [items, keep], and their weights, by tiles of b."""
    users, items = matrix.shape
    dense, columns = matrix.to_dense(), matrix.t().coalesce()
    gram = torch.sparse.mm(matrix, dense.T).double()
    inverse = torch.linalg.inv(gram + penalty * torch.eye(users, dtype=torch.float64)).float()
    best, weight = torch.zeros(items, 0, dtype=torch.int64), torch.zeros(items, 0)
    step = max(1, _CELLS // max(items, 1))
    for first in range(0, items, step):
        number = torch.arange(first, min(first + step, items))
        products = torch.sparse.mm(columns, inverse @ dense[:, number])  # these columns of M
        products /= 1 - products[number].diagonal()
        products[number, number - first] = -torch.inf
        weight, place = torch.cat([weight, products], 1).topk(min(keep, weight.shape[1] + len(number)), 1)
        best = torch.cat([best, number.expand(items, -1)], 1).gather(1, place)
    return best.numpy(), weight.numpy()
