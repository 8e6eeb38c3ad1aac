"""Estimate how well a sentiment head works for shops that sell other products than those in the training data.

For each domain (a source of reviews, or a kind of product in it) a head is fitted without it and tested on it.
train_sentiment_head reports the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.config import HeadConfig
from shopbatch.capabilities.sentiment.evaluate import of_domain
from shopbatch.capabilities.sentiment.fit import fit
from shopbatch.capabilities.sentiment.head import NEUTRAL
from shopbatch.runs.report import Figure

LEAST = 100  # negative and positive texts, each, without which a domain is not tested


def leave_domains_out(examples: pa.Table, vectors: np.ndarray, config: HeadConfig) -> dict[str, dict[str, Any]]:
    """Return, for each language and domain, the quality on that domain of a head that was fitted without it.

    All examples of the domain (training, validation and test) are used for testing, since the head has seen none of
    them. The penalty is the middle one of `config.l2`, so that nothing is chosen by looking at the domain. Weak neutral
    labels are not used, since they say nothing about negative against positive.

    Args:
        examples: Columns text, label, language, domain, split.
        vectors: Vectors of the examples, float32 [n, dim].
        config: Settings of the fit.

    Returns:
        {language: {domain: result of `evaluate.of_domain`}}, without domains that have too few negative or positive
        texts; empty if there is only one domain.
    """
    label, language, domain = (examples[c].to_numpy(zero_copy_only=False) for c in ("label", "language", "domain"))
    fixed = config.model_copy(update={"l2": (config.l2[len(config.l2) // 2],), "weak_neutral": False})
    results: dict[str, dict[str, Any]] = {}
    for name in sorted(set(domain.tolist())):
        rest, out = np.flatnonzero(domain != name), np.flatnonzero(domain == name)
        asked = {n: out[language[out] == n] for n in sorted(set(language[out].tolist()))}
        asked = {n: rows for n, rows in asked.items() if _has_both_sides(label[rows])}
        if not asked or not _has_both_sides(label[rest]):
            continue
        head = fit(examples.take(pa.array(rest)), vectors[rest], fixed, "")
        for code, rows in asked.items():
            p = head.probabilities(vectors[rows], pa.repeat(code, len(rows)))
            results.setdefault(code, {})[name] = of_domain(label[rows], p, config.seed)
    return results


def picture(left_out: dict[str, dict[str, Any]]) -> Figure:
    """Return the report's figure: balanced accuracy on each left-out domain, with 95 % intervals.

    Args:
        left_out: The result of `leave_domains_out`.
    """
    panels = {
        language: {
            domain: [figures["balanced_accuracy"][end] for end in ("value", "low", "high")]
            for domain, figures in domains.items()
        }
        for language, domains in left_out.items()
    }
    caption = (
        "Balanced accuracy (negative, positive) on each source of reviews or kind of goods, of a head that was fitted "
        "without it: what a shop with other goods will see. Intervals of 95 %."
    )
    return Figure("intervals", "Domains left out of training", {"panels": panels}, caption)


def _has_both_sides(label: np.ndarray) -> bool:
    counts = np.bincount(label, minlength=3)
    return bool(np.delete(counts, NEUTRAL).min() >= LEAST)
