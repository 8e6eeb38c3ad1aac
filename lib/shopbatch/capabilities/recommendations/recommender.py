"""The recommender: its parts, their choice on held-out time, its candidates for each user, and its files.

Habit proposes what to buy again, the neighbours what to discover. No list needs more than the user's own history and
the model, so a user without news keeps the same candidates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from shopbatch.capabilities.recommendations.discover import Discover, counted, fit_discover, mixed
from shopbatch.capabilities.recommendations.habit import Habit, choose_half_life
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import EaseSettings, Neighbours, NextSettings
from shopbatch.capabilities.recommendations.reasons import because
from shopbatch.core.errors import UserError

NAME = "recommender"
HALF_LIVES = (None, 45.0, 90.0, 180.0)
WAYS = (EaseSettings(), NextSettings())
LISTS = ("buy_again", "discover")
SOURCES = ("habit", "neighbours", "sequence", "text", "popular")  # what a candidate's score comes from
HABIT, NEIGHBOURS, SEQUENCE, TEXT, POPULAR = range(len(SOURCES))
_NUMBERS, _WORDS = "recommender.safetensors", "recommender.json"


@dataclass(frozen=True)
class Candidates:
    """The best candidates of each user of a tile, best first: user u has the entries starts[u] to starts[u + 1].

    Attributes:
        starts: int64 [users + 1].
        item: int64 [n].
        score: float64 [n].
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


@dataclass(frozen=True)
class Recommender:
    """A fitted recommender. `product_ids` names the items, by number."""

    product_ids: tuple[str, ...]
    habit: Habit
    discover: Discover

    def candidates(self, name: str, history: History, size: int) -> Candidates:
        """Return the best candidates of each user for one of LISTS."""
        return {"buy_again": self.buy_again, "discover": self.to_discover}[name](history, size)

    def because(self, history: History, candidates: Candidates, most: int = 3) -> list[list[int]]:
        """Return for each candidate the own items with the greatest shares of its score; none for popular ones."""
        near = because(self.discover.neighbours, history, candidates.user, candidates.item, most)
        own = [[item] for item in candidates.item.tolist()]
        by_source = {HABIT: own, NEIGHBOURS: near}
        return [by_source[s][n] if s in by_source else [] for n, s in enumerate(candidates.source.tolist())]

    def buy_again(self, history: History, size: int) -> Candidates:
        """Return each user's own items that habit scores best."""
        own = self.habit.score(history)
        return _best(own.user, own.item, own.score, np.full(len(own.item), HABIT), history.users, size)

    def to_discover(self, history: History, size: int) -> Candidates:
        """Return the items that each user never had and may like, filled up with what is popular."""
        near, base = self.discover.neighbours.score(history), self.discover.base
        favourites = np.argsort(-base, kind="stable")[: 2 * size]
        favourites = favourites[base[favourites] > 0]
        user = np.concatenate([near.user, np.repeat(np.arange(history.users), len(favourites))])
        item = np.concatenate([near.item, np.tile(favourites, history.users)])
        cell, first = np.unique(user * history.items + item, return_index=True)
        scored = np.where(first < len(near.item), np.append(near.score, 0.0)[np.minimum(first, len(near.item))], 0.0)
        owned_user, owned_item = history.owned().pairs()
        new = ~np.isin(cell, owned_user * history.items + owned_item)
        cell, scored = cell[new], scored[new]
        item = cell % history.items
        source = np.where(scored == 0, POPULAR, NEIGHBOURS)
        return _best(cell // history.items, item, scored + base[item], source, history.users, size)

    def save(self, folder: Path) -> None:
        """Write the recommender's files."""
        near = self.discover.neighbours
        arrays = {
            "factor": self.habit.factor,
            "popularity": self.habit.popularity,
            "neighbours": near.item.astype(np.int32),
            "weights": near.weight,
            "trend": near.trend,
            "base": self.discover.base,
        }
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _NUMBERS)
        words = {"half_life": self.habit.half_life, "decay": near.decay, "product_ids": self.product_ids}
        (folder / _WORDS).write_text(json.dumps(words, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Recommender:
        """Read a recommender's files. UserError if they are not those of a recommender."""
        if not (folder / _NUMBERS).is_file() or not (folder / _WORDS).is_file():
            raise UserError(f"model {folder}: it is no recommender; train one: shopbatch run train_recommender")
        arrays, words = load_file(folder / _NUMBERS), json.loads((folder / _WORDS).read_text("utf-8"))
        near = Neighbours(arrays["neighbours"].astype(np.int64), arrays["weights"], words["decay"], arrays["trend"])
        habit = Habit(words["half_life"], arrays["factor"], arrays["popularity"])
        return cls(tuple(words["product_ids"]), habit, Discover(near, arrays["base"]))


@dataclass(frozen=True)
class Choice:
    """What validation chose: the half life, the way of counting neighbours, and their mixture, with all NDCGs."""

    half_life: float | None
    way: NextSettings | EaseSettings
    mixture: str
    validation: dict[str, float]


def fit_recommender(
    history: History,
    product_ids: Sequence[str],
    validation_days: int = 30,
    half_lives: Sequence[float | None] = HALF_LIVES,
    ways: Sequence[NextSettings | EaseSettings] = WAYS,
) -> tuple[Recommender, Choice]:
    """Choose everything on the newest days, then fit it to the whole history.

    Args:
        history: Everything that may be used.
        product_ids: Names of the items.
        validation_days: The newest days that choices are judged by.
        half_lives: Decays to choose from, in days; None for none.
        ways: Ways of counting neighbours to choose from.
    """
    end = int(history.day.max(initial=0)) + 1
    cut = end - validation_days
    before, after = history.between(int(history.day.min(initial=cut)), cut), history.between(cut, end)
    half_life, by_half_life = choose_half_life(before, after, half_lives)
    way, mixture, by_way = fit_discover(before, after, ways)
    habit = Habit.fit(history, half_life)
    discover = mixed(counted(history, way), history, mixture)
    worth = {f"half life {choice}": round(value, 5) for choice, value in by_half_life.items()}
    worth |= {f"{type(w).__name__}, {m}": round(value, 5) for (w, m), value in by_way.items()}
    return Recommender(tuple(product_ids), habit, discover), Choice(half_life, way, str(mixture), worth)


def _best(
    user: np.ndarray, item: np.ndarray, score: np.ndarray, source: np.ndarray, users: int, size: int
) -> Candidates:
    """Keep the best entries of each user; of equal scores the lower number."""
    order = np.lexsort((item, -score, user))
    place = np.arange(len(order)) - np.searchsorted(user[order], user[order])
    kept = order[place < size]
    starts = np.searchsorted(user[kept], np.arange(users + 1))
    return Candidates(starts, item[kept], score[kept], source[kept].astype(np.int8))
