"""What train_intents is made of: which examples count, parts of the cross-validation, calibration, and the bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.support.config_intents import ExampleConfig, IntentGates
from shopbatch.capabilities.support.evaluate import Judged, against_rival, enough, gates, measure
from shopbatch.capabilities.support.intents import IntentModel
from shopbatch.capabilities.support.thresholds import Labelled, Targets, choose_thresholds
from shopbatch.capabilities.support.train.cross_fit import cross_fit, folds_of, joined, probabilities
from shopbatch.capabilities.support.train.examples import Examples, read_examples
from shopbatch.capabilities.support.train.fit import Rows, Setting, calibrate, make_model
from shopbatch.evaluation.near_duplicates import near_duplicate_groups
from shopbatch.evaluation.selective import auroc
from shopbatch.text.ngrams import ngrams
from shopbatch.training.ngrams import NgramClassifier
from shopbatch.warehouse.store import Store
from tests.jobs.test_train_intents import put

pytestmark = pytest.mark.slow

TARGETS = Targets(0.9, 0.7, 0.9, 10)


def example(key: str, text: str, intent: str | None, **more: Any) -> dict[str, Any]:
    return {"example_id": key, "text": text, "intent": intent, **more}


def read(store: Store, **config: Any) -> Examples:
    found = {name: store.find(name) for name in ("support_dialogs", "intent_examples", "ticket_feedback", "tickets")}
    tables = {name: snapshot for name, snapshot in found.items() if snapshot is not None}
    return read_examples(tables, ExampleConfig(min_rows=2, **config))


def test_each_text_counts_once_and_people_come_first(store: Store) -> None:
    asked = [
        ("Where is my parcel?", "tracking"), ("when do i get the money", "refund"), ("no intent", None),
        ("How do I pay, please tell me in detail now", "pay"), ("How can I pay?", "pay"),
        ("any way to follow it", "tracking"),
    ]  # fmt: skip
    dialogs = [{"dialog_id": f"d{n}", "question": q, "reply": "-", "intent": i} for n, (q, i) in enumerate(asked)]
    put(store, "support_dialogs", dialogs)
    people = [
        example("e1", " where is  my PARCEL? ", "tracking"),  # of a person: the generated one is not needed
        example("e2", "both ways", "tracking"), example("e3", "Both ways", "refund"),  # two intents
        example("e4", "钱什么时候到账", "refund"), example("e5", "made up", "refund", origin="generated"),
        example("e6", "do you sell bread", "other"), example("e7", "rare", "rare"), example("e8", "", "pay"),
        example("e9", "How do I pay, please tell me in detail now!", "pay"), example("e10", "x" * 5000, "pay"),
    ]  # fmt: skip
    put(store, "intent_examples", people)
    put(store, "tickets", [{"ticket_id": "t1", "text": "money back when"}, {"ticket_id": "t2", "text": "never seen"}])
    put(store, "ticket_feedback", [{"ticket_id": "t1", "intent": "refund"}, {"ticket_id": "t3", "intent": "refund"}])
    got = read(store)
    assert got.intents == ("pay", "refund", "tracking") and got.left_out == {"rare": 1}
    labels = dict(zip(got.texts, got.label.tolist(), strict=True))
    mine, generated = set(got.texts[: got.people]), set(got.texts[got.people :])
    assert mine == {
        "where is  my PARCEL?", "钱什么时候到账", "do you sell bread", "money back when",
        "How do I pay, please tell me in detail now!",
    }  # fmt: skip
    # not the one that is near a person's
    assert generated == {"when do i get the money", "How can I pay?", "any way to follow it", "made up"}
    assert labels["do you sell bread"] == got.other == 3 and labels["money back when"] == 1
    assert got.language[got.texts.index("钱什么时候到账")].as_py() == "zh"
    assert [got.texts[n] for n in np.flatnonzero(got.ticket).tolist()] == ["money back when"]
    assert got.keys == ["d0", "d1", "d4", "d5", "e1", "e4", "e5", "e6", "e9", "t1"]  # whose texts are learnt
    assert read(store, dialogs="person").people == 9
    assert read(store).texts == got.texts and read(store, most=4).people == got.people


def test_near_duplicates_share_a_part_and_labels_are_spread() -> None:
    texts = [f"where is my parcel with the number {n} that I ordered on the web site" for n in range(6)]
    texts += [f"{word} is another question altogether, {word}" for word in ("refund", "coupon", "address", "invoice")]
    group = near_duplicate_groups(texts)
    assert set(group[:6].tolist()) == {0} and group[6:].tolist() == [6, 7, 8, 9]
    label = np.repeat([0, 1, 2], 20)
    fold = folds_of(np.arange(60) // 2, label, 5)
    assert (fold[::2] == fold[1::2]).all() and set(fold.tolist()) == set(range(5))
    for part in range(5):
        assert sorted(set(label[fold == part].tolist())) == [0, 1, 2]


def shop(rows: int, seed: int, shift: float = 0.0) -> Rows:
    """Vectors around six directions, five of them intents; those of generated questions lie a little aside."""
    draw, directions = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(8, 24)) * 0.75
    label = draw.integers(0, 6, rows)
    aside = np.where(label == 5, draw.integers(5, 8, rows), label)  # three ways to be something else
    vectors = directions[aside] + draw.normal(size=(rows, 24)) + shift
    texts = [f"q{n % 3}" for n in range(rows)]  # that tell nothing
    return Rows(texts, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), label, np.full(rows, True), 6)


def test_probabilities_are_calibrated_and_tell_something_else() -> None:
    people, unseen = shop(600, 0), shop(20_000, 1)
    generated = shop(500, 2, 0.2)
    inside = generated.label < 5
    generated = replace(generated.take(inside), person=np.full(inside.sum(), False))
    settings = [Setting(penalty, 5.0, 60) for penalty in (30.0, 0.1)]
    crossed = cross_fit(people, generated, settings, folds_of(np.arange(600), people.label, 5), (0.0, 0.5))
    assert (
        crossed.setting.penalty == 0.1
        and crossed.setting.ngrams == 0
        and crossed.losses[settings[0]] > crossed.losses[settings[1]]
    )
    both = joined(people, generated)
    calibration = calibrate(crossed.scores, people.label)
    names = tuple(f"i{n}" for n in range(5))
    model = make_model(both, crossed.setting, calibration, (names, ("*",)), np.zeros((1, 24), np.float32))
    got = model.predict(unseen.vectors.astype(np.float32), pa.nulls(20_000, pa.string()))
    right = got.number == unseen.label
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95)):
        some = (got.confidence >= low) & (got.confidence < high)
        assert right[some].mean() == pytest.approx(got.confidence[some].mean(), abs=0.08), (low, high)
    assert auroc(1 - got.outside, unseen.label < 5) > 0.85
    held_out = crossed.probabilities.argmax(axis=1) == people.label
    known = people.label < 5
    assert held_out[known].mean() == pytest.approx(right[unseen.label < 5].mean(), abs=0.05)
    assert probabilities(crossed.scores, calibration).sum(axis=1).max() <= 1 + 1e-9


def test_words_that_the_vectors_do_not_know_are_learnt_from_ngrams() -> None:
    people = shop(300, 5)
    texts = [f"please {'abcdef'[label] * 4} {n}" for n, label in enumerate(people.label.tolist())]
    people = replace(people, texts=texts, vectors=np.random.default_rng(0).normal(size=(300, 24)))
    fold = folds_of(np.arange(300), people.label, 5)
    crossed = cross_fit(people, people.take(np.full(300, False)), [Setting(0.1, 1.0, 60)], fold, (0.0, 0.6))
    assert crossed.setting.ngrams == 0.6
    model = make_model(
        people, crossed.setting, calibrate(crossed.scores, people.label), (tuple("abcde"), ("*",)), np.zeros((1, 24))
    )
    got = model.predict(people.vectors, pa.nulls(300, pa.string()), texts)
    known = people.label < 5
    assert (got.number == people.label)[known].mean() > 0.95 and auroc(1 - got.outside, known) > 0.95


def labelled(rows: int, seed: int, worse: float = 0.0) -> tuple[Labelled, np.ndarray]:
    """Questions with known probabilities; those of intent `bad` are right less often than the model says."""
    draw = np.random.default_rng(seed)
    sure = draw.random(rows)
    intent = np.array(["bad", "good", "fine", "well"])[draw.integers(0, 4, rows)]
    odds = np.log(sure / (1 - sure)) + 1 - worse * (intent == "bad")
    true = 1 / (1 + np.exp(-odds))
    return Labelled(intent, sure, draw.random(rows) < true, np.arange(rows) % 5), true


def test_an_intent_that_promises_too_much_gets_a_higher_bound() -> None:
    questions, _ = labelled(1500, 0, worse=3.0)
    chosen = choose_thresholds(questions, TARGETS)
    assert chosen.spread > 0 and chosen.thresholds.bounds("bad").answer > chosen.thresholds.common.answer + 0.05
    assert chosen.thresholds.bounds("good").answer < chosen.thresholds.bounds("bad").answer - 0.1
    few = choose_thresholds(questions, Targets(0.9, 0.7, 0.9, 10_000))
    assert few.thresholds.by_intent == {} and few.answer.rows < chosen.answer.rows
    bounds = chosen.thresholds.common
    assert 0 < bounds.draft < bounds.answer < 1


@pytest.mark.parametrize("worse", [0.0, 2.0])
def test_the_precision_of_what_is_answered_is_missed_as_seldom_as_designed(worse: float) -> None:
    """Chosen on 300 drawn questions, judged by the true probabilities of 20,000 others."""
    new, true = labelled(20_000, 10**6, worse)
    missed, covered = 0, []
    for seed in range(100):
        thresholds = choose_thresholds(labelled(300, seed, worse)[0], TARGETS).thresholds
        taken = np.array(thresholds.decide(new.intent.tolist(), new.confidence)) == "answer"
        missed += bool(taken.any() and true[taken].mean() < 0.9)
        covered.append(taken.mean())
    assert missed <= 0.12 * 100 and np.mean(covered) > 0.1


def test_figures_and_gates_are_of_people_and_of_known_intents() -> None:
    draw = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 60)
    probability = np.full((180, 2), 0.1)
    probability[np.arange(180), np.where(label == 2, draw.integers(0, 2, 180), label)] = np.where(label == 2, 0.3, 0.8)
    rival = np.where(draw.random(180) < 0.5, label % 2, 1 - label % 2)
    judged = Judged(label, np.array(["en", "zh", ""] * 60, object), probability, rival, 2)
    quality = measure(judged, 0)
    assert set(quality) == {"all", "en", "zh"} and quality["all"]["questions"] == 120
    assert quality["all"]["accuracy"]["value"] == 1 and quality["all"]["known_auroc"] == 1
    assert quality["all"]["right_auroc"] == 1 and quality["all"]["baselines"]["character n-grams"]["value"] < 0.7
    gain = against_rival(judged, 0)
    assert all(gate.passed for gate in gates(quality, gain, IntentGates()))
    refused = [*gates(quality, gain, IntentGates(accuracy=1.0)), enough(120, IntentGates())]
    assert [gate.passed for gate in refused] == [True, True, False]
    assert enough(120, IntentGates(accept="few_examples")).passed
    assert not gates(quality, against_rival(Judged(label, judged.language, probability, label, 2), 0), IntentGates())[
        1
    ].passed


def test_ngrams_are_a_fair_rival_in_both_languages() -> None:
    assert {"=<where>", "<wh", "ere>", "=<0>"} <= set(ngrams("Where 12?")) and {"我", "我的"} <= set(ngrams("我的"))
    texts = [
        "where is my parcel",
        "the parcel is lost",
        "give me my money",
        "money back please",
        "我的包裹在哪",
        "退钱给我",
    ]
    label = np.array([0, 0, 1, 1, 0, 1])
    model = NgramClassifier.fit(texts, label, 2, np.ones(6))
    assert model.scores(["parcels?", "MONEY!", "包裹呢", "快退钱", ""]).argmax(axis=1).tolist()[:4] == [0, 1, 0, 1]


def test_a_fake_model_answers_for_the_fake_engine() -> None:
    model = IntentModel.fake(("b", "a"))
    got = model.predict(np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32), pa.nulls(50, pa.string()))
    assert model.intents == ("a", "b") and set(got.intents) == {"a", "b"} and (got.outside > 0).all()
    assert len(set(model.thresholds.decide(got.intents, got.confidence))) > 1
