"""Chooses a score threshold for selective answering: above it, the share of right answers certainly reaches a target.

`train_intents`, `train_image_classifier` and `train_cascade` use it: below the threshold, a person or a larger model
answers. A threshold chosen as the best of many on the same rows looks better than it is. So thresholds are tested one
after another, from the greatest score downwards, each by the Clopper-Pearson lower bound at the full level, and the
first one that fails ends the search. Which thresholds are tested, and in which order, does not depend on which rows are
right. Therefore the probability that any threshold passes wrongly is at most that of the first one that should not
pass: the allowed error (testing in a fixed sequence: Bauer 1991, "Multiple testing in clinical trials", Statistics in
Medicine 10; Angelopoulos et al. 2021, "Learn then test").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.proportions import beta_quantile

NEVER = 2.0  # a threshold that no probability reaches: never answer
_FIRST = 0.2  # least share of rows above the first threshold; with fewer, one error would end the search
_PLACES = 50  # most thresholds that are tested


@dataclass(frozen=True)
class Bound:
    """A score threshold that was chosen on labelled rows.

    Attributes:
        score: The least score at which the model may answer; NEVER if no threshold is certain enough.
        rows: Number of rows at or above the threshold.
        right: Number of these rows with a right answer; for `agreeing_bound`, with the same answer of both models.
    """

    score: float = NEVER
    rows: int = 0
    right: int = 0


def certain_bound(score: np.ndarray, right: np.ndarray, precision: float, confidence: float) -> Bound:
    """Return the lowest threshold at or above which the share of right rows certainly is at least `precision`.

    The probability of choosing a threshold whose true share is below `precision` is at most 1 - `confidence`, however
    the share of right rows changes with the score.

    Args:
        score: The model's confidence in each row's answer, float [n].
        right: True for rows whose answer is right, bool [n].
        precision: The share of right rows to reach, between 0 and 1, exclusive.
        confidence: How sure the result must be, such as 0.9.
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
    """Return the places at which `certain_bound` tests a threshold, as numbers of top-scored rows, ascending.

    With more rows, more of them may be wrong (`most_errors`). Each place is the least number of rows at which one more
    wrong row is allowed than at the place before; numbers between two places need no test. Places below a fifth of all
    rows are left out, and the last place is all rows. Of many places about 50 are kept.

    Args:
        size: Number of all rows.
        precision: The share of right rows to prove.
        level: Allowed probability of proving it wrongly.
    """
    most = most_errors(size, precision, level) if size else -1
    places = [_fewest_rows(wrong, size, precision, level) for wrong in _thinned(most)]
    return tuple(sorted({rows for rows in places if rows >= _FIRST * size} | ({size} if most >= 0 else set())))


def _thinned(most: int) -> list[int]:
    """Return numbers of wrong rows from 0 to `most`, evenly spaced, at most _PLACES of them."""
    step = max(1, -(-(most + 1) // _PLACES))
    return list(range(most % step, most + 1, step))


def _fewest_rows(wrong: int, size: int, precision: float, level: float) -> int:
    """Return the least number of rows that prove the precision although `wrong` of them are wrong; at most `size`.

    It is the inverse of `most_errors`.
    """
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if most_errors(middle, precision, level) >= wrong else (middle, high)
    return high


def agreeing_bound(score: np.ndarray, same: np.ndarray, agreement: float, confidence: float) -> Bound:
    """Return the lowest threshold at which a cascade of two models keeps enough of the large model's answers.

    Rows at or above the threshold get the small model's answer, the others the large model's. The share of *all* rows
    that thus get the answer of the large model must reach `agreement`. A lower threshold can only add rows with a
    different answer, so thresholds may be tested from the greatest score downwards, each at the full level, and the
    first one that fails ends the search (Bates et al. 2021, "Distribution-free, risk-controlling prediction sets",
    theorem 1). The probability that the true share is below `agreement` is at most 1 - `confidence`.

    Args:
        score: The small model's confidence, float [n].
        same: True for rows where both models give the same answer, bool [n].
        agreement: The share of all rows to reach, between 0 and 1, exclusive.
        confidence: How sure the result must be, such as 0.95.
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
    """Return how many of `rows` may be wrong so that the Clopper-Pearson lower bound still reaches `precision`.

    Args:
        rows: Number of rows.
        precision: The share of right rows to prove.
        level: Probability that the lower bound exceeds the true share, such as 0.1.

    Returns:
        The greatest number of wrong rows; -1 if even none would be too many.
    """
    return int(np.searchsorted(np.cumsum(_binomial(rows, 1 - precision)), level, side="right")) - 1


def curve(score: np.ndarray, right: np.ndarray, confidence: float, points: int = 50) -> np.ndarray:
    """Return the accuracy-coverage curve: the share of right rows among the rows with the greatest scores.

    Args:
        score: Confidence of each row, float [n].
        right: True for rows whose answer is right, bool [n].
        confidence: Probability inside each Clopper-Pearson interval, such as 0.9. It applies to each point by itself.
        points: Greatest number of points of the curve.

    Returns:
        float [points, 5], one row per threshold: the threshold; the share of all rows that are at or above it
        (coverage); the share of right rows among them (accuracy); the lower and the upper end of the accuracy's
        interval. [0, 5] without rows.
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
    """Return the exact confidence interval of shares (Clopper and Pearson 1934): lower and upper ends, float [n] each.

    Args:
        hits: Hits, [n].
        rows: Rows, each at least 1, [n].
        confidence: Probability inside the interval, such as 0.9.
    """
    tail = (1 - confidence) / 2
    low = np.where(hits > 0, beta_quantile(tail, np.maximum(hits, 1), rows - hits + 1), 0.0)
    high = np.where(hits < rows, beta_quantile(1 - tail, hits + 1, np.maximum(rows - hits, 1)), 1.0)
    return low, high


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve; nan without a positive or without a negative row.

    It is the probability that a positive row has a greater score than a negative one; ties count half.

    Args:
        score: float [n].
        positive: Mask of the positive rows, bool [n].
    """
    rank = _ranks(score)
    good = int(positive.sum())
    bad = len(positive) - good
    return float((rank[positive].sum() - good * (good + 1) / 2) / (good * bad)) if good and bad else float("nan")


def auroc_interval(score: np.ndarray, positive: np.ndarray, groups: np.ndarray) -> Interval:
    """Return `auroc` with its 95 % interval for rows that are correlated within groups; nan without both classes.

    The variance comes from the placement of each row among the rows of the opposite class (DeLong et al. 1988), summed
    by group (Obuchowski 1997).

    Args:
        score: float [n].
        positive: Mask of the positive rows, bool [n].
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
    """Return the rank of each row by ascending score, from 1, float [n]; tied rows share their mean rank."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)])


def _binomial(rows: int, chance: float) -> np.ndarray:
    """Return the binomial probabilities of 0 to `rows` hits, each with probability `chance`, float [rows + 1]."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows + 1)))])
    hits = np.arange(rows + 1)
    return np.asarray(
        np.exp(logs[rows] - logs - logs[::-1] + hits * np.log(chance) + (rows - hits) * np.log1p(-chance))
    )
