"""Bias of a sentiment head: probes are balanced, training makes copies alike, a gate compares with the live head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.bias import gate
from shopbatch.capabilities.sentiment.bias.gate import BiasJudge
from shopbatch.capabilities.sentiment.bias.measure import measure, measure_all
from shopbatch.capabilities.sentiment.bias.probe import NEUTRAL, Probe, probes, sentences
from shopbatch.capabilities.sentiment.bias.steady import Steady, differences, with_neutral_copies
from shopbatch.capabilities.sentiment.head import NAME, SentimentHead
from shopbatch.engines.configs import FakeConfig
from shopbatch.models import registry
from shopbatch.runs.report import Report

DIM = 12
FRAMES = tuple((NEUTRAL if n % 2 else "positive", f"frame {n} {{one}}") for n in range(30))
PROBE = Probe("en", FRAMES, tuple(("group", f"term {n}", f"terms {n}") for n in range(8)))


def copies() -> np.ndarray:
    """Vectors in which the frame decides the first number, and the term the second one."""
    random = np.random.default_rng(0)
    vectors = random.normal(0, 0.02, (30, 8, DIM))
    vectors[:, :, 0] += np.linspace(-1, 1, 30)[:, None]
    vectors[:, :, 1] += np.linspace(-2, 2, 8)[None]
    return vectors.reshape(240, DIM).astype(np.float32)


def head_of(*weights: float, encoder: str = "") -> SentimentHead:
    """A head of which `weights` make a text positive."""
    matrix = np.zeros((1, DIM, 3), np.float32)
    matrix[0, : len(weights), 2] = weights
    matrix[0, :, 0] = -matrix[0, :, 2]
    return SentimentHead(("en",), matrix, np.array([[0, -9, 0]], np.float32), np.ones(1, np.float32), encoder)


def test_probes_have_frames_and_terms_enough_and_no_text_twice() -> None:
    assert {probe.language for probe in probes()} == {"en", "zh"}
    for probe in probes():
        frames, terms = probe.shape
        kinds = [kind for kind, _ in probe.frames]
        assert frames >= 30 and terms >= 40 and all(kinds.count(kind) >= 6 for kind in set(kinds))
        assert len(set(probe.texts)) == len(probe.texts) == frames * terms
        assert not any("{" in text for text in probe.texts)
    assert sentences(probes()).num_rows == sum(len(probe.texts) for probe in probes())


def test_a_head_that_reads_the_term_is_found_out_and_one_that_does_not_is_not() -> None:
    fair, biased = (measure(head, PROBE, copies(), 0) for head in (head_of(4.0), head_of(4.0, 1.0)))
    assert biased.gap > 0.8 and fair.gap < 0.5 < biased.tree()["terms_that_certainly_shift"]
    assert biased.neutral_labels > 5 > fair.neutral_labels
    assert biased.shifts.mean[0] < -0.2 and biased.shifts.mean[-1] > 0.2 and biased.shifts.p[0] < 0.05
    assert biased.apart[0] + biased.apart[-1] > biased.apart[3] + biased.apart[4]


def test_training_on_steady_vectors_takes_the_term_out_and_the_folded_head_says_the_same() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(500, DIM)).astype(np.float32)
    steady = Steady.of(differences([PROBE], copies()), vectors, 100.0)
    head = head_of(4.0, 1.0)
    mapped, folded = steady.applied(vectors), steady.folded(head)
    language = pa.array(["en"] * len(vectors))
    assert np.allclose(head.probabilities(mapped, language), folded.probabilities(vectors, language), atol=1e-5)
    before, after = (measure(each, PROBE, copies(), 0) for each in (head, folded))
    assert after.gap < before.gap / 2
    same = Steady.of(differences([PROBE], copies()), vectors, 0.0)
    assert np.allclose(same.applied(vectors), vectors, atol=1e-5)


def test_the_gate_refuses_more_bias_than_the_live_head_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "probes", lambda: (PROBE,))
    root = str(tmp_path)
    encoder = registry.publish(root, "coder", lambda folder: (folder / "encoder.json").write_text("{}"))  # type: ignore[arg-type, return-value]
    judge = BiasJudge(root, FakeConfig(), 1, worse=0.02)
    report = Report(job="train_sentiment_head")
    biased, fair = (head_of(4.0, term, encoder=encoder.reference) for term in (1.0, 0.0))
    assert judge.gates(biased, encoder, copies(), report) == []  # nothing is live
    registry.publish(root, NAME, fair.save, live=True)
    gates = judge.gates(biased, encoder, copies(), report)
    assert [each.passed for each in gates] == [False, False] and "gates.bias=0.02" in gates[0].detail
    assert all(each.passed for each in judge.gates(fair, encoder, copies(), report))
    assert report.metrics["bias"]["en"]["greatest_gap"] == pytest.approx(measure_all(fair, [PROBE], copies(), 0)[0].gap)


def test_copies_of_neutral_frames_are_learnt_as_neutral_in_their_language() -> None:
    examples = pa.table(
        {"text": ["fine"], "label": pa.array([2], pa.int8()), "language": ["en"], "split": ["val"], "domain": ["books"]}
    )
    rows, vectors = with_neutral_copies(examples, np.ones((1, DIM), np.float32), [PROBE], copies())
    assert rows.num_rows == len(vectors) == 1 + 15 * 8 and rows.schema == examples.schema
    assert rows["label"].to_pylist()[1:] == [1] * 120 and set(rows["split"].to_pylist()[1:]) == {"train"}
    number = PROBE.texts.index(rows["text"][1].as_py())
    assert "Frame 1 " in PROBE.texts[number] and (vectors[1] == copies()[number]).all()
    foreign = examples.set_column(2, "language", pa.array(["zh"]))
    assert with_neutral_copies(foreign, np.ones((1, DIM), np.float32), [PROBE], copies())[0].num_rows == 1
