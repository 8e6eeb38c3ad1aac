"""The recommender, which proposes products to each user (candidates) and can explain them; it consists of fitted parts.

- The habit part scores products to buy again, the neighbours part new products.
- The sequence part (a Transformer) adds to the scores of a list where training found that it helps.
- The text part adds new products that too few users have bought for the neighbours part.

The candidates depend only on the user's own history and the model, so a user without new purchases keeps the same ones.
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
_TEXT_SHARE = 10  # one of so many places for new products goes to products found by text


@dataclass(frozen=True)
class Recommender:
    """A fitted recommender. Its parts know a product by its index in `product_ids` (item n is product_ids[n]).

    `train_recommender` builds and registers it; `recommend_products` loads it and asks it for candidates.

    Attributes:
        product_ids: Product ids, in alphabetical order.
        habit: Scores the items that the user may buy again.
        discover: Scores new items by the neighbours of the user's past items, and by popularity.
        sequence: Scores items by the order of the user's purchases; None if it is not used.
        text: Scores items with too few buyers by their texts; None if it is not used.
        actions: The actions (`user_sequences.actions`, such as PURCHASE) whose products form the user's history.
    """

    product_ids: tuple[str, ...]
    habit: Habit
    discover: Discover
    sequence: SequencePart | None = None
    text: TextPart | None = None
    actions: tuple[int, ...] = (PURCHASE,)

    def candidates(self, name: str, history: History, size: int) -> Candidates:
        """Return the `size` best candidates of each user for the list `name`, "buy_again" or "discover"."""
        return {"buy_again": self.buy_again, "discover": self.to_discover}[name](history, size)

    def because(self, history: History, candidates: Candidates, most: int = 3) -> list[list[int]]:
        """Return for each candidate the user's past items that contributed most to its score, the greatest first.

        Popular candidates have an empty list. A candidate to buy again names itself. A candidate of the sequence part
        names one item: the past item without which its score would fall most.

        Args:
            history: The users' purchases.
            candidates: Candidates of the same users.
            most: Greatest number of items named for a candidate.

        Returns:
            For each candidate the list of these past items, as indexes into `product_ids`.
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
        """Return each user's past items with the best habit scores, mixed with sequence scores if these are used."""
        own = self.habit.score(history)
        score = own.score
        if self.sequence is not None and self.sequence.again > 0:
            share = self.sequence.again
            learnt = self.sequence.scores(self.sequence.users(history), own.user, own.item)
            score = positive((1 - share) * score / own_spread(own.user, score, history.users) + share * learnt)
        return best(own.user, own.item, score, np.full(len(own.item), HABIT), history.users, size)

    def to_discover(self, history: History, size: int) -> Candidates:
        """Return each user's `size` best new items, scored by neighbours, sequence, text and popularity.

        The source of an entry is SEQUENCE if the sequence part adds more to its score than the neighbours do. Otherwise
        it is NEIGHBOURS if any neighbour adds to the score, and POPULAR if none does. Entries that the text part found
        have TEXT.
        """
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
        """Return a few users' scores of all items for one list, float64 [users, items], to measure its quality.

        For "discover", only each user's best 20 new items have a score; all others have -inf. For "buy_again", the
        user's past items have the highest scores, and all other items follow by popularity.

        Args:
            name: The list, "buy_again" or "discover".
            history: The purchases of these users.
        """
        if name == "discover":
            return self.to_discover(history, _DENSE).dense(history.items)
        own = self.buy_again(history, history.items)
        out = np.tile(TIE_BREAK * self.habit.popularity, (history.users, 1))
        out[own.user, own.item] = 1 + own.score
        return out

    def save(self, folder: Path) -> None:
        """Write the recommender's files into a folder; see `recommender_files`."""
        save(Kept(self.product_ids, self.habit, self.discover, self.sequence, self.text, self.actions), folder)

    @classmethod
    def load(cls, folder: Path) -> Recommender:
        """Load a recommender from a folder that `save` wrote.

        Raises:
            UserError: The folder does not hold a recommender.
            ModelError: A file is damaged, or the files do not fit together.
        """
        kept = load(folder)
        return cls(kept.product_ids, kept.habit, kept.discover, kept.sequence, kept.text, kept.actions)


_DENSE = 20  # places of the list of new products that `dense` scores


def own_spread(user: np.ndarray, score: np.ndarray, users: int) -> np.ndarray:
    """Return for each entry the standard deviation of its user's scores, float64 [n]; 1 where all are equal.

    Habit scores are divided by it, so that they can be added to the standardised scores of the sequence part.

    Args:
        user: User of each entry, int [n].
        score: Score of each entry, float [n].
        users: Number of users.
    """
    count = np.maximum(np.bincount(user, minlength=users), 1)
    mean = np.bincount(user, score, users) / count
    variance = np.bincount(user, (score - mean[user]) ** 2, users) / count
    return np.asarray(np.sqrt(np.where(variance > 1e-18, variance, 1.0))[user])


def with_text(history: History, others: Candidates, by_text: Scored, weight: float, size: int) -> Candidates:
    """Merge the products that the text part found into the other candidates, and return the `size` best of each user.

    A text score s becomes s x `weight` x (score of the user's best candidate in `others`). A tenth of the `size`
    products is reserved for products of the text part, even if their scores are lower.

    Args:
        history: The users' purchases; products that a user bought are not added.
        others: The candidates of the other parts.
        by_text: Scores of products by text, at most 1.
        weight: Factor of the text scores.
        size: Number of candidates to return for each user.
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
