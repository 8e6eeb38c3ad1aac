"""Score the products that a user bought before by how likely the user buys them again (the list `buy_again`).

The score of an item that the user bought is

    sum over the days of purchase of 2^(-age / half life) x sqrt(repeat rate) + 0.001 x popularity

The age is counted in days back from the user's newest purchase, not from today: a user without new purchases keeps the
same scores. The repeat rate of an item is (buyers on 2 days or more + 1) / (buyers + 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.recommendations.history import History
from shopbatch.evaluation.ranking import judge

TIE_BREAK = 0.001  # factor of popularity (at most 1): too small to outweigh a purchase of the last years
_DENSE = 8  # up to this many (user, item) cells per contribution, all cells are counted
_CELLS = 2_000_000  # greatest users x items of a matrix of scores


@dataclass(frozen=True)
class Scored:
    """Sparse scores of items for a batch of users; one entry is the score of one item for one user.

    The entries of user u are the elements starts[u] to starts[u + 1] of `item` and `score`. Items without an entry
    score 0. The parts of the recommender (habit, neighbours, text) return their scores in this form.

    Attributes:
        starts: Index of each user's first entry and, last, the number of all entries, int64 [users + 1].
        item: Item of each entry, as its number in the `History`, ascending within a user, int64 [n].
        score: Score of each entry, above 0, float64 [n].
    """

    starts: np.ndarray
    item: np.ndarray
    score: np.ndarray

    @property
    def user(self) -> np.ndarray:
        """The row of the user of each entry, counted from 0 within the batch, int64 [n]."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def dense(self, items: int) -> np.ndarray:
        """Return the scores as a matrix, float64 [users, items], with 0 where there is no entry. For few users only."""
        out = np.zeros((len(self.starts) - 1, items))
        out[self.user, self.item] = self.score
        return out


def summed(user: np.ndarray, item: np.ndarray, share: np.ndarray, users: int, items: int) -> Scored:
    """Add up the contributions to each (user, item) pair and return the sums as sparse scores.

    Args:
        user: User of each contribution, int64 [n], in any order.
        item: Item of each contribution, int64 [n].
        share: The contributions, float [n]; several of one pair are added up.
        users: Number of users.
        items: Number of items.
    """
    cells = user * items + item
    if users * items <= _DENSE * len(cells):  # then counting all cells is faster than sorting the contributions
        cell = np.flatnonzero(np.bincount(cells, minlength=users * items))
        score = np.bincount(cells, share, users * items)[cell]
    else:
        cell, place = np.unique(cells, return_inverse=True)
        score = np.bincount(place, share, len(cell))
    return Scored(np.searchsorted(cell, np.arange(users + 1) * items), cell % items, score)


def popularity(history: History, days: int = 30) -> np.ndarray:
    """Return the popularity of each item, from 0 to 1 (the most bought item), float64 [items].

    It is the number of users who bought the item in the newest `days` days of the whole history, divided by that number
    for the most bought item. An empty history gives zeros.
    """
    if not len(history.day):
        return np.zeros(history.items)
    newest = int(history.day.max())
    buyers = np.bincount(history.between(newest - days + 1, newest + 1).owned().items, minlength=history.items)
    return np.asarray(buyers / buyers.max())


@dataclass(frozen=True)
class Habit:
    """The fitted habit part of the recommender: scores the items that a user had before, for the list `buy_again`.

    The formula is in the module's docstring.

    Attributes:
        half_life: Days after which the weight of a purchase has halved; None: all purchases have the same weight,
            however old.
        factor: Square root of each item's repeat rate, float64 [items].
        popularity: Each item's popularity, between 0 and 1, float64 [items]. It only breaks ties.
    """

    half_life: float | None
    factor: np.ndarray
    popularity: np.ndarray

    @classmethod
    def fit(cls, history: History, half_life: float | None, popular_days: int = 30) -> Habit:
        """Fit the habit part: count the repeat rate and the popularity of each item.

        Args:
            history: The purchases of all users.
            half_life: Days after which the weight of a purchase has halved; None for no decay. `choose_half_life` finds
                it.
            popular_days: Popularity is the number of buyers in this many newest days.
        """
        cell, days = np.unique(history.user * history.items + history.item, return_counts=True)
        item = cell % history.items
        buyers = np.bincount(item, minlength=history.items)
        again = np.bincount(item[days > 1], minlength=history.items)
        return cls(half_life, np.sqrt((again + 1) / (buyers + 4)), popularity(history, popular_days))

    def shares(self, history: History) -> np.ndarray:
        """Return the amount that each row adds to the score of its item (decay x factor), float64 [rows]."""
        weight = (
            np.ones(len(history.item)) if self.half_life is None else 2.0 ** (-history.days_back() / self.half_life)
        )
        return np.asarray(weight * self.factor[history.item])

    def score(self, history: History) -> Scored:
        """Return the scores of the items that each user of `history` bought; other items have no entry."""
        own = summed(history.user, history.item, self.shares(history), history.users, history.items)
        return Scored(own.starts, own.item, own.score + TIE_BREAK * self.popularity[own.item])

    def dense(self, history: History) -> np.ndarray:
        """Return the scores of all items for a few users, float64 [users, items], to rank the whole catalogue.

        Items that the user had before have their habit score. All other items have 0.001 x popularity: they come below
        nearly all items that the user had, the most popular ones first.
        """
        own = self.score(history)
        out = np.tile(TIE_BREAK * self.popularity, (history.users, 1))
        out[own.user, own.item] = own.score
        return out


def choose_half_life(
    before: History, after: History, choices: Sequence[float | None], cutoff: int = 10
) -> tuple[float | None, dict[float | None, float]]:
    """Choose the half life of purchases whose habit scores predict best what users bought next (highest NDCG).

    Args:
        before: The purchases before the validation window.
        after: The purchases inside the window; users and items are numbered as in `before`.
        choices: Half lives to compare, in days; None for no decay. Of equally good ones the first wins.
        cutoff: NDCG is computed over this many first items of a ranking.

    Returns:
        The best half life, and the mean NDCG of each choice over the users who bought something in the window.
    """
    bought = after.owned()
    buyers = np.flatnonzero(bought.sizes)
    worth: dict[float | None, float] = {}
    step = max(1, _CELLS // max(1, before.items))
    for choice in choices:
        habit, total = Habit.fit(before, choice), 0.0
        for users in (buyers[a : a + step] for a in range(0, len(buyers), step)):
            total += judge(habit.dense(before.of_users(users)), bought.of_users(users), (cutoff,))[0].ndcg.sum()
        worth[choice] = total / max(1, len(buyers))
    return max(worth, key=lambda choice: worth[choice]), worth
