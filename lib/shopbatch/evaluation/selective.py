"""Answering only where one is sure enough: from which score on the share of right ones certainly reaches a target.

A bound that is chosen among many on the same rows looks better than it is. So the bound is tested at a fixed number of
places, each with the Clopper-Pearson lower bound, at a level so strict that *any* of them passes wrongly with no more
than the error that is allowed. That probability is computed exactly for rows of which just the target's share is right,
as for the looks of a group-sequential trial (Pocock 1977, "Group sequential methods in the design and analysis of
clinical trials", Biometrika 64). Rows that are right less often at lower scores only make it smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from shopbatch.evaluation.proportions import beta_quantile

NEVER = 2.0  # a bound that no probability reaches
PLACES = 50  # bounds that are tested: each fiftieth part of the rows, from the greatest score on
_EXACT = (
    3000  # rows up to which the error of all tests together is computed; beyond, it is bounded by its sum (Bonferroni)
)
_HALVINGS = 16


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

    If rows are right the less often the lower their score is, a bound whose true share is below `precision` is chosen
    with a probability of at most 1 - `confidence`.

    Args:
        score: float [n].
        right: bool [n], whether the row is right.
        precision: The share to reach, between 0 and 1, exclusive.
        confidence: How sure, such as 0.9.
    """
    order = np.argsort(-score, kind="stable")
    ranked, wrong = score[order], np.cumsum(~right[order].astype(bool))
    best = Bound()
    counts = _places(ranked)
    for rows, allowed in zip(counts, allowed_errors(counts, precision, confidence), strict=True):
        if wrong[rows - 1] <= allowed:
            best = Bound(float(ranked[rows - 1]), rows, rows - int(wrong[rows - 1]))
    return best


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


def _places(ranked: np.ndarray) -> tuple[int, ...]:
    """Numbers of rows at which a bound is tested; equal scores stay together. They do not depend on what is right."""
    size = len(ranked)
    wanted = {max(1, size * place // PLACES) for place in range(1, PLACES + 1)} if size else set()
    return tuple(sorted({int(np.searchsorted(-ranked, -ranked[rows - 1], side="right")) for rows in wanted}))


@lru_cache(maxsize=256)
def allowed_errors(counts: tuple[int, ...], precision: float, confidence: float) -> tuple[int, ...]:
    """Return how many of the first rows may be wrong at each place; -1 where even none would prove nothing.

    Args:
        counts: Numbers of rows, ascending.
        precision: The share of right rows to prove.
        confidence: 1 minus the probability that any place passes if the true share is just below `precision`.
    """
    error = 1 - confidence
    if not counts:
        return ()
    if counts[-1] > _EXACT:
        return tuple(most_errors(rows, precision, error / len(counts)) for rows in counts)
    low, high = error / len(counts), error
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        limits = [most_errors(rows, precision, middle) for rows in counts]
        low, high = (middle, high) if passes_anywhere(counts, limits, 1 - precision) <= error else (low, middle)
    return tuple(most_errors(rows, precision, low) for rows in counts)


@lru_cache(maxsize=65536)
def most_errors(rows: int, precision: float, level: float) -> int:
    """Return the most wrong rows at which the Clopper-Pearson lower bound of the share is still `precision`.

    Args:
        rows: Number of rows.
        precision: The share.
        level: Probability that the bound is above the true share; -1 is returned where no number is small enough.
    """
    return int(np.searchsorted(np.cumsum(_binomial(rows, 1 - precision)), level, side="right")) - 1


def passes_anywhere(counts: tuple[int, ...], limits: list[int], wrong: float) -> float:
    """Return the probability that at any place no more rows than its limit are wrong, each wrong with the same chance.

    Args:
        counts: Numbers of rows, ascending.
        limits: The limit of each place; -1 lets nothing pass.
        wrong: The chance that a row is wrong.
    """
    state, before, passed = np.ones(1), 0, 0.0
    for rows, limit in zip(counts, limits, strict=True):
        state = np.convolve(state, _binomial(rows - before, wrong))[: max(limits) + 2]
        before = rows
        passed += float(state[: limit + 1].sum())
        state[: limit + 1] = 0
    return passed


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
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]
    good = int(positive.sum())
    bad = len(positive) - good
    return float((rank[positive].sum() - good * (good + 1) / 2) / (good * bad)) if good and bad else float("nan")


def _binomial(rows: int, chance: float) -> np.ndarray:
    """The probabilities of 0 to `rows` hits, float [rows + 1]."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows + 1)))])
    hits = np.arange(rows + 1)
    return np.asarray(
        np.exp(logs[rows] - logs - logs[::-1] + hits * np.log(chance) + (rows - hits) * np.log1p(-chance))
    )
