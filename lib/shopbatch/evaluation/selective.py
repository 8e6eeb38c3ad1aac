"""Answering only where one is sure enough: from which score on the share of right ones certainly reaches a target.

A bound that is chosen among many on the same rows looks better than it is. So the bounds are tested one after
another, from the greatest scores downwards, each by the Clopper-Pearson lower bound at the full level, and the first
one that fails ends the search. Which bounds are tested, and in which order, does not depend on what is right. Then the
chance that any bound passes wrongly is at most that of the first one that should not pass: no more than the error that
is allowed (testing in a fixed sequence: Bauer 1991, "Multiple testing in clinical trials", Statistics in Medicine 10;
Angelopoulos et al. 2021, "Learn then test").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.proportions import beta_quantile

NEVER = 2.0  # a bound that no probability reaches
_FIRST = 0.2  # share of the rows that the first bound takes at least: among fewer, one wrong row would end the search
_PLACES = 50  # most bounds that are tested


@dataclass(frozen=True)
class Bound:
    """A chosen bound.

    Attributes:
        score: The least score that is taken; NEVER if no bound is certain.
        rows: Rows that it takes.
        right: How many of them are right.
    """

    score: float = NEVER
    rows: int = 0
    right: int = 0


def certain_bound(score: np.ndarray, right: np.ndarray, precision: float, confidence: float) -> Bound:
    """Return the lowest bound from which on the share of right rows is at least `precision`.

    A bound whose true share is below `precision` is chosen with a probability of at most 1 - `confidence`, however the
    share of right rows changes with the score.

    Args:
        score: float [n].
        right: bool [n], whether the row is right.
        precision: The share to reach, between 0 and 1, exclusive.
        confidence: How sure, such as 0.9.
    """
    order = np.argsort(-score, kind="stable")
    ranked, wrong = score[order], np.cumsum(~right[order].astype(bool))
    best = Bound()
    for place in places_to_test(len(ranked), precision, 1 - confidence):
        rows = int(np.searchsorted(-ranked, -ranked[place - 1], side="right"))  # equal scores stay together
        if wrong[rows - 1] > most_errors(rows, precision, 1 - confidence):
            break
        best = Bound(float(ranked[rows - 1]), rows, rows - int(wrong[rows - 1]))
    return best


@lru_cache(maxsize=256)
def places_to_test(size: int, precision: float, level: float) -> tuple[int, ...]:
    """Return the numbers of rows at which a bound is tested, ascending.

    Each is the least number among which one more row may be wrong than at the place before, since a place between two
    such ones could only fail. They begin with a fifth of all rows and end with all.

    Args:
        size: Number of all rows.
        precision: The share to prove.
        level: The chance to prove it wrongly.
    """
    most = most_errors(size, precision, level) if size else -1
    places = [_fewest_rows(wrong, size, precision, level) for wrong in _thinned(most)]
    return tuple(sorted({rows for rows in places if rows >= _FIRST * size} | ({size} if most >= 0 else set())))


def _thinned(most: int) -> list[int]:
    """Numbers of wrong rows, 0 to `most`, of which those that are tested are at most _PLACES."""
    step = max(1, -(-(most + 1) // _PLACES))
    return list(range(most % step, most + 1, step))


def _fewest_rows(wrong: int, size: int, precision: float, level: float) -> int:
    """The least number of rows, up to `size`, among which so many may be wrong."""
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if most_errors(middle, precision, level) >= wrong else (middle, high)
    return high


def agreeing_bound(score: np.ndarray, same: np.ndarray, agreement: float, confidence: float) -> Bound:
    """Return the lowest bound at which enough of *all* rows get the same answer as without it.

    Rows from the bound on get the answer that is judged; the others keep theirs. A lower bound can only add rows with
    another answer, so the bounds may be tested from the greatest score downwards, each at the full level: the first
    one that fails ends the search (Bates et al. 2021, "Distribution-free, risk-controlling prediction sets", theorem
    1). The true share of all rows with the same answer is below `agreement` with a probability of at most 1 -
    `confidence`.

    Args:
        score: float [n].
        same: bool [n], whether the row's answer would be the same.
        agreement: The share to reach, between 0 and 1, exclusive.
        confidence: How sure, such as 0.95.
    """
    order = np.argsort(-score, kind="stable")
    ranked, other = score[order], np.cumsum(~same[order].astype(bool))
    allowed = most_errors(len(score), agreement, 1 - confidence) if len(score) else -1
    rows = int(np.searchsorted(other, allowed, side="right")) if allowed >= 0 else 0
    while 0 < rows < len(ranked) and ranked[rows] == ranked[rows - 1]:  # equal scores stay together
        rows -= 1
    return Bound(float(ranked[rows - 1]), rows, rows - int(other[rows - 1])) if rows else Bound()


@lru_cache(maxsize=65536)
def most_errors(rows: int, precision: float, level: float) -> int:
    """Return the most wrong rows at which the Clopper-Pearson lower bound of the share is still `precision`.

    Args:
        rows: Number of rows.
        precision: The share.
        level: Probability that the bound is above the true share; -1 is returned where no number is small enough.
    """
    return int(np.searchsorted(np.cumsum(_binomial(rows, 1 - precision)), level, side="right")) - 1


def curve(score: np.ndarray, right: np.ndarray, confidence: float, points: int = 50) -> np.ndarray:
    """Return the share of right rows among those with the greatest scores, with Clopper-Pearson intervals.

    Args:
        score: float [n].
        right: bool [n].
        confidence: Probability inside an interval, such as 0.9. It holds at each place by itself.
        points: How many places.

    Returns:
        float [places, 5]: least score, share of all rows, share of right ones, ends of the interval.
    """
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(right[order])
    places = sorted({max(1, len(ranked) * place // points) for place in range(1, points + 1)}) if len(ranked) else []
    counts = np.array(sorted({int(np.searchsorted(-ranked, -ranked[rows - 1], side="right")) for rows in places}), int)
    if not len(counts):
        return np.zeros((0, 5))
    good = hits[counts - 1].astype(float)
    low, high = clopper_pearson(good, counts.astype(float), confidence)
    return np.column_stack([ranked[counts - 1], counts / len(ranked), good / counts, low, high])


def clopper_pearson(hits: np.ndarray, rows: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the exact interval of shares (Clopper and Pearson 1934), each float [n].

    Args:
        hits: Hits, [n].
        rows: Rows, each at least 1, [n].
        confidence: Probability inside the interval.
    """
    tail = (1 - confidence) / 2
    low = np.where(hits > 0, beta_quantile(tail, np.maximum(hits, 1), rows - hits + 1), 0.0)
    high = np.where(hits < rows, beta_quantile(1 - tail, hits + 1, np.maximum(rows - hits, 1)), 1.0)
    return low, high


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the probability that a positive row has a greater score than another one, ties half; nan without both.

    Args:
        score: float [n].
        positive: bool [n].
    """
    rank = _ranks(score)
    good = int(positive.sum())
    bad = len(positive) - good
    return float((rank[positive].sum() - good * (good + 1) / 2) / (good * bad)) if good and bad else float("nan")


def auroc_interval(score: np.ndarray, positive: np.ndarray, groups: np.ndarray) -> Interval:
    """Return `auroc` with its 95 % interval, where the rows of a group may be alike; nan without both kinds.

    By the placements of the rows among those of the other kind (DeLong et al. 1988), summed up by group (Obuchowski
    1997).

    Args:
        score: float [n].
        positive: bool [n].
        groups: Group of each row, such as its user, int [n].
    """
    value, good, bad = auroc(score, positive), int(positive.sum()), int((~positive).sum())
    if np.isnan(value):
        return Interval(value, value, value)
    rank, part = _ranks(score), np.empty(len(score))
    part[positive] = ((rank[positive] - _ranks(score[positive])) / bad - value) / good
    part[~positive] = (1 - (rank[~positive] - _ranks(score[~positive])) / good - value) / bad
    _, group = np.unique(groups, return_inverse=True)
    wide = 1.96 * float(np.sqrt((np.bincount(group.reshape(-1), part) ** 2).sum()))
    return Interval(value, max(0.0, value - wide), min(1.0, value + wide))


def _ranks(score: np.ndarray) -> np.ndarray:
    """The rank of each row from 1, that of ties in the middle, float [n]."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)])


def _binomial(rows: int, chance: float) -> np.ndarray:
    """The probabilities of 0 to `rows` hits, float [rows + 1]."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows + 1)))])
    hits = np.arange(rows + 1)
    return np.asarray(
        np.exp(logs[rows] - logs - logs[::-1] + hits * np.log(chance) + (rows - hits) * np.log1p(-chance))
    )
