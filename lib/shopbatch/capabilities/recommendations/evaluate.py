"""How good a recommender is on days that it has not seen, beside popularity and the user's own counts.

Judged are all users who bought something in the window; all items are ranked. "Next basket" is what a user bought on
the first of these days, and the whole window is judged too. The list of new products is judged on new products alone,
because a list of old favourites hides how little it says about them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shopbatch.capabilities.recommendations.habit import TIE_BREAK, Habit
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.recommender import Recommender
from shopbatch.evaluation.paired import difference
from shopbatch.evaluation.ranking import Exposure, ItemSets, Quality, exposure, judge, restricted, top
from shopbatch.warehouse.gates import Gate, explain

PLACES = 10  # of NDCG, HR and what is shown; recall counts twice as many
_CELLS = 8_000_000  # users x items of a tile
Scores = Callable[[np.ndarray], np.ndarray]  # users -> scores of all items, float [users, items]


@dataclass(frozen=True)
class Measured:
    """Quality of the first 10 and of the first 20 places, and which items the first 10 show."""

    ten: Quality
    twenty: Quality
    shown: Exposure

    def tree(self, seed: int, base: Measured | None = None) -> dict[str, Any]:
        """Return means with intervals over users, and the paired gain of each over another model."""
        numbers = {"ndcg@10": "ten.ndcg", "hr@10": "ten.hit", "recall@20": "twenty.recall"}
        out: dict[str, Any] = {}
        for name, path in numbers.items():
            value, other = (None if m is None else _field(m, path) for m in (self, base))
            assert value is not None
            out[name] = difference(value, np.zeros(len(value)), seed).tree()
            if other is not None:
                out[f"gain of {name}"] = difference(value, other, seed).tree()
        for name in ("coverage", "gini", "popularity", "popularity_wanted"):
            out[name] = round(float(getattr(self.shown, name)), 5)
        return out


def _field(measured: Measured, path: str) -> np.ndarray:
    places, name = path.split(".")
    return np.asarray(getattr(getattr(measured, places), name))


def measure(scores: Scores, owned: ItemSets, wanted: ItemSets, kind: str, popularity: np.ndarray) -> Measured:
    """Judge a model over all users who wanted something.

    Args:
        scores: The scores of all items for a tile of users.
        owned: What each user had before.
        wanted: What each user wanted.
        kind: Which items are ranked: all, repeat or new (see `restricted`).
        popularity: Popularity of each item, float64 [items].
    """
    users, parts, lists = np.flatnonzero(wanted.sizes), [], []
    step = max(1, _CELLS // max(1, len(popularity)))
    for tile in (users[a : a + step] for a in range(0, len(users), step)):
        ranked = restricted(scores(tile), owned.of_users(tile), kind)
        parts.append(judge(ranked, wanted.of_users(tile), (PLACES, 2 * PLACES)))
        lists.append(top(ranked, PLACES))
    return Measured(_joined([p[0] for p in parts]), _joined([p[1] for p in parts]), exposure(lists, wanted, popularity))


def _joined(parts: list[Quality]) -> Quality:
    return Quality(*(np.concatenate([np.zeros(0), *(getattr(p, f) for p in parts)]) for f in ("ndcg", "hit", "recall")))


def held_out(recommender: Recommender, before: History, after: History) -> dict[str, dict[str, Measured]]:
    """Judge a recommender that was fitted to `before` by what was bought `after`.

    Returns:
        By question ("next basket", "window", "window, new"), the quality of each model by name.
    """
    habit, owned, month = recommender.habit, before.owned(), after.owned()
    frequency = Habit(None, np.ones(before.items), habit.popularity)
    popular: Scores = lambda users: np.tile(TIE_BREAK * habit.popularity, (len(users), 1))  # noqa: E731
    again: Mapping[str, Scores] = {
        "popularity": popular,
        "frequency": lambda users: frequency.dense(before.of_users(users)),
        "habit": lambda users: habit.dense(before.of_users(users)),
    }
    new: Mapping[str, Scores] = {
        "popularity": popular,
        "discover": lambda users: recommender.discover.dense(before.of_users(users)),
    }
    basket = after.where(after.positions() == 0).owned()
    questions = (
        ("next basket", basket, "all", again),
        ("window", month, "all", again),
        ("window, new", month.without(owned), "new", new),
    )
    return {
        question: {name: measure(scores, owned, wanted, kind, habit.popularity) for name, scores in models.items()}
        for question, wanted, kind, models in questions
    }


def report(quality: Mapping[str, Mapping[str, Measured]], seed: int = 0) -> dict[str, Any]:
    """Return the numbers of `held_out`: the gain of habit is over frequency, that of discover over popularity."""
    base = {"habit": "frequency", "discover": "popularity"}
    return {
        question: {name: m.tree(seed, models[base[name]] if name in base else None) for name, m in models.items()}
        for question, models in quality.items()
    }


def gates(quality: Mapping[str, Mapping[str, Measured]], most_loss: float = 0.01, seed: int = 0) -> list[Gate]:
    """Judge a recommender against its baselines: one list is better for certain, and neither is clearly worse.

    Args:
        quality: What `held_out` measured.
        most_loss: Share of the baseline's NDCG that a list may at most lose, at the lower end of its interval.
        seed: Seed of the bootstrap.
    """
    pairs = {"habit": ("window", "frequency"), "discover": ("window, new", "popularity")}
    gain, base = {}, {}
    for name, (question, baseline) in pairs.items():
        models = quality[question]
        gain[name] = difference(models[name].ten.ndcg, models[baseline].ten.ndcg, seed)
        base[name] = float(np.mean(models[baseline].ten.ndcg)) if len(models[baseline].ten.ndcg) else float("nan")
    best = max((interval.low for interval in gain.values()), key=lambda low: (low == low, low))
    passed = bool(best > 0)
    what = f"no list is better than its baseline for certain (best lower end {best:.4f})"
    why, do = "counting what is popular would do as well", "load more purchases, or a longer time of them"
    out = [Gate("better", round(best, 5), 0.0, passed, explain(passed, what, why, do))]
    for name, interval in gain.items():
        limit = -most_loss * base[name]
        passed = bool(interval.low >= limit)
        what = f"the list of {name} may lose {-interval.low:.4f} NDCG@10 against {pairs[name][1]}, limit {-limit:.4f}"
        note = "" if interval.low == interval.low else "nobody bought such products in the window"
        passed = passed or bool(note)
        detail = explain(passed, what, "users would see a worse list", "keep the live model", note)
        out.append(Gate(f"{name} is not worse", round(interval.low, 5), round(limit, 5), passed, detail))
    return out
