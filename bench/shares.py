"""Check the 95 % intervals of shares that a classifier estimates, and the false alarms of the merchant's page.

A share is, for example, the share of a product's reviews that complain about the fit; a classifier with errors counts
them. The module simulates several classifiers with known errors, and counts how often each of four kinds of interval
contains the true share. It also simulates pages of summarise_reviews on which nothing has changed, and counts how many
nevertheless show an alarm.

    python -m bench.shares [DRAWS] [PAGES]    prints, for several classifiers, coverage and mean width of the four kinds
                                              of interval, then the share of pages with a false alarm
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from bench.side_by_side import benchmark

from shopbatch.evaluation.changes import discovery_threshold, exact_p_values
from shopbatch.evaluation.misclassification import corrected_shares
from shopbatch.evaluation.prediction_powered import powered_shares
from shopbatch.evaluation.proportions import score_interval

DRAWS, PAGES = 20_000, 2_000
REGIMES = {  # true share, sensitivity, false positives, labels, rows
    "common": (0.3, 0.85, 0.08, 100, 2_000),
    "rare": (0.05, 0.8, 0.05, 150, 5_000),
    "rare, few labels": (0.03, 0.9, 0.03, 50, 3_000),
    "biased classifier": (0.3, 0.6, 0.25, 100, 5_000),
    "useless classifier": (0.4, 0.5, 0.5, 80, 5_000),
    "few labels": (0.4, 0.8, 0.1, 50, 1_000),
    "good classifier, few labels": (0.3, 0.9, 0.03, 50, 3_000),
    "mostly negative": (0.9, 0.85, 0.2, 100, 2_000),
    "many labels": (0.3, 0.8, 0.1, 1_000, 50_000),
}


def coverage(draws: int) -> None:
    """Print a line per classifier of REGIMES: coverage and (in brackets) mean width of four kinds of interval.

    Args:
        draws: Number of simulated samples for each classifier.
    """
    draw = np.random.default_rng(0)
    print(f"{'classifier':28} {'raw counts':>14} {'labels alone':>14} {'powered':>14} {'corrected':>14}")
    for name, (true, sensitivity, false, labels, rows) in REGIMES.items():
        cells = [true * sensitivity, true * (1 - sensitivity), (1 - true) * false, (1 - true) * (1 - false)]
        table = draw.multinomial(labels, cells, draws)
        hits = table[:, 0] + table[:, 2] + draw.binomial(rows - labels, cells[0] + cells[2], draws)
        every = np.full(draws, rows)
        powered, corrected = powered_shares(table, hits, every, 0.95), corrected_shares(table, hits, every, 0.95)
        ends = (
            score_interval(hits, every, 0.95),
            score_interval(table[:, 0] + table[:, 1], np.full(draws, labels), 0.95),
            (powered.low, powered.high),
            (corrected.low, corrected.high),
        )
        told = [f"{((low <= true) & (true <= high)).mean():.3f} ({(high - low).mean():.3f})" for low, high in ends]
        print(f"{name:28} {' '.join(f'{cell:>14}' for cell in told)}")


def alarms(pages: int) -> None:
    """Print the share of simulated pages without any change that nevertheless show an alarm.

    A page has 40 products with 6 aspects each, and the sums of each aspect over the products.

    Args:
        pages: Number of pages to simulate.
    """
    draw, alarmed = np.random.default_rng(1), 0
    for _ in range(pages):
        share = draw.beta(2, 6, (40, 6))
        rows, before = draw.poisson(18, (2, 40, 6)) + 1
        x, y = draw.binomial(rows, share), draw.binomial(before, share)
        counts = [np.concatenate([c.ravel(), c.sum(axis=0)]) for c in (x, rows, y, before)]
        alarmed += discovery_threshold(exact_p_values(*counts), 0.05) > 0
    print(f"pages without a change: {alarmed} of {pages} have an alarm ({alarmed / pages:.1%})")


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Print the coverage of the intervals and the share of pages with false alarms."""
    draws, pages = [*map(int, argv or ()), *(DRAWS, PAGES)[len(argv or ()) :]]
    coverage(draws)
    alarms(pages)


if __name__ == "__main__":
    main(sys.argv[1:])
