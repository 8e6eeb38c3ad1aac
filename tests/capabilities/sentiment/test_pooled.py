"""One head for all languages: what they share answers where one has no rows, and weak labels fill a missing class."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.bias.probe import NEUTRAL as NEUTRAL_FRAME
from shopbatch.capabilities.sentiment.bias.probe import Probe
from shopbatch.capabilities.sentiment.bias.steady import with_neutral_copies
from shopbatch.capabilities.sentiment.config import HeadConfig
from shopbatch.capabilities.sentiment.evaluate import evaluate
from shopbatch.capabilities.sentiment.examples import COPIES, OTHER
from shopbatch.capabilities.sentiment.fit import fit
from shopbatch.capabilities.sentiment.left_out import leave_domains_out
from shopbatch.capabilities.sentiment.pooled import Penalty, Rows, balanced_weights, fit_pooled
from shopbatch.capabilities.sentiment.weak import weak_neutral
from shopbatch.evaluation.calibration import softmax

DIM = 16
QUICK = HeadConfig(l2=(0.01,), language_l2=0.1, steps=40)


def vectors_of(label: np.ndarray, own: int, seed: int, strength: float = 2.0) -> np.ndarray:
    """Vectors whose first number tells the label in all languages and domains, and number `own` in this one."""
    vectors = np.random.default_rng(seed).normal(size=(len(label), DIM))
    vectors[:, 0] += strength * (label - 1)
    vectors[:, own] += 2 * strength * (label - 1)
    return vectors.astype(np.float32)


def table_of(label: np.ndarray, language: str, domain: str, texts: list[str] | None = None) -> pa.Table:
    rows = len(label)
    split = np.array(["train", "train", "val", "test"])[np.arange(rows) % 4]
    texts = texts or [f"{domain} {language} {i}" for i in range(rows)]
    columns = {"text": texts, "label": pa.array(label, pa.int8()), "language": [language] * rows}
    return pa.table(columns | {"domain": [domain] * rows, "split": split})


def labels(rows: int, classes: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(classes, rows)


def two_languages(rows: int = 1200) -> tuple[pa.Table, np.ndarray]:
    en, zh = labels(rows, (0, 1, 2), 1), labels(rows, (0, 2), 2)
    both = pa.concat_tables([table_of(en, "en", "coats"), table_of(zh, "zh", "books")])
    return both, np.concatenate([vectors_of(en, 1, 3), vectors_of(zh, 2, 4)])


def sides_told(head, vectors: np.ndarray, language: str, label: np.ndarray) -> float:
    p = head.probabilities(vectors, pa.repeat(language, len(label)))
    sure = label != 1
    return float(((p[:, 2] > p[:, 0]) == (label == 2))[sure].mean())


def test_a_language_without_rows_is_answered_for_by_what_the_others_share() -> None:
    examples, vectors = two_languages()
    head = fit(examples, vectors, QUICK, "")
    assert head.languages == ("other", "en", "zh")
    german = labels(600, (0, 2), 5)
    asked = vectors_of(german, 3, 6)
    shared = sides_told(head, asked, "de", german)
    alone = max(sides_told(head, asked, name, german) for name in ("en", "zh"))
    assert shared > 0.9 and shared >= alone - 0.005
    english = labels(600, (0, 2), 7)
    at_home = vectors_of(english, 1, 8)
    assert sides_told(head, at_home, "en", english) >= sides_told(head, at_home, "de", english)


def test_who_answers_for_other_languages_does_not_depend_on_which_language_a_row_is_of() -> None:
    """The bias of what languages share is free where each has one of its own: it must not become a classifier's."""
    examples, vectors = two_languages()
    shares = np.random.default_rng(9).random(len(vectors)) < np.where(examples["label"].to_numpy() == 0, 0.15, 1.0)
    examples, vectors = examples.filter(pa.array(shares)), vectors[shares]  # few are negative
    nobodys = examples.set_column(2, "language", pa.array([OTHER] * len(examples)))
    german = labels(600, (0, 2), 5)
    asked, language = vectors_of(german, 3, 6), pa.repeat("de", 600)
    told = [fit(each, vectors, QUICK, "").probabilities(asked, language) for each in (examples, nobodys)]
    sides = [each[:, 2] > each[:, 0] for each in told]
    assert (sides[0] == sides[1]).mean() > 0.97


def test_copies_of_neutral_sentences_do_not_stand_for_a_languages_neutral_reviews() -> None:
    examples, vectors = two_languages()
    probe = Probe("zh", tuple((NEUTRAL_FRAME, f"frame {n} {{one}}") for n in range(4)), (("group", "one", "many"),) * 9)
    copies = np.random.default_rng(3).normal(0, 0.1, (36, DIM)).astype(np.float32)
    for kind in (pa.string(), pa.large_string()):
        kept = examples.set_column(3, "domain", examples["domain"].cast(kind))
        rows, every = with_neutral_copies(kept, vectors, [probe], copies)
        assert rows["domain"].to_pylist()[len(examples) :] == [COPIES] * 36
        weak, plain = (fit(rows, every, QUICK.model_copy(update={"weak_neutral": w}), "") for w in (True, False))
        assert not np.allclose(weak.weights[2], plain.weights[2]), "weak labels are taught all the same"


def test_deviations_vanish_under_a_great_penalty_and_are_free_under_none() -> None:
    examples, vectors = two_languages()
    label = examples["label"].to_numpy().astype(np.int64)
    group = (examples["language"].to_numpy(zero_copy_only=False) == "zh").astype(np.int64)
    rows = Rows(vectors, label, group, np.ones(len(label)), np.zeros((2, 3), bool))
    tied, _ = fit_pooled(rows, Penalty(0.01, 1e4, 60))
    np.testing.assert_allclose(tied[1], tied[0], atol=1e-3)
    free, _ = fit_pooled(rows, Penalty(1e4, 0.01, 60))
    assert np.abs(free[0]).max() < 1e-3 and np.abs(free[1] - free[2]).max() > 0.3


def test_class_weights_keep_a_cells_weight_and_make_its_classes_more_equal() -> None:
    label, cell = np.array([0] * 10 + [2] * 90 + [0] * 50 + [2] * 50), np.array(["a"] * 100 + ["b"] * 100)
    for power, share in ((0.0, 0.1), (0.5, 0.25), (1.0, 0.5)):
        weight = balanced_weights(label, cell, power)
        assert weight[:100].sum() == pytest.approx(100) and weight[:10].sum() / 100 == pytest.approx(share)
        assert weight[100:] == pytest.approx(1)


def test_a_language_without_neutral_labels_gets_them_where_models_are_unsure_and_texts_say_both() -> None:
    rows = 1200
    english, chinese = labels(rows, (0, 1, 2), 1), labels(rows, (0, 2), 2)
    mixed = np.arange(rows) % 10 == 9
    words = np.where(mixed, "不错，但是有点贵", np.where(chinese > 0, "很好", "很差"))
    texts = [f"{word} {i}" for i, word in enumerate(words)]
    vectors = vectors_of(np.where(mixed, 1, chinese), 2, 4)
    unsure = weak_neutral("zh", texts, vectors, chinese, Penalty(0.01, 1.0, 40))
    assert unsure[mixed].mean() > 0.3 and unsure[~mixed].mean() < 0.02
    examples = pa.concat_tables([table_of(english, "en", "coats"), table_of(chinese, "zh", "books", texts)])
    all_vectors = np.concatenate([vectors_of(english, 1, 3), vectors])
    for asked in (True, False):
        head = fit(examples, all_vectors, QUICK.model_copy(update={"weak_neutral": asked}), "")
        p = head.probabilities(vectors, pa.repeat("zh", rows))[:, 1]
        assert p[mixed].mean() > 3 * p[~mixed].mean()
        quality = evaluate(head, examples, all_vectors, 0)["zh"]
        assert quality["ece"]["value"] < 0.1  # of the two sides, since no text is labelled neutral


def test_a_domain_left_out_teaches_nothing() -> None:
    tables, vectors = [], []
    for number, domain in enumerate(("coats", "books", "phones")):
        label = labels(900, (0, 1, 2), number)
        tables.append(table_of(label, "en", domain))
        vectors.append(vectors_of(label, 3 + number, 10 + number))
    examples, stacked = pa.concat_tables(tables), np.concatenate(vectors)
    found = leave_domains_out(examples, stacked, QUICK)
    assert set(found) == {"en"} and set(found["en"]) == {"coats", "books", "phones"}
    inside = evaluate(fit(examples, stacked, QUICK, ""), examples, stacked, 0)["en"]["domains"]
    for domain, figures in found["en"].items():
        assert figures["test_rows"] == 900  # all of its texts are unseen
        assert 0.8 < figures["balanced_accuracy"]["value"] < inside[domain]["balanced_accuracy"]["value"]
    label = examples["label"].to_numpy()
    is_coat = examples["domain"].to_numpy(zero_copy_only=False) == "coats"
    turned = examples.set_column(1, "label", pa.array(np.where(is_coat, 2 - label, label), pa.int8()))
    again = leave_domains_out(turned, stacked, QUICK)["en"]["coats"]["accuracy"]["value"]
    assert again == pytest.approx(1 - found["en"]["coats"]["accuracy"]["value"], abs=1e-4)
    assert leave_domains_out(examples.filter(pa.array(is_coat)), stacked[is_coat], QUICK) == {}


def test_the_shared_probabilities_are_those_of_a_plain_regression_if_there_is_one_group() -> None:
    label = labels(2000, (0, 1, 2), 1)
    vectors = vectors_of(label, 1, 2)
    rows = Rows(vectors, label, np.full(2000, -1), np.ones(2000), np.zeros((0, 3), bool))
    weights, bias = fit_pooled(rows, Penalty(1e-5, 1.0, 200))
    p = softmax(vectors @ weights[0] + bias[0])
    # the first-order condition of a regression without penalty: predicted and stated shares are equal
    np.testing.assert_allclose(p.mean(axis=0), np.bincount(label) / 2000, atol=2e-3)
    np.testing.assert_allclose(vectors.T @ (p - np.eye(3)[label]) / 2000, 0, atol=5e-3)
