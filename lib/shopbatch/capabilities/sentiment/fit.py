"""Fit a calibrated sentiment head to labelled examples and their vectors.

Each language with enough examples gets a multinomial logistic regression, drawn towards the weights that all languages
share (see `pooled`), with shifts and a temperature fitted on the validation examples. All other languages use one
classifier that is fitted to the examples of all languages together. Equal examples and vectors give equal heads.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.calibrate import FEW, Known, calibrate
from shopbatch.capabilities.sentiment.config import HeadConfig
from shopbatch.capabilities.sentiment.examples import COPIES, OTHER
from shopbatch.capabilities.sentiment.head import LABELS, NEGATIVE, NEUTRAL, POSITIVE, SentimentHead
from shopbatch.capabilities.sentiment.pooled import Penalty, Rows, balanced_weights, fit_pooled
from shopbatch.capabilities.sentiment.weak import weak_neutral


def fit(examples: pa.Table, vectors: np.ndarray, config: HeadConfig, encoder: str) -> SentimentHead:
    """Fit a head: a classifier that all languages share, and one for each language with examples of its own.

    Of the penalties `config.l2` the one with the lowest log loss on the validation examples is used.

    Args:
        examples: Columns text, label, language, domain and split (see `examples.choose`).
        vectors: Vectors of the examples, float32 [n, dim].
        config: Settings of the fit.
        encoder: Reference of the encoder that made the vectors.

    Raises:
        ValueError: `config.l2` is empty.
    """
    label, language, domain, split = (
        examples[c].to_numpy(zero_copy_only=False) for c in ("label", "language", "domain", "split")
    )
    languages = tuple(sorted(set(language.tolist()) - {OTHER}, key=lambda name: (name != "en", name)))
    group = np.array([languages.index(n) if n != OTHER else -1 for n in language.tolist()], np.int64)
    stated, taught = label.astype(np.int64), label.astype(np.int64)
    train, val = split == "train", split == "val"
    review = domain != COPIES
    for code in _without_neutral(stated, group, train & review, len(languages)) if config.weak_neutral else ():
        rows = np.flatnonzero((group == code) & (train | val) & review)
        texts = examples["text"].take(pa.array(rows)).to_pylist()
        penalty = Penalty(config.l2[len(config.l2) // 2], 1.0, config.steps)
        unsure = weak_neutral(languages[code], texts, vectors[rows], stated[rows], penalty)
        taught[rows[unsure]] = NEUTRAL
    cell = np.char.add(np.char.add(language.astype(str), "/"), domain.astype(str))[train]
    present = np.zeros((len(languages), len(LABELS)), bool)
    np.logical_or.at(present, (group[train & (group >= 0)], taught[train & (group >= 0)]), True)
    weight = balanced_weights(taught[train], cell, config.class_balance)
    fitted = Rows(vectors[train], taught[train], group[train], weight, ~present & present.any(axis=0))
    known = Known(stated, taught, group, val if val.sum() >= FEW else train)
    best, kept = float("inf"), None
    for l2 in config.l2:
        penalty = Penalty(l2, config.language_l2, config.steps)
        weights, bias = fit_pooled(fitted, penalty)
        weights[:1], bias[:1] = fit_pooled(fitted.together(), penalty)
        bias, temperatures, loss = calibrate(weights, bias, vectors, known)
        if loss < best:
            best, kept = loss, (weights, bias, temperatures)
    if kept is None:
        raise ValueError("head.l2 names no penalty")
    arrays = [np.asarray(x, np.float32) for x in kept]
    return SentimentHead((OTHER, *languages), arrays[0], arrays[1], arrays[2], encoder)


def _without_neutral(label: np.ndarray, group: np.ndarray, train: np.ndarray, groups: int) -> list[int]:
    """Return the indices of the languages whose training examples are only negative and positive.

    The result is empty if no language has neutral examples, because then the head needs none.

    Args:
        label: The label of each example, int64 [n].
        group: Index of each example's language, int64 [n].
        train: Mask of the training examples, bool [n].
        groups: Number of languages.
    """
    counts = [np.bincount(label[train & (group == g)], minlength=len(LABELS)) for g in range(groups)]
    if not any(c[NEUTRAL] for c in counts):
        return []
    return [g for g, c in enumerate(counts) if not c[NEUTRAL] and c[NEGATIVE] and c[POSITIVE]]
