"""The candidates of a list, and what each of them comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LISTS = ("buy_again", "discover")
SOURCES = ("habit", "neighbours", "sequence", "text", "popular")  # what a candidate's score comes from
HABIT, NEIGHBOURS, SEQUENCE, TEXT, POPULAR = range(len(SOURCES))


@dataclass(frozen=True)
class Candidates:
    """The best candidates of each user of a tile, best first: user u has the entries starts[u] to starts[u + 1].

    Attributes:
        starts: int64 [users + 1].
        item: int64 [n].
        score: float64 [n], above 0.
        source: Number in SOURCES of what the score comes from, int8 [n]. POPULAR means that nothing of the user's own
            led to the entry.
    """

    starts: np.ndarray
    item: np.ndarray
    score: np.ndarray
    source: np.ndarray

    @property
    def user(self) -> np.ndarray:
        """The user of each entry, counted within the tile, int64 [n]."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def dense(self, items: int) -> np.ndarray:
        """Return the scores of all items, -inf where there is no entry, float64 [users, items]. For small tiles."""
        out = np.full((len(self.starts) - 1, items), -np.inf)
        out[self.user, self.item] = self.score
        return out


def best(
    user: np.ndarray, item: np.ndarray, score: np.ndarray, source: np.ndarray, users: int, size: int, kept: int = 0
) -> Candidates:
    """Keep the best entries of each user; of equal scores the lower number.

    Args:
        user: User of each entry, int [n].
        item: Its item, int [n]; no pair twice.
        score: float [n].
        source: Number in SOURCES, int [n].
        users: How many users there are.
        size: Entries kept for each user.
        kept: The best so many entries by text are kept, even if their scores are not among the best.
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
    """The place of each entry among those of its user; `user` is ascending."""
    return np.asarray(np.arange(len(user)) - np.searchsorted(user, user))
