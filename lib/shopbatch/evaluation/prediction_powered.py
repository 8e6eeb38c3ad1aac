"""Prediction-powered inference: estimates a share from a classifier's predictions and a few true labels.

`summarise_reviews` uses it. The share of positive predictions is wrong by the classifier's errors, however many rows
there are, so a binomial interval around it is too narrow. Prediction-powered inference (Angelopoulos, Bates, Fannjiang,
Jordan and Zrnic 2023, "Prediction-powered inference", Science 382) takes the mean of the predictions and corrects it by
the mean error on labelled rows, so that the interval is valid for any classifier. With its power tuning (Angelopoulos,
Duchi and Zrnic 2023, "PPI++", arXiv:2311.01453) the predictions get a weight between 0 and 1, so that the interval is
never much wider than that of the labels alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.evaluation.proportions import student_quantile

_PSEUDO = 1.5  # labels added for the variance, spread over the four cells of truth and prediction
_LEAST_HITS = 0.75  # least number of hits in the variance of a share


@dataclass(frozen=True)
class Shares:
    """Estimated shares of several groups with their confidence intervals.

    Attributes:
        share: The estimates, float [n], 0 to 1.
        low: Lower ends of the intervals, float [n], 0 to 1.
        high: Upper ends of the intervals, float [n], 0 to 1.
    """

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def powered_shares(labelled: np.ndarray, hits: np.ndarray, rows: np.ndarray, level: float) -> Shares:
    """Estimate the share of truly positive rows of each group, from predictions for all rows and labels of some.

    The interval is Wilson's score interval with the quantile of Student's distribution. Its number of rows is the
    effective number of labels: as many as would give the plain share of labels the same variance as the estimate. The
    variances are computed with 1.5 more labels than there are, so that 50 labels without an error do not stand for a
    classifier without errors.

    Args:
        labelled: Counts of labelled rows, [n, 4]: truth and prediction positive; truth positive, prediction negative;
            truth negative, prediction positive; both negative. They are a random sample of the rows; at least 2 per
            group.
        hits: Number of rows with a positive prediction, labelled rows included, [n].
        rows: Number of rows, labelled rows included, [n].
        level: Probability that the interval holds the true share, such as 0.95.
    """
    table, total = np.asarray(labelled, float), np.asarray(rows, float)
    n = table.sum(axis=1)
    others = total - n
    other_hits = np.asarray(hits, float) - table[:, 0] - table[:, 2]
    padded = table + _PSEUDO / 4
    p = padded / padded.sum(axis=1, keepdims=True)
    truth, predicted = p[:, 0] + p[:, 1], p[:, 0] + p[:, 2]
    var_truth, var_predicted, covariance = truth * (1 - truth), predicted * (1 - predicted), p[:, 0] - truth * predicted
    has_others, many = others > 0, np.maximum(others, 1)
    rate = (np.maximum(other_hits, 0) + 0.5) / (many + 1)
    var_rate = rate * (1 - rate)
    weight = np.where(has_others, np.clip(covariance / (var_predicted + n / many * var_rate), 0, 1), 0)
    gain = np.where(has_others, other_hits / many - (table[:, 0] + table[:, 2]) / n, 0)
    share = np.clip((table[:, 0] + table[:, 1]) / n + weight * gain, 0, 1)
    variance = (var_truth - 2 * weight * covariance + weight**2 * var_predicted) / n
    variance = variance + np.where(has_others, weight**2 * var_rate / many, 0)
    least = _LEAST_HITS / (n + 2 * _LEAST_HITS)
    steady = np.clip(share, least, 1 - least)
    low, high = _score(share, steady * (1 - steady) / variance, student_quantile((1 + level) / 2, n - 1))
    return Shares(share, low, high)


def _score(share: np.ndarray, rows: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper ends of Wilson's score interval, float [n] each.

    `rows` is the number of rows behind each share, which need not be whole; `z` is the quantile.
    """
    whole = 1 + z * z / rows
    middle = (share + z * z / (2 * rows)) / whole
    wide = z * np.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2) / whole
    return np.clip(np.minimum(middle - wide, share), 0, 1), np.clip(np.maximum(middle + wide, share), 0, 1)
