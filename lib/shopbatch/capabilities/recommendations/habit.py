"""What a user will buy again: their own purchases, newer ones counting more, times how often the product is rebought.

Score of an item that the user had = sum over days of 2^(-age / half life) x sqrt(repeat rate) + 0.001 x popularity.
The age counts from the user's newest purchase and not from today: a user without news keeps the same scores.
The repeat rate is (buyers on 2 days or more + 1) / (buyers + 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.recommendations.history import History
from shopbatch.evaluation.ranking import judge

TIE_BREAK = 0.001  # of popularity, which is at most 1: less than what any purchase of the last years is worth
_DENSE = 8  # cells for each share up to which all cells are counted
_CELLS = 2_000_000  # user x item cells of a tile


@dataclass(frozen=True)
class Scored:
    """Scores of some items for each user of a tile: user u has the entries starts[u] to starts[u + 1].

    Attributes:
        starts: int64 [users + 1].
        item: Item numbers, ascending for each user, int64 [n].
        score: float64 [n], above 0.
    """

    starts: np.ndarray
    item: np.ndarray
    score: np.ndarray

    @property
    def user(self) -> np.ndarray:
        """The user of each entry, counted within the tile, int64 [n]."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def dense(self, items: int) -> np.ndarray:
        """Return the scores of all items, 0 where there is no entry, float64 [users, items]. For small tiles only."""
        out = np.zeros((len(self.starts) - 1, items))
        out[self.user, self.item] = self.score
        return out


def summed(user: np.ndarray, item: np.ndarray, share: np.ndarray, users: int, items: int) -> Scored:
    """Add up shares by user and item, [n] each, in any order."""
    cells = user * items + item
    if users * items <= _DENSE * len(cells):  # then counting all cells is faster than sorting the shares
        cell = np.flatnonzero(np.bincount(cells, minlength=users * items))
        score = np.bincount(cells, share, users * items)[cell]
    else:
        cell, place = np.unique(cells, return_inverse=True)
        score = np.bincount(place, share, len(cell))
    return Scored(np.searchsorted(cell, np.arange(users + 1) * items), cell % items, score)


def popularity(history: History, days: int = 30) -> np.ndarray:
    """Return each item's buyers in the newest `days` days of all, divided by those of the most bought item, [items]."""
    if not len(history.day):
        return np.zeros(history.items)
    newest = int(history.day.max())
    buyers = np.bincount(history.between(newest - days + 1, newest + 1).owned().items, minlength=history.items)
    return np.asarray(buyers / buyers.max())


@dataclass(frozen=True)
class Habit:
    """The habit part of the recommender.

    Attributes:
        half_life: Days after which a purchase counts half; None: all purchases count alike.
        factor: Square root of each item's repeat rate, float64 [items].
        popularity: Each item's popularity, between 0 and 1, float64 [items].
    """

    half_life: float | None
    factor: np.ndarray
    popularity: np.ndarray

    @classmethod
    def fit(cls, history: History, half_life: float | None, popular_days: int = 30) -> Habit:
        """Count repeat rates and popularity.

        Args:
            history: Everything known.
            half_life: In days; None for no decay.
            popular_days: Popularity counts the buyers of this many newest days.
        """
        cell, days = np.unique(history.user * history.items + history.item, return_counts=True)
        item = cell % history.items
        buyers = np.bincount(item, minlength=history.items)
        again = np.bincount(item[days > 1], minlength=history.items)
        return cls(half_life, np.sqrt((again + 1) / (buyers + 4)), popularity(history, popular_days))

    def shares(self, history: History) -> np.ndarray:
        """Return what each row of a history adds to the score of its item, float64 [rows]."""
        weight = (
            np.ones(len(history.item)) if self.half_life is None else 2.0 ** (-history.days_back() / self.half_life)
        )
        return np.asarray(weight * self.factor[history.item])

    def score(self, history: History) -> Scored:
        """Score each user's own items."""
        own = summed(history.user, history.item, self.shares(history), history.users, history.items)
        return Scored(own.starts, own.item, own.score + TIE_BREAK * self.popularity[own.item])

    def dense(self, history: History) -> np.ndarray:
        """Return the scores of all items for a small tile of users: own items first, then popular ones."""
        own = self.score(history)
        out = np.tile(TIE_BREAK * self.popularity, (history.users, 1))
        out[own.user, own.item] = own.score
        return out


def choose_half_life(
    before: History, after: History, choices: Sequence[float | None], cutoff: int = 10
) -> tuple[float | None, dict[float | None, float]]:
    """Choose the decay by what was bought next.

    Args:
        before: What was known at the start of the validation window.
        after: The purchases inside the window.
        choices: Half lives in days, and None for no decay; of equally good ones the first is taken.
        cutoff: NDCG counts this many places.

    Returns:
        The best choice, and the mean NDCG of each over the users who bought something.
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
