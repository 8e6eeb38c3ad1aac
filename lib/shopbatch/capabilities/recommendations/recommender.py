"""The recommender: its parts, its candidates for each user, and its files.

Habit proposes what to buy again, the neighbours what to discover; the sequence part adds to either where it pays, and
the text part proposes products that too few users bought. No list needs more than the user's own history and the model,
so a user without news keeps the same candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shopbatch.capabilities.recommendations.candidates import (
    HABIT,
    LISTS,
    NEIGHBOURS,
    POPULAR,
    SEQUENCE,
    SOURCES,
    TEXT,
    Candidates,
    best,
)
from shopbatch.capabilities.recommendations.discover import Discover
from shopbatch.capabilities.recommendations.habit import TIE_BREAK, Habit, Scored
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.reasons import because
from shopbatch.capabilities.recommendations.recommender_files import Kept, load, save
from shopbatch.capabilities.recommendations.sequence_part import SequencePart, positive, spread
from shopbatch.capabilities.recommendations.text_part import TextPart
from shopbatch.tables.user_sequences import PURCHASE

__all__ = ["HABIT", "LISTS", "NEIGHBOURS", "POPULAR", "SEQUENCE", "SOURCES", "TEXT", "Candidates", "Recommender"]

NAME = "recommender"
_TEXT_SHARE = 10  # one place in so many of the new products is for those that are found by text


@dataclass(frozen=True)
class Recommender:
    """A fitted recommender.

    product_ids: names of the items, by number, in alphabetical order. actions: what a user must have done with an item
    for it to be in a history (`user_sequences.actions`).
    """

    product_ids: tuple[str, ...]
    habit: Habit
    discover: Discover
    sequence: SequencePart | None = None
    text: TextPart | None = None
    actions: tuple[int, ...] = (PURCHASE,)

    def candidates(self, name: str, history: History, size: int) -> Candidates:
        """Return the best candidates of each user for one of LISTS."""
        return {"buy_again": self.buy_again, "discover": self.to_discover}[name](history, size)

    def because(self, history: History, candidates: Candidates, most: int = 3) -> list[list[int]]:
        """Return for each candidate the own items with the greatest shares of its score; none for popular ones.

        Of what the order of time led to, it is the own item without which the score would fall most.
        """
        out: list[list[int]] = [[] for _ in candidates.item]
        user = candidates.user
        for source in np.unique(candidates.source).tolist():
            at = np.flatnonzero(candidates.source == source)
            who, what = user[at], candidates.item[at]
            reasons: list[list[int]] = [[] for _ in at]
            if source == HABIT:
                reasons = [[item] for item in what.tolist()]
            elif source == NEIGHBOURS:
                reasons = because(self.discover.neighbours, history, who, what, most)
            elif source == SEQUENCE and self.sequence is not None:
                reasons = self.sequence.because(history, who, what)
            elif source == TEXT and self.text is not None:
                reasons = self.text.because(history, who, what, most)
            for place, reason in zip(at.tolist(), reasons, strict=True):
                out[place] = reason
        return out

    def buy_again(self, history: History, size: int) -> Candidates:
        """Return each user's own items that habit scores best, or habit and sequence together."""
        own = self.habit.score(history)
        score = own.score
        if self.sequence is not None and self.sequence.again > 0:
            share = self.sequence.again
            learnt = self.sequence.scores(self.sequence.users(history), own.user, own.item)
            score = positive((1 - share) * score / own_spread(own.user, score, history.users) + share * learnt)
        return best(own.user, own.item, score, np.full(len(own.item), HABIT), history.users, size)

    def to_discover(self, history: History, size: int) -> Candidates:
        """Return the items that each user never had and may like, filled up with what is popular."""
        near, base = self.discover.neighbours.score(history), self.discover.base
        part = self.sequence if self.sequence is not None and self.sequence.discover > 0 else None
        vectors, scale = np.zeros((0, 0)), np.ones(history.users)
        owned = history.owned()
        if part is None:
            favourites = np.argsort(-base, kind="stable")[: size + int(owned.sizes.max(initial=0))]
            favourites = favourites[base[favourites] > 0]
            more = np.repeat(np.arange(history.users), len(favourites)), np.tile(favourites, history.users)
        else:
            vectors, scale = part.users(history), spread(near, base)
            more = part.best(vectors, base, scale, size + int(owned.sizes.max(initial=0)))
        cell, first = np.unique(
            np.concatenate([near.user, more[0]]) * history.items + np.concatenate([near.item, more[1]]),
            return_index=True,
        )
        close = np.where(first < len(near.item), np.append(near.score, 0.0)[np.minimum(first, len(near.item))], 0.0)
        owned_user, owned_item = owned.pairs()
        new = ~np.isin(cell, owned_user * history.items + owned_item)
        user, item, close = cell[new] // history.items, cell[new] % history.items, close[new]
        source = np.where(close > 0, NEIGHBOURS, POPULAR)
        score = close + base[item]
        if part is not None:
            counted = (1 - part.discover) / scale[user]
            learnt = part.discover * part.scores(vectors, user, item)
            source = np.where(learnt > np.maximum(counted * close, 0), SEQUENCE, source)
            score = positive(counted * score + learnt)
        some = (source != POPULAR) | (base[item] > 0)
        others = best(user[some], item[some], score[some], source[some], history.users, size)
        if self.text is None:
            return others
        return with_text(history, others, self.text.score(history, size), self.text.weight, size)

    def dense(self, name: str, history: History) -> np.ndarray:
        """Return the scores of all items by one of LISTS for a small tile of users, float64 [users, items].

        The list of new products has -inf beyond its first places; that of what to buy again goes on with what is
        popular.
        """
        if name == "discover":
            return self.to_discover(history, _DENSE).dense(history.items)
        own = self.buy_again(history, history.items)
        out = np.tile(TIE_BREAK * self.habit.popularity, (history.users, 1))
        out[own.user, own.item] = 1 + own.score
        return out

    def save(self, folder: Path) -> None:
        """Write the recommender's files."""
        save(Kept(self.product_ids, self.habit, self.discover, self.sequence, self.text, self.actions), folder)

    @classmethod
    def load(cls, folder: Path) -> Recommender:
        """Read a recommender's files.

        Raises:
            UserError: They are not those of a recommender.
            ModelError: One is damaged, or they do not fit together.
        """
        kept = load(folder)
        return cls(kept.product_ids, kept.habit, kept.discover, kept.sequence, kept.text, kept.actions)


_DENSE = 20  # places of the list of new products that are judged at most


def own_spread(user: np.ndarray, score: np.ndarray, users: int) -> np.ndarray:
    """The standard deviation of each user's scores, [n]; 1 where all are equal."""
    count = np.maximum(np.bincount(user, minlength=users), 1)
    mean = np.bincount(user, score, users) / count
    variance = np.bincount(user, (score - mean[user]) ** 2, users) / count
    return np.asarray(np.sqrt(np.where(variance > 1e-18, variance, 1.0))[user])


def with_text(history: History, others: Candidates, by_text: Scored, weight: float, size: int) -> Candidates:
    """Add the products that are found by text to the best other ones.

    Args:
        history: What each user had.
        others: The other candidates.
        by_text: Scores of products by text, at most 1.
        weight: What a score of 1 is worth against the user's best other candidate.
        size: Entries kept for each user; a tenth of them by text, if there are so many.
    """
    top = np.zeros(history.users)
    np.maximum.at(top, others.user, others.score)
    owned_user, owned_item = history.owned().pairs()
    cell = by_text.user * history.items + by_text.item
    new = ~np.isin(cell, owned_user * history.items + owned_item)
    user, item = by_text.user[new], by_text.item[new]
    score = weight * by_text.score[new] * np.where(top > 0, top, 1.0)[user]
    user = np.concatenate([others.user, user])
    item = np.concatenate([others.item, item])
    source = np.concatenate([others.source, np.full(len(score), TEXT)])
    score = np.concatenate([others.score, score])
    return best(user, item, score, source, history.users, size, size // _TEXT_SHARE)
