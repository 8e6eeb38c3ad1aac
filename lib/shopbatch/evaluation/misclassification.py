"""A share that a classifier counted, corrected for the errors that it is known to make."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from shopbatch.evaluation.prediction_powered import Shares

LEAST_SKILL = 0.2  # sensitivity + specificity - 1; with less the predictions say next to nothing


def skill(labelled: np.ndarray) -> np.ndarray:
    """Return sensitivity + specificity - 1 of each classifier, float [n]; 0 where one truth is not among the labels.

    Args:
        labelled: Labelled rows by truth and prediction, [n, 4], as for `corrected_shares`.
    """
    table = np.asarray(labelled, float)
    positive, negative = table[:, 0] + table[:, 1], table[:, 2] + table[:, 3]
    known = (positive > 0) & (negative > 0)
    value = table[:, 0] / np.maximum(positive, 1) + table[:, 3] / np.maximum(negative, 1) - 1
    return np.where(known, value, 0.0)


def corrected_shares(labelled: np.ndarray, hits: np.ndarray, rows: np.ndarray, level: float) -> Shares:
    """Estimate the share of rows that are truly positive from predictions alone, given how often these are wrong.

    The estimate is that of Rogan and Gladen (1978, American Journal of Epidemiology 107); the interval is that of Lang
    and Reiczigel (2014, "Confidence limits for prevalence of disease adjusted for estimated sensitivity and
    specificity", Preventive Veterinary Medicine 113), which counts the uncertainty of the predictions' share and of
    both error rates, and holds its level also where counts are small. Unlike prediction-powered inference it takes for
    granted that the classifier errs among these rows as often as among the labelled ones.

    Args:
        labelled: Labelled rows, of whatever origin, by truth and prediction, [n, 4]: both positive, truth positive and
            prediction negative, truth negative and prediction positive, both negative. Their `skill` is well above 0.
        hits: Rows with a positive prediction, [n].
        rows: Rows, [n], each at least 1.
        level: The probability that the interval holds the true share, such as 0.95.
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
