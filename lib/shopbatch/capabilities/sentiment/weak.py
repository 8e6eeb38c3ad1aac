"""Label undecided texts neutral, for a language whose reviews are all labelled negative or positive; used by `fit`.

Two models of different kinds are fitted on one half of the texts and applied to the other half: a linear classifier on
the encoder's vectors, and a naive Bayes of characters. A text becomes neutral if the linear classifier is unsure, and
either the text holds a word of contrast such as "but" (`contrast.yaml`) or the two models give different labels. These
are weak labels: they are used for training, and no metric is measured on them.
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

UNSURE = 0.65  # if neither label reaches this probability, the classifier is unsure


class _Contrast(WordFile):
    languages: dict[str, list[str]]


@lru_cache(maxsize=1)
def _contrast() -> dict[str, re.Pattern[str]]:
    """Return {language: pattern that matches its words of contrast, such as "but"}."""
    words = read_words(_Contrast, "shopbatch.capabilities.sentiment", "contrast.yaml").languages
    return {name: re.compile("|".join(map(re.escape, some))) for name, some in words.items()}


def weak_neutral(
    language: str, texts: list[str], vectors: np.ndarray, label: np.ndarray, penalty: Penalty
) -> np.ndarray:
    """Return a boolean mask [n]: True for the texts of one language that get a weak neutral label.

    Args:
        language: The language of all texts.
        texts: [n].
        vectors: Vectors of the texts, float32 [n, dim].
        label: The stated label, NEGATIVE or POSITIVE, [n].
        penalty: Penalties of the linear classifier.
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
