"""What a model has to beat must itself be right."""

from collections import Counter
from math import log

import numpy as np
import pytest

from shopbatch.evaluation.baselines import CharacterBayes, majority, vader


def test_majority_is_of_the_training_labels():
    assert majority(np.array([2, 0, 2]), 4).tolist() == [2, 2, 2, 2]


def test_character_bayes_is_the_text_book_formula():
    texts, labels = ["好书", "很好的书", "不好", "差", "很差的书"], np.array([2, 2, 0, 0, 0])
    asked = ["好", "差书", "", "很好", "的书"]
    pairs = {c: Counter() for c in (0, 2)}
    for text, label in zip(texts, labels.tolist(), strict=True):
        whole = f"\n{text}\n"
        pairs[label].update(whole[i : i + 2] for i in range(len(whole) - 1))
    wanted = []
    for text in asked:
        whole = f"\n{text}\n"
        scores = {}
        for label, counts in pairs.items():
            total = sum(counts.values()) + 2**18
            scores[label] = log((labels == label).mean()) + sum(
                log((counts[whole[i : i + 2]] + 1) / total) for i in range(len(whole) - 1)
            )
        wanted.append(max(scores, key=lambda label: scores[label]))
    assert CharacterBayes.fit(texts, labels).predict(asked).tolist() == wanted
    assert set(wanted) == {0, 2}


def test_character_bayes_reads_any_text():
    model = CharacterBayes.fit(["a\0b", "😀", "", "é"], np.array([0, 1, 0, 1]))
    assert model.predict(["😀😀", "a\0b"]).tolist() == [1, 0]
    assert model.predict([]).shape == (0,)


def test_vader_knows_good_from_bad():
    pytest.importorskip("vaderSentiment")
    assert vader(["I love it, great!", "Terrible, awful quality.", "It is a shirt."], 0, 2).tolist() == [2, 0, 0]


def test_without_the_package_there_is_no_such_baseline(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert vader(["good"], 0, 2) is None
