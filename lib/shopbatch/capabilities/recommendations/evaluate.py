"""Measure how well a recommender predicts the purchases of held-out days, and compare it with simple baselines.

`train_recommender` uses the results for its gates and its report. The baselines are popularity and, for products to buy
again, how often the user bought each product. Every user who bought something on the held-out days (the window) is
judged. Each model ranks all products and must answer these questions:

- "next basket": which products the user buys on the user's first day with purchases in the window;
- "window": which products the user buys on any day of the window;
- "window, new": which products the user buys in the window and never bought before it.

The list `discover` is judged by "window, new" alone, because products that the user buys regularly would hide how well
the list finds new ones.
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

PLACES = 10  # places judged by NDCG and HR, and counted as shown; recall looks at twice as many
_CELLS = 8_000_000  # greatest users x items of a matrix of scores
# advice of a gate that refuses: if there is a live model, and if only more data helps
_KEEP, _MORE = "keep the live model", "load more users, or a longer time of their purchases"
Scores = Callable[[np.ndarray], np.ndarray]  # users -> scores of all items, float [users, items]
ByList = Callable[[str, np.ndarray], np.ndarray]  # (list, users) -> scores of all items, float [users, items]
BASELINES = {"buy_again": "frequency", "discover": "popularity"}  # the baseline that each list must beat
QUESTIONS = {"buy_again": "window", "discover": "window, new"}  # the question that judges each list


@dataclass(frozen=True)
class Measured:
    """Quality of a model for each user, and how often the model shows each item.

    Attributes:
        ten: NDCG, hit and recall of each user's first 10 items.
        twenty: NDCG, hit and recall of each user's first 20 items.
        shown: How often each item is among a user's first 10, with coverage, Gini coefficient and mean popularity.
    """

    ten: Quality
    twenty: Quality
    shown: Exposure

    def tree(self, seed: int, base: Measured | None = None) -> dict[str, Any]:
        """Return the model's quality as nested dictionaries of numbers for JSON.

        They hold NDCG@10, HR@10 and recall@20, as means with 95 % intervals over users, and the coverage, Gini
        coefficient and mean popularity of the users' first 10 items.

        Args:
            seed: Seed of the bootstrap.
            base: Another model, judged on the same users. The result then also holds, as "gain of ...", by how much
                this model exceeds it in each measure, with an interval. None to leave the gains out.
        """
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
    """Judge a model on all users who bought at least one item that it should predict.

    Args:
        scores: Function from user numbers to the scores of all items, float [users, items].
        owned: The items that each user bought before.
        wanted: The items that each user bought afterwards, which the model should rank first.
        kind: Which items are ranked: "all", "repeat" (only those in `owned`) or "new" (only the others).
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
    """Judge a recommender that was fitted to `before` by what users bought in `after`, next to its baselines.

    The baselines are "popularity" and, for products to buy again, "frequency" (how often the user bought each product).
    If the recommender has a sequence part or a text part, the scores without these parts are judged too: "habit" for
    products to buy again, "neighbours" for new products.

    Args:
        recommender: The recommender.
        before: The purchases that it was fitted to.
        after: The purchases of the held-out days.
        others: Further recommenders to judge, by name, such as "live".

    Returns:
        {question: {model name: quality}} with the questions "next basket", "window" and "window, new" (see the module).
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
    """Return the results of `held_out` as numbers for the report: {question: {model: numbers}}.

    The numbers of every model except the baselines include its gain over the baseline of its list (see BASELINES).
    """
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
    """Return the gates that compare a new recommender with its baselines.

    There are three: at least one list must have a higher NDCG@10 than its baseline, and each of the two lists may lose
    at most `most_loss` against its baseline.

    Args:
        quality: The result of `held_out`.
        most_loss: Greatest allowed loss of NDCG@10, as a share of the baseline's NDCG@10.
        seed: Seed of the bootstrap.
        certain: True: the lower end of the 95 % interval of the gain decides. False: the mean gain decides.
        live: True if there is a live recommender, which stays if a gate refuses the new one. It only changes the advice
            in the message of a gate.
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
    """Return one gate for each list: the new recommender's list may not be clearly worse than that of the live one.

    A list is clearly worse if even the upper end of the 95 % interval of its gain is a loss greater than allowed. If
    `quality` has no model "live", there are no gates.

    Args:
        quality: The result of `held_out`.
        most_loss: Greatest allowed loss of NDCG@10, as a share of the live model's NDCG@10.
        seed: Seed of the bootstrap.
    """
    return [
        _not_worse(quality, name, "live", lead(quality, name, "live", seed).high, most_loss, True)
        for name in BASELINES
        if "live" in quality[QUESTIONS[name]]
    ]


def lead(quality: Mapping[str, Mapping[str, Measured]], name: str, base: str, seed: int = 0) -> Interval:
    """Return by how much the NDCG@10 of a new list exceeds that of another model, with its 95 % interval over users.

    Both rankings are compared on the question of the list: "window" for `buy_again`, "window, new" for `discover`.

    Args:
        quality: The result of `held_out`.
        name: The list, "buy_again" or "discover".
        base: Name of the other model, such as "popularity" or "live".
        seed: Seed of the bootstrap.
    """
    models = quality[QUESTIONS[name]]
    return difference(models[name].ten.ndcg, models[base].ten.ndcg, seed)


def _not_worse(
    quality: Mapping[str, Mapping[str, Measured]], name: str, base: str, gain: float, most_loss: float, live: bool
) -> Gate:
    """Return the gate that a list of the new recommender loses at most a given share of NDCG@10 against another model.

    Args:
        quality: The result of `held_out`.
        name: The list, "buy_again" or "discover".
        base: Name of the other model: the baseline of the list, or "live".
        gain: The gain of NDCG@10 that decides. Against a baseline it is the lower end of the interval (or the mean),
            because the baseline is the safe choice. Against the live model it is the upper end. nan means that no user
            can be judged; the gate then passes.
        most_loss: Greatest allowed loss, as a share of the NDCG@10 of `base`.
        live: True if there is a live model; it only changes the advice in the message of the gate.
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
