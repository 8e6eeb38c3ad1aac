"""Neutral labels for a language whose reviews state none: texts on which two models do not agree, or that say both.

The source of such reviews had to call every text negative or positive. Two models of different kinds are fitted on one
half of the texts and asked about the other half: the linear classifier on the encoder's vectors, and a naive Bayes of
characters. A text counts as neutral if the classifier is unsure of its side, and either it holds a word of contrast
(`contrast.yaml`) or the two models take different sides. These are weak labels: they teach the classifier where the
middle lies, and no figure is measured on them.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from shopbatch.capabilities.sentiment.head import NEGATIVE, POSITIVE
from shopbatch.capabilities.sentiment.pooled import Penalty, Rows, fit_pooled
from shopbatch.evaluation.baselines import CharacterBayes
from shopbatch.evaluation.calibration import softmax
from shopbatch.text.word_files import WordFile, read_words

UNSURE = 0.65  # a side whose probability is below this is unsure


class _Contrast(WordFile):
    languages: dict[str, list[str]]


@lru_cache(maxsize=1)
def _contrast() -> dict[str, re.Pattern[str]]:
    """For each language a pattern for its words of contrast."""
    words = read_words(_Contrast, "shopbatch.capabilities.sentiment", "contrast.yaml").languages
    return {name: re.compile("|".join(map(re.escape, some))) for name, some in words.items()}


def weak_neutral(
    language: str, texts: list[str], vectors: np.ndarray, label: np.ndarray, penalty: Penalty
) -> np.ndarray:
    """Say which texts of a language are taken for neutral, bool [n].

    Args:
        language: The language of all texts.
        texts: [n].
        vectors: float32 [n, dim].
        label: NEGATIVE or POSITIVE, [n].
        penalty: Of the classifier.
    """
    half = np.arange(len(label)) % 2
    side, other = np.empty(len(label)), np.empty(len(label), np.int64)
    for fold in (0, 1):
        fit, ask = np.flatnonzero(half != fold), np.flatnonzero(half == fold)
        target = (label[fit] == POSITIVE).astype(np.int64)
        rows = Rows(vectors[fit], target, np.full(len(fit), -1), np.ones(len(fit)), np.zeros((0, 2), bool))
        weights, bias = fit_pooled(rows, penalty)
        side[ask] = softmax(vectors[ask] @ weights[0] + bias[0])[:, 1]
        bayes = CharacterBayes.fit([texts[i] for i in fit], label[fit])
        other[ask] = bayes.predict([texts[i] for i in ask])
    contrast = _contrast().get(language)
    has_contrast = np.array([contrast is not None and contrast.search(text) is not None for text in texts])
    differ = np.where(side > 0.5, POSITIVE, NEGATIVE) != other
    return np.asarray((np.maximum(side, 1 - side) < UNSURE) & (has_contrast | differ), bool)
