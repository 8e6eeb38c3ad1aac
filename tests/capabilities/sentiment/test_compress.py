"""What decides over a compressed encoder: the head that is moved to it, the calibration texts, and the gates."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.compress.config import CompressGates
from shopbatch.capabilities.sentiment.compress.judge import Rivals, judge, speed_gate
from shopbatch.capabilities.sentiment.compress.run import calibration_texts
from shopbatch.capabilities.sentiment.compress.translate import translated
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.speed import Ratio

LANGUAGES = ("other", "en", "zh")


def test_a_moved_head_gives_nearly_the_scores_that_it_gave() -> None:
    draw = np.random.default_rng(0)
    old = (draw.normal(size=(3000, 24)) * np.logspace(0, -1.5, 24) + 2).astype(np.float32)
    new = (old @ (np.eye(24) + 0.1 * draw.normal(size=(24, 24))) + 0.3 + 0.01 * draw.normal(size=old.shape)).astype(
        np.float32
    )
    weights = draw.normal(size=(3, 24, 3)).astype(np.float32) * 4
    head = SentimentHead(LANGUAGES, weights, np.zeros((3, 3), np.float32), np.full(3, 1.5, np.float32), "a@1")
    language = pa.array([LANGUAGES[i % 3] if i % 30 else "de" for i in range(3000)])
    fitted = np.arange(3000) < 2000
    moved = translated(head, old[fitted], new[fitted], language.filter(pa.array(fitted)), "b@2")
    assert (moved.encoder, moved.languages) == ("b@2", LANGUAGES)
    np.testing.assert_array_equal(moved.temperature, head.temperature)
    rest = language.filter(pa.array(~fitted))
    before, now, as_it_was = (h.probabilities(v[~fitted], rest) for h, v in ((head, old), (moved, new), (head, new)))
    assert np.abs(now - before).mean() < 0.02 < np.abs(as_it_was - before).mean()
    assert (now.argmax(1) == before.argmax(1)).mean() > 0.97
    for name in (*LANGUAGES, "de"):  # each classifier was moved, also the one that answers for the rest
        rows = np.asarray(rest.to_pylist()) == name
        assert np.abs(now[rows] - before[rows]).mean() < 0.03


def table(rows: int, language: str = "en") -> pa.Table:
    label = np.arange(rows) % 2 * 2
    columns = {"text": [f"t{i}" for i in range(rows)], "label": label.astype(np.int8), "language": [language] * rows}
    return pa.table({**columns, "domain": ["coats"] * rows, "split": ["test"] * rows})


def probabilities(label: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    guess = np.where(wrong, 2 - label, label)
    return np.asarray(np.where(np.arange(3) == guess[:, None], 0.9, 0.05), np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "broken", "mended", "refused"),
    [
        (8000, 20, 20, []),  # as good: as many are mended as broken
        (8000, 60, 20, ["accuracy against the source, all, lower end", "accuracy against the source, en, lower end"]),
        (600, 0, 0, []),
        (600, 2, 1, ["accuracy against the source, all, lower end"]),  # a few rows cannot show that it is as good
        (8000, 300, 300, ["all", "en", "labels as the source's, lower end"]),
    ],
)
def test_gates_compare_the_same_rows(rows: int, broken: int, mended: int, refused: list[str]) -> None:
    label = (np.arange(rows) % 2 * 2).astype(np.int64)
    theirs = np.arange(rows) % 10 == 0
    ours = theirs.copy()
    ours[np.flatnonzero(~theirs)[:broken]] = True
    ours[np.flatnonzero(theirs)[:mended]] = False
    same = {"en": {"ece": {"value": 0.02}}}
    rivals = Rivals(table(rows), probabilities(label, ours), probabilities(label, theirs), same, same)
    gates, figures = judge(rivals, CompressGates(), 0)
    names = [gate.name for gate in gates if not gate.passed]
    if refused[:1] == ["all"]:
        assert names[-1] == refused[-1]
    else:
        assert names == refused
    assert figures["agreement"]["all"]["value"] == pytest.approx(1 - (broken + mended) / rows, abs=1e-5)
    assert all(gate.detail for gate in gates if not gate.passed)


def test_calibration_may_not_grow_and_speed_must() -> None:
    label = (np.arange(6000) % 2 * 2).astype(np.int64)
    p = probabilities(label, np.full(6000, False))
    before, now = {"en": {"ece": {"value": 0.02}}}, {"en": {"ece": {"value": 0.031}}}
    gates, _ = judge(Rivals(table(6000), p, p, now, before), CompressGates(), 0)
    assert [gate.name for gate in gates if not gate.passed] == ["calibration against the source, en"]
    assert not speed_gate(Ratio(1.29, 1.2, 1.4), CompressGates()).passed
    assert speed_gate(Ratio(1.31, 1.2, 1.4), CompressGates()).passed


def test_calibration_texts_are_of_all_languages_and_domains() -> None:
    parts = [table(100, "en"), table(7, "zh"), table(50, "de")]
    examples = pa.concat_tables(parts)
    examples = examples.set_column(0, "text", pa.array([f"{i}" for i in range(157)]))
    train = examples.set_column(4, "split", pa.array(["train"] * 157))
    chosen = calibration_texts(train, 21).to_pylist()
    assert len(chosen) == len(set(chosen)) == 21
    assert [sum(low <= int(t) < high for t in chosen) for low, high in ((0, 100), (100, 107), (107, 157))] == [7, 7, 7]
    assert len(calibration_texts(train, 1000)) == 157 and len(calibration_texts(examples, 5)) == 0
