"""Corrects a share that was counted with a classifier for the classifier's known error rates.

`summarise_reviews` uses it for groups of reviews with too few labels of their own.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from shopbatch.evaluation.prediction_powered import Shares

LEAST_SKILL = 0.2  # least sensitivity + specificity - 1 of useful predictions


def skill(labelled: np.ndarray) -> np.ndarray:
    """Return sensitivity + specificity - 1 of each classifier (Youden's index), float [n].

    It is 0 where the labelled rows lack positives or negatives.

    Args:
        labelled: Counts of labelled rows by truth and prediction, [n, 4], as for `corrected_shares`.
    """
    table = np.asarray(labelled, float)
    positive, negative = table[:, 0] + table[:, 1], table[:, 2] + table[:, 3]
    known = (positive > 0) & (negative > 0)
    value = table[:, 0] / np.maximum(positive, 1) + table[:, 3] / np.maximum(negative, 1) - 1
    return np.where(known, value, 0.0)


def corrected_shares(labelled: np.ndarray, hits: np.ndarray, rows: np.ndarray, level: float) -> Shares:
    """Estimate the share of rows that are truly positive from a classifier's predictions and its known error rates.

    The estimate is that of Rogan and Gladen (1978, American Journal of Epidemiology 107). The interval is that of Lang
    and Reiczigel (2014, "Confidence limits for prevalence of disease adjusted for estimated sensitivity and
    specificity", Preventive Veterinary Medicine 113): it includes the uncertainty of the predicted share and of both
    error rates, and reaches its nominal coverage also where counts are small. Unlike prediction-powered inference it
    assumes that the classifier errs among these rows as often as among the labelled ones.

    Args:
        labelled: Counts of labelled rows from any source, [n, 4]: truth and prediction positive; truth positive,
            prediction negative; truth negative, prediction positive; both negative. Their `skill` should be well above
            0.
        hits: Number of rows with a positive prediction, [n].
        rows: Number of rows, [n], each at least 1.
        level: Probability that the interval contains the true share, such as 0.95.
    """
    table, x, n = np.asarray(labelled, float), np.asarray(hits, float), np.asarray(rows, float)
    z = NormalDist().inv_cdf((1 + level) / 2)
    positive, negative = table[:, 0] + table[:, 1], table[:, 2] + table[:, 3]
    gain = np.maximum(skill(table), 1e-6)
    share = np.clip((x / n + table[:, 3] / np.maximum(negative, 1) - 1) / gain, 0, 1)
    p = (x + z * z / 2) / (n + z * z)
    sensitivity, specificity = (table[:, 0] + 1) / (positive + 2), (table[:, 3] + 1) / (negative + 2)
    scale = np.maximum(sensitivity + specificity - 1, 1e-6)
    centre = (p + specificity - 1) / scale
    miss = sensitivity * (1 - sensitivity) / (positive + 2)
    alarm = specificity * (1 - specificity) / (negative + 2)
    shift = 2 * z * z * (centre * miss - (1 - centre) * alarm)
    wide = z / scale * np.sqrt(p * (1 - p) / (n + z * z) + centre**2 * miss + (1 - centre) ** 2 * alarm)
    low, high = np.clip(centre + shift - wide, 0, 1), np.clip(centre + shift + wide, 0, 1)
    return Shares(share, np.minimum(low, share), np.maximum(high, share))
