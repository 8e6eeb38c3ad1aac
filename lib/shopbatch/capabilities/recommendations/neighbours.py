"""Find which products go together: a short list of weighted neighbours of each item, from which users' scores are made.

The list `discover` scores new products that are neighbours of the user's purchases. There are two methods of counting
neighbours; `fit.choose` picks the better one:

- next (`fit_next`): how often an item is bought within the next few days of purchase after another item, plus how many
  buyers both items share;
- ease (`fit_ease`): the closed-form regression of every item on all others (Steck 2019, "Embarrassingly Shallow
  Autoencoders for Sparse Data"). It is solved over users instead of items (the dual form), so the matrix to invert is
  no larger than the number of users sampled, however many items there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from shopbatch.capabilities.recommendations.habit import Scored, summed
from shopbatch.capabilities.recommendations.history import History

_PAIRS = 4_000_000  # about so many pairs of items are counted at once
_CELLS = 16_000_000  # greatest items x items of a matrix of weights in `_dual`


@dataclass(frozen=True)
class Neighbours:
    """The fitted neighbours part of the recommender: for each item, the items that go with it best.

    Attributes:
        item: The best neighbours of each item, best first, int64 [items, keep]; -1 pads the rows.
        weight: The weights of these neighbours, above 0, float32 [items, keep]; 0 pads the rows.
        decay: Factor, up to 1, by which the weight of an item of the user falls for each later day on which the user
            bought something; with 1 all items of the user have the same weight.
        trend: Factor on the scores of each item: above 1 for an item that sells better now than before, float64
            [items].
    """

    item: np.ndarray
    weight: np.ndarray
    decay: float
    trend: np.ndarray

    def shares(self, history: History) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return what each item of a user adds to the score of each of its neighbours.

        `score` adds these summands up. `reasons.because` finds in them the past items that led to a recommendation.

        Returns:
            Four arrays [n]: the user, the user's item, the neighbour that gets the score, and the summand (above 0).
        """
        user, own, weight = newest_rows(history, self.decay)
        to, share = self.item[own], weight[:, None] * self.weight[own] * self.trend[self.item[own]]
        kept = share > 0
        count = kept.sum(1)
        return np.repeat(user, count), np.repeat(own, count), to[kept], share[kept]

    def score(self, history: History) -> Scored:
        """Return the scores of the neighbours of each user's items; items that the user has can be among them."""
        user, _, item, share = self.shares(history)
        return summed(user, item, share, history.users, history.items)


def newest_rows(history: History, decay: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each user's distinct items with a weight by the age of their last purchase.

    The weight is `decay` to the power of the number of days with purchases that the user had after the item was last
    bought: 1 for items of the newest day, `decay` for those of the day of purchase before it, and so on.

    Args:
        history: The users' purchases.
        decay: Factor for each later day with purchases, above 0 and up to 1.

    Returns:
        User, item and weight of each (user, item) pair, [n] each, sorted by user and item.
    """
    user, item = history.user, history.item
    order = np.lexsort((history.day, item, user))
    user, item, back = user[order], item[order], history.steps_back()[order]
    last = np.ones(len(user), bool)
    last[:-1] = (np.diff(user) != 0) | (np.diff(item) != 0)
    return user[last], item[last], np.power(float(decay), back[last])


def rising(history: History, recent: int = 30, base: int = 90) -> np.ndarray:
    """Return the sales trend of each item, float64 [items]: 1 for steady sales, above 1 for rising ones.

    The trend is (buyers of the newest `recent` days + 0.5) / (expected buyers + 0.5), where the expected buyers are
    `recent` / `base` times the buyers of the newest `base` days. Without it, a product that sold well last summer would
    be recommended in winter.

    Args:
        history: The purchases of all users.
        recent: Number of newest days whose buyers are compared.
        base: Number of newest days from which the expected buyers are computed; they include the recent days.
    """
    end = int(history.day.max(initial=0)) + 1
    now, then = (
        np.bincount(history.between(end - days, end).owned().items, minlength=history.items) for days in (recent, base)
    )
    expected = recent / base
    return np.asarray((now + 0.5) / ((then + 0.5 / expected) * expected))


@dataclass(frozen=True)
class NextSettings:
    """Settings of `fit_next`, which counts what is bought after an item.

    Attributes:
        steps: Number of the user's next days of purchase that are searched for items bought after an item; 0 uses only
            shared buyers.
        cosine: Weight of a buyer whom both items share; a purchase on the next day of purchase has the weight 1. 0 uses
            only the items bought after an item.
        normal: The weight of a neighbour is divided by its number of buyers to this power. 0.5 is the cosine
            similarity; smaller values favour popular items.
        keep: Number of neighbours kept for each item.
        decay: Value of the attribute `decay` of the resulting `Neighbours`.
        most_rows: Number of newest purchases of a user that are used. The time grows with the square of this number.
        most_pairs: Greatest number of pairs of purchases, over all users, that are compared for the shared buyers. With
            more pairs, fewer of the newest purchases of each user are used.
        most_users: Greatest number of users that are counted; of more, a random sample of this size is drawn.
        seed: Seed of this sample.
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
    """Count for each item which items users buy after it and which share its buyers; keep the best as neighbours.

    weight(a, b) = (sum over k of (times that b is bought k days of purchase after a) / k + cosine x buyers of both) /
    (buyers of a ^ 0.5 x buyers of b ^ normal).

    Args:
        history: The purchases of all users.
        settings: Limits and weights of the count; None for the defaults.
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
    """Return how many newest rows of each user can be compared without more than `most` pairs in total; at least 1."""
    sizes, low, high = np.diff(history.starts), 1, int(np.diff(history.starts).max(initial=1))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if (np.minimum(sizes, middle) ** 2).sum() <= most else (low, middle - 1)
    return low


def _weights(history: History, steps: int, cosine: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (item a, item b, weight) for each pair a != b, before the division by popularity; see `fit_next`.

    Each yield holds three arrays [n] for a range of items; all pairs of one item a come in the same yield. The pairs
    are counted range by range because the pairs of all items would not fit into memory.

    Args:
        history: The purchases to count.
        steps: How many of the user's next days of purchase are searched for items bought after an item.
        cosine: Weight of a shared buyer; 0 leaves shared buyers out.
    """
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
        key = np.sort((a * history.items + b)[a != b] * (steps + 2) + kind[a != b])  # faster than summing by hash
        if len(key):
            pair, kind = key // (steps + 2), key % (steps + 2)
            first = np.flatnonzero(np.concatenate([[True], np.diff(pair) != 0]))
            yield pair[first] // history.items, pair[first] % history.items, np.add.reduceat(values[kind], first)


def _successors(history: History, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the range of rows that hold the user's next `steps` days of purchase.

    Returns:
        First row and row after the last one, int64 [rows] each.
    """
    day = history.user * (int(history.positions().max(initial=0)) + steps + 2) + history.positions()
    return np.searchsorted(day, day, "right"), np.searchsorted(day, day + steps, "right")


def _expanded(row: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair each `row` with every number from its `begin` up to, not including, its `end`.

    Returns:
        Two arrays of the same length: the row (repeated) and the number, of each pair.
    """
    size = end - begin
    offset = np.repeat(begin - (np.cumsum(size) - size), size)
    return np.repeat(row, size), np.arange(len(offset)) + offset


@dataclass(frozen=True)
class EaseSettings:
    """Settings of `fit_ease`, the regression of every item on all others.

    Attributes:
        penalty: Ridge penalty. A greater one trusts popular items more.
        keep: Neighbours kept for each item.
        least_users: Items with fewer buyers are left out: they have no neighbours and are nobody's neighbours.
        most_items: Greatest number of items that are compared; of more, the most bought ones. The time grows with the
            square of this number.
        most_users: Greatest number of users that are counted; of more, a random sample of this size is drawn.
        seed: Seed of this sample.
    """

    penalty: float = 1000.0
    keep: int = 100
    least_users: int = 5
    most_items: int = 30_000
    most_users: int = 4096
    seed: int = 0


def fit_ease(history: History, settings: EaseSettings | None = None) -> Neighbours:
    """Fit neighbours by regressing every item on all others (EASE), over a sample of users.

    With X the users' items (0 or 1), K = (X X' + penalty I)^-1 and M = X' K X, the weight of item b for an owner of
    item a is M[a, b] / (1 - M[b, b]). This equals the usual solution, which inverts a matrix of items (Woodbury's
    identity).

    Args:
        history: The purchases of all users.
        settings: Penalty and limits; None for the defaults.
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
    """Solve the regression of `fit_ease` over users and return the best neighbours of each item.

    The items are computed in ranges, to save memory.

    Args:
        matrix: Which user has which item, 0 or 1, sparse float32 [users, items].
        penalty: Ridge penalty.
        keep: Neighbours kept for each item.

    Returns:
        The neighbours as columns of `matrix`, int64 [items, keep], and their weights, float32 [items, keep], best
        first; the weights may be negative.
    """
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
