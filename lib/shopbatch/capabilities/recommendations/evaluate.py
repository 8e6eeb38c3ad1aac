"""How good a recommender is on days that it has not seen, beside popularity and the user's own counts.

Judged are all users who bought something in the window; all items are ranked. "Next basket" is what a user bought on
the first of these days, and the whole window is judged too. The list of new products is judged on new products alone,
because a list of old favourites hides how little it says about them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from shopbatch.capabilities.recommendations.habit import TIE_BREAK, Habit
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.recommender import Recommender
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.paired import difference
from shopbatch.evaluation.ranking import Exposure, ItemSets, Quality, exposure, judge, restricted, top
from shopbatch.warehouse.gates import Gate, explain

PLACES = 10  # of NDCG, HR and what is shown; recall counts twice as many
_CELLS = 8_000_000  # users x items of a tile
# what a gate that refuses says to do: where a model is live, and where more data alone helps
_KEEP, _MORE = "keep the live model", "load more users, or a longer time of their purchases"
Scores = Callable[[np.ndarray], np.ndarray]  # users -> scores of all items, float [users, items]
ByList = Callable[[str, np.ndarray], np.ndarray]  # the same for the list of a name
BASELINES = {"buy_again": "frequency", "discover": "popularity"}  # what each list must be better than
QUESTIONS = {"buy_again": "window", "discover": "window, new"}  # by which each list is judged


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


def held_out(
    recommender: Recommender, before: History, after: History, others: Mapping[str, ByList] | None = None
) -> dict[str, dict[str, Measured]]:
    """Judge a recommender that was fitted to `before` by what was bought `after`.

    Beside its two lists stand popularity, the user's own counts, and, if the lists have more parts, the counting parts
    alone (habit, neighbours).

    Args:
        recommender: The recommender.
        before: What it was fitted to.
        after: What is judged by.
        others: Further recommenders by name.

    Returns:
        By question ("next basket", "window", "window, new"), the quality of each model by name.
    """
    habit, owned, month = recommender.habit, before.owned(), after.owned()
    frequency = Habit(None, np.ones(before.items), habit.popularity)
    lists: dict[str, ByList] = {"": _by_list(recommender, before), **(others or {})}
    popular: Scores = lambda users: np.tile(TIE_BREAK * habit.popularity, (len(users), 1))  # noqa: E731
    again: dict[str, Scores] = {
        "popularity": popular,
        "frequency": lambda users: frequency.dense(before.of_users(users)),
    }
    if recommender.sequence is not None and recommender.sequence.again > 0:
        again["habit"] = lambda users: habit.dense(before.of_users(users))
    new: dict[str, Scores] = {"popularity": popular}
    if recommender.sequence is not None or recommender.text is not None:
        new["neighbours"] = lambda users: recommender.discover.dense(before.of_users(users))
    again |= {name or "buy_again": partial(scores, "buy_again") for name, scores in lists.items()}
    new |= {name or "discover": partial(scores, "discover") for name, scores in lists.items()}
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


def _by_list(recommender: Recommender, before: History) -> ByList:
    return lambda name, users: recommender.dense(name, before.of_users(users))


def report(quality: Mapping[str, Mapping[str, Measured]], seed: int = 0) -> dict[str, Any]:
    """Return the numbers of `held_out`; every model but the baselines has its gain over the baseline of its list."""
    return {
        question: {
            name: m.tree(seed, None if name in BASELINES.values() or name == "popularity" else models[_base(models)])
            for name, m in models.items()
        }
        for question, models in quality.items()
    }


def _base(models: Mapping[str, Measured]) -> str:
    return next(base for name, base in BASELINES.items() if name in models)


def gates(
    quality: Mapping[str, Mapping[str, Measured]],
    most_loss: float = 0.01,
    seed: int = 0,
    certain: bool = True,
    live: bool = False,
) -> list[Gate]:
    """Judge a recommender against its baselines: one list is better for certain, and neither is clearly worse.

    Args:
        quality: What `held_out` measured.
        most_loss: Share of the baseline's NDCG that a list may at most lose, at the lower end of its interval.
        seed: Seed of the bootstrap.
        certain: Whether the lower end of the interval decides, or only the mean.
        live: Whether there is a live recommender, which stays.
    """
    gain = {name: lead(quality, name, BASELINES[name], seed) for name in BASELINES}
    leads = [interval.low if certain else interval.value for interval in gain.values()]
    best = max(leads, key=lambda lead: (lead == lead, lead))
    passed = bool(best > 0)
    measured = f"for certain (best lower end {best:.4f})" if certain else f"(best mean {best:.4f})"
    what = f"no list is better than its baseline {measured}"
    why, do = "counting what is popular would do as well", _MORE
    out = [Gate("better", round(best, 5), 0.0, passed, explain(passed, what, why, do))]
    return out + [
        _not_worse(quality, name, BASELINES[name], (interval.low if certain else interval.value), most_loss, live)
        for name, interval in gain.items()
    ]


def live_gates(quality: Mapping[str, Mapping[str, Measured]], most_loss: float = 0.01, seed: int = 0) -> list[Gate]:
    """Judge a recommender against the live one, which `held_out` measured as "live": no list is clearly worse."""
    return [
        _not_worse(quality, name, "live", lead(quality, name, "live", seed).high, most_loss, True)
        for name in BASELINES
        if "live" in quality[QUESTIONS[name]]
    ]


def lead(quality: Mapping[str, Mapping[str, Measured]], name: str, base: str, seed: int = 0) -> Interval:
    """Return by how much a list's NDCG@10 is above that of another model, paired over users."""
    models = quality[QUESTIONS[name]]
    return difference(models[name].ten.ndcg, models[base].ten.ndcg, seed)


def _not_worse(
    quality: Mapping[str, Mapping[str, Measured]], name: str, base: str, gain: float, most_loss: float, live: bool
) -> Gate:
    """Whether a list loses no more than the limit. `gain` is the end of the interval that decides: the lower one
    against a baseline, since counting is the safe choice, and the upper one against the live model. Where there is none
    (`live`), none can be kept.
    """
    of_base = quality[QUESTIONS[name]][base].ten.ndcg
    limit = -most_loss * float(np.mean(of_base)) if len(of_base) else 0.0
    known = gain == gain
    passed = bool(gain >= limit) or not known
    note = "" if known else "nobody bought such products in the window"
    what = f"the list {name} may lose {-gain:.4f} NDCG@10 against {base}, limit {-limit:.4f} (gates.worse)"
    detail = explain(passed, what, "users would see a worse list", _KEEP if live else _MORE, note)
    against = " than the live one" if base == "live" else ""
    return Gate(f"{name} is not worse{against}", round(gain, 5), round(limit, 5), passed, detail)
