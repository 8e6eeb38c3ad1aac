"""Select the best-scored products of each user: the candidates from which `buy_again` and `discover` are chosen.

`Recommender.candidates` returns them. Each candidate records which part of the recommender found it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LISTS = ("buy_again", "discover")
SOURCES = ("habit", "neighbours", "sequence", "text", "popular")  # parts of the recommender, and popularity
HABIT, NEIGHBOURS, SEQUENCE, TEXT, POPULAR = range(len(SOURCES))


@dataclass(frozen=True)
class Candidates:
    """The best candidates (products) of a batch of users, best first for each user.

    The candidates of user u are the elements starts[u] to starts[u + 1] of each array.

    Attributes:
        starts: Index of each user's first candidate and, last, the number of all candidates, int64 [users + 1].
        item: The product, as an index into `Recommender.product_ids`, int64 [n].
        score: Score of each candidate, above 0, float64 [n].
        source: The part of the recommender that led to the candidate, as an index into SOURCES, int8 [n]. POPULAR means
            that nothing in the user's own history led to it.
    """

    starts: np.ndarray
    item: np.ndarray
    score: np.ndarray
    source: np.ndarray

    @property
    def user(self) -> np.ndarray:
        """The user of each candidate, counted from 0 within the batch, int64 [n]."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def dense(self, items: int) -> np.ndarray:
        """Return the scores as a matrix, float64 [users, items]; -inf for items that are no candidates.

        The matrix has a column for each item of the catalogue, so it is for few users only.
        """
        out = np.full((len(self.starts) - 1, items), -np.inf)
        out[self.user, self.item] = self.score
        return out


def best(
    user: np.ndarray, item: np.ndarray, score: np.ndarray, source: np.ndarray, users: int, size: int, kept: int = 0
) -> Candidates:
    """Keep the `size` highest-scored items of each user; of equal scores, the lower `item` comes first.

    The arguments describe scored items of users as arrays with one entry per (user, item).

    Args:
        user: User of each entry, int [n].
        item: Item of each entry, as an index into `Recommender.product_ids`, int [n]; no (user, item) pair occurs
            twice.
        score: Score of each entry, float [n].
        source: Index into SOURCES of each entry, int [n].
        users: Number of users.
        size: Greatest number of entries kept for each user.
        kept: How many of the `size` entries of each user are reserved for entries with source TEXT. A user's best TEXT
            entries are kept up to this number, even if entries of other sources have higher scores.
    """
    order = np.lexsort((item, -score, user))
    user, item, score, source = user[order], item[order], score[order], source[order]
    first = np.zeros(len(user), bool)
    if kept:
        by_text = np.flatnonzero(source == TEXT)
        first[by_text[_place(user[by_text]) < kept]] = True
    by_rank = np.lexsort((np.arange(len(user)), ~first, user))
    chosen = np.sort(by_rank[_place(user[by_rank]) < size])
    starts = np.searchsorted(user[chosen], np.arange(users + 1))
    return Candidates(starts, item[chosen], score[chosen], source[chosen].astype(np.int8))


def _place(user: np.ndarray) -> np.ndarray:
    """Return the position of each entry among its user's entries, from 0, int64 [n]; `user` must be ascending."""
    return np.asarray(np.arange(len(user)) - np.searchsorted(user, user))
