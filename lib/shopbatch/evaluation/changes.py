"""Tests whether a share changed between two periods, and picks the significant changes among many.

`summarise_reviews` uses it to find products and categories whose reviews changed.
"""

from __future__ import annotations

import numpy as np

_FAR = 40.0  # standard deviations beyond which probabilities are negligible
_TIE = 1 + 1e-7  # tolerance for outcomes as probable as the observed one


def exact_p_values(hits: np.ndarray, rows: np.ndarray, hits_before: np.ndarray, rows_before: np.ndarray) -> np.ndarray:
    """Return Fisher's two-sided exact p-value of each group's change of share between two periods, float [n].

    Fisher's test (1935) never has more false alarms than its level says, also where counts are small.

    Args:
        hits: Hits per group in this period, [n].
        rows: Rows per group in this period, [n].
        hits_before: Hits per group in the period before, [n].
        rows_before: Rows per group in the period before, [n].
    """
    counts = np.column_stack([hits, rows, hits_before, rows_before]).astype(np.int64)
    if not len(counts):
        return np.empty(0)
    distinct, place = np.unique(counts, axis=0, return_inverse=True)
    values = np.array([_fisher(*map(int, row)) for row in distinct])
    return np.asarray(values[place.reshape(-1)])


def _fisher(hits: int, rows: int, hits_before: int, rows_before: int) -> float:
    """Return the two-sided p-value of one 2 x 2 table.

    The hypergeometric probabilities are computed from the ratios of neighbouring ones, which cannot overflow.
    """
    total, all_hits = rows + rows_before, hits + hits_before
    least, most = max(0, all_hits - rows_before), min(rows, all_hits)
    if least == most:
        return 1.0
    mean = rows * all_hits / total
    spread = np.sqrt(mean * (1 - all_hits / total) * rows_before / max(total - 1, 1))
    low = max(least, min(hits, int(mean - _FAR * spread) - 1))
    high = min(most, max(hits, int(mean + _FAR * spread) + 1))
    x = np.arange(low, high, dtype=np.float64)
    up = np.log(all_hits - x) + np.log(rows - x) - np.log(x + 1) - np.log(rows_before - all_hits + x + 1)
    logs = np.concatenate([[0.0], np.cumsum(up)])
    chances = np.exp(logs - logs.max())
    return min(1.0, float(chances[chances <= chances[hits - low] * _TIE].sum() / chances.sum()))


def discovery_threshold(p_values: np.ndarray, rate: float) -> float:
    """Return the largest p-value that counts as a discovery among many comparisons; 0 if none does.

    The method is that of Benjamini and Hochberg (1995): among the changes at or below the threshold, the expected share
    of false discoveries is at most `rate`; if nothing has changed at all, the probability of any discovery is at most
    `rate`. It holds for tests that are independent or positively dependent (Benjamini and Yekutieli 2001), as the tests
    of a product and of its category are.

    Args:
        p_values: The p-values of all comparisons that were made, float [n].
        rate: The accepted rate of false discoveries, such as 0.05.
    """
    ordered = np.sort(p_values)
    limits = rate * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    passing = np.flatnonzero(ordered <= limits)
    return float(ordered[passing[-1]]) if len(passing) else 0.0
