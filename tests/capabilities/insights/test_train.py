"""Learning what clauses are about: from lexicons and from people, judged on what was not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.insights.config import AspectExamplesConfig, AspectFitConfig, TrainAspectsConfig
from shopbatch.capabilities.insights.taxonomy import find
from shopbatch.capabilities.insights.train import judge
from shopbatch.capabilities.insights.train.errors import unseen_errors
from shopbatch.capabilities.insights.train.examples import (
    UNKNOWN,
    Sentences,
    WeakClauses,
    candidates,
    kind_of,
    read_sentences,
)
from shopbatch.capabilities.insights.train.fit import Labelled, Weak, fit_aspects, fit_classes, folds_of
from shopbatch.capabilities.insights.train.fit_all import fit_all
from shopbatch.capabilities.insights.train.learn import learn, sentence_hits
from shopbatch.capabilities.insights.train.measure import Judged, f1, gain, macro_f1, macro_interval
from shopbatch.engines.configs import FakeConfig
from shopbatch.evaluation.classification import Interval
from shopbatch.tables.review_aspects import ASPECT_LABELS

DIM, ASPECTS = 6, 2
FIT = AspectFitConfig(l2=(0.01,), label_weight=(10.0,), steps=40)
CONFIG = TrainAspectsConfig(engine=FakeConfig(), fit=FIT, examples=AspectExamplesConfig())


def world(sentences: int, blind: float, seed: int = 0) -> tuple[Weak, Labelled]:
    """Clauses whose first numbers say what they are about; the lexicon misses a share of the mentions."""
    random = np.random.default_rng(seed)

    def clauses(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        about = random.random((count, ASPECTS)) < 0.3
        vectors = random.normal(size=(count, DIM)).astype(np.float32)
        vectors[:, :ASPECTS] += 4 * about
        return vectors, about, about & (random.random(about.shape) > blind)

    vectors, _, hits = clauses(400)
    parts, about, found = clauses(2 * sentences)
    owner = np.repeat(np.arange(sentences), 2)
    truth = about.reshape(sentences, 2, ASPECTS).any(axis=1)
    return Weak(vectors, hits, np.ones(400)), Labelled(parts, owner, found, truth, np.arange(sentences) // 2)


def test_a_sentence_teaches_which_of_its_clauses_is_about_the_aspect() -> None:
    _, labelled = world(150, 0.0)
    nothing = Weak(np.empty((0, DIM), np.float32), np.empty((0, ASPECTS), bool), np.empty(0))
    linear = fit_aspects(nothing, labelled, 1.0, 0.003, 60)
    vectors, about = np.zeros((3, DIM), np.float32), np.zeros((3, ASPECTS), bool)
    vectors[1, 0], vectors[2, 1], about[1, 0], about[2, 1] = 4, 4, True, True
    assert ((linear.logits(vectors) > 0) == about).all()


def test_people_s_labels_find_what_the_lexicon_misses() -> None:
    weak, labelled = world(200, 0.5)
    learnt = learn(weak, labelled, FIT, seed=0)
    again = learn(weak, labelled, FIT, seed=0)
    assert (learnt.held_out == again.held_out).all() and (learnt.linear.weights == again.linear.weights).all()
    judged = {"x": Judged(("a", "b"), labelled.truth, learnt.held_out > judge.CUT, labelled.groups)}
    difference = gain(judged, {"x": sentence_hits(labelled)}, 0)
    assert macro_f1(judged) > 0.9 and difference.low > 0.1
    weights, bias, bonus = learnt.arrays()
    assert weights.shape == (ASPECTS, DIM) and bias.shape == bonus.shape == (ASPECTS,)


def test_held_out_logits_know_nothing_of_the_sentence() -> None:
    """Labels that nothing explains cannot be predicted, however well they are learnt by heart."""
    weak, labelled = world(120, 0.5)
    random = np.random.default_rng(5).random(labelled.truth.shape) < 0.5
    blind = Labelled(labelled.vectors, labelled.owner, np.zeros_like(labelled.hits), random, labelled.groups)
    learnt = learn(weak, blind, AspectFitConfig(l2=(1e-6,), label_weight=(100.0,), steps=60), seed=0)
    assert abs(((learnt.held_out > 0) == random).mean() - 0.5) < 0.12


def test_folds_keep_a_group_together() -> None:
    groups = np.repeat(np.arange(40), 3)
    folds = folds_of(groups, 5, 1)
    assert all(len(set(folds[groups == g])) == 1 for g in range(40)) and set(folds) == set(range(5))


def test_classes_are_told_apart() -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 3, 300)
    vectors = (random.normal(size=(300, 4)) + 3 * np.eye(3, 4)[label]).astype(np.float32)
    linear = fit_classes(vectors, label, np.ones(300), 3, (0.001, 60))
    assert (linear.logits(vectors).argmax(axis=1) == label).mean() > 0.95


def test_f1_and_its_interval_against_counting_by_hand() -> None:
    truth = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [1, 0], [0, 1]] * 2, bool)
    predicted = np.array([[1, 0], [1, 0], [1, 0], [0, 0], [1, 1], [1, 0]] * 2, bool)
    judged = Judged(("a", "b"), truth, predicted, np.arange(12))
    assert f1(judged.counts().sum(axis=0)).tolist() == [pytest.approx(2 * 8 / (10 + 10)), 0.0]
    assert judged.counted.tolist() == [True, False]  # two labels do not count in the mean
    interval = macro_interval({"x": judged}, 0)
    assert interval.value == pytest.approx(0.8) and 0.4 < interval.low < 0.8 < interval.high <= 1
    same = gain({"x": judged}, {"x": predicted}, 0)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def quality(labels: int, low: float, high: float) -> judge.Quality:
    judged = Judged(("a",), np.ones((labels, 1), bool), np.ones((labels, 1), bool), np.arange(labels))
    middle = (low + high) / 2
    return judge.Quality(
        {"hotels": judged}, {}, Interval(0.7, 0.6, 0.8), Interval(middle, low, high), [(50, 0.6), (100, 0.65)]
    )


@pytest.mark.parametrize(
    ("labels", "low", "high", "unjudged", "passed"),
    [
        (200, 0.01, 0.1, False, True),
        (200, -0.01, 0.1, False, False),
        (200, -0.01, 0.1, True, True),
        (200, -0.2, -0.1, True, False),
        (20, 0.01, 0.1, False, False),
        (20, float("nan"), float("nan"), True, True),
    ],
)
def test_gates(labels: int, low: float, high: float, unjudged: bool, passed: bool) -> None:
    config = CONFIG.model_copy(update={"gates": CONFIG.gates.model_copy(update={"unjudged": unjudged})})
    gates = judge.gates(quality(labels, low, high), config)
    assert all(gate.passed for gate in gates) == passed
    if not passed:
        why = next(gate.detail for gate in gates if not gate.passed)
        assert "shopbatch label" in why
    assert quality(labels, low, high).doubling == pytest.approx(0.05)
    assert judge.live_gate(0.7, 0.705, config, "x").passed and not judge.live_gate(0.7, 0.72, config, "x").passed


def test_examples_are_read_as_they_are_stated() -> None:
    batch = pa.table(
        {
            "review_id": ["1", "2", "3", "4"],
            "title": pa.array([None, "Bad", None, None], pa.string()),
            "text": ["Nice dress", "It tore", "  ", "a" * 30_000],
            "rating": pa.array([5, None, 1, 1], pa.int8()),
            "label": pa.array([None, "negative", None, None], pa.string()),
        }
    )
    rows = candidates(batch)
    assert rows["review_id"].to_pylist() == ["1", "2"] and rows["polarity"].to_pylist() == [2, 0]
    assert candidates(batch, 0.0).num_rows == 0
    kinds = [find(name)[1] for name in ("clothing", "hotels")]
    assert [
        kind_of(t, kinds) for t in ("酒店房间很大，前台好", "a dress that fits, nice fabric", "good", "酒店 dress")
    ] == [1, 0, -1, -1]


def test_labels_become_sentences_of_their_taxonomy() -> None:
    rows = [
        {"sentence_id": "b", "aspect": "room", "text": "房间小，早餐好", "taxonomy": "hotels", "polarity": "negative"},
        {"sentence_id": "b", "aspect": "food", "text": "房间小，早餐好", "taxonomy": "hotels", "polarity": None},
        {"sentence_id": "a", "aspect": "other", "text": "'-全家出游", "taxonomy": "hotels", "review_id": "r1"},
        {"sentence_id": "c", "aspect": "size_fit", "text": "small", "taxonomy": "clothing"},
        {"sentence_id": "d", "aspect": "unknown", "text": "x", "taxonomy": "hotels"},
        {"sentence_id": "e", "aspect": "room", "text": "。", "taxonomy": "hotels"},
    ]
    hotels = read_sentences(pa.Table.from_pylist(rows, ASPECT_LABELS.schema()), dict([find("hotels")]))["hotels"]
    assert hotels.ids == ["a", "b"] and hotels.texts[0] == "-全家出游"
    names = find("hotels")[1].names
    assert hotels.truth.tolist() == [[False] * 8, [n in ("room", "food") for n in names]]
    assert hotels.polarity[1, names.index("room")] == 0 and hotels.polarity[1, names.index("food")] == -1


def test_errors_are_those_of_classifiers_that_did_not_see_the_sentence() -> None:
    """Polarities that nothing explains are predicted by chance, however well they are learnt by heart."""
    random, dim = np.random.default_rng(7), 60
    taxonomy = dict([find("clothing")])
    names, texts = taxonomy["clothing"].names, [f"the size and fit number {n} here" for n in range(150)]
    truth = np.zeros((150, len(names)), bool)
    truth[:130, names.index("size_fit")] = True
    polarity = np.where(truth, random.choice([0, 2], truth.shape), UNKNOWN)
    polarity[120:130] = UNKNOWN  # mixed
    sentences = Sentences([str(n) for n in range(150)], texts, truth, polarity, np.arange(150))
    clauses = WeakClauses(
        [*texts[:60], *(f"it came on day {n}" for n in range(60))],
        [str(n) for n in range(120)],
        np.zeros(120, np.int64),
        np.full(120, UNKNOWN),
    )
    known: dict[str, np.ndarray] = {}

    def encode(wanted: Sequence[str]) -> np.ndarray:
        rows = [known.setdefault(text, random.normal(size=dim).astype(np.float32)) for text in wanted]
        return np.asarray(rows, np.float32).reshape(-1, dim)

    fit = AspectFitConfig(l2=(1e-6,), label_weight=(3.0,), polarity_weight=(100.0,), steps=60)
    config = CONFIG.model_copy(update={"fit": fit})
    fitted = fit_all(config, taxonomy, clauses, {"clothing": sentences}, encode, "")
    both, missed, false, neither = unseen_errors(fitted)["clothing"]["size_fit"]
    assert both + missed + false + neither > 100, "whatever people say of it, the lexicon finds the aspect"
    assert both + missed > 60 and false + neither > 60
    assert 0.35 < (missed + false) / (both + missed + false + neither) < 0.65
    labelled = fitted.labelled["clothing"]
    by_heart = fitted.polarity.head.logits(labelled.vectors[:100]).argmax(axis=1)
    learnt = (by_heart == polarity[:100, names.index("size_fit")]).mean()
    assert learnt > 0.75, "the head that learnt from them knows many by heart"
