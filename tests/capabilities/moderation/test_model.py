"""The model of moderation: passages have their places, examples their kinds, and a model finds what it learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.moderation.config import Actions, TrainModerationConfig
from shopbatch.capabilities.moderation.model import KINDS, SHIPPED, ModerationModel
from shopbatch.capabilities.moderation.passages import passages
from shopbatch.capabilities.moderation.stage import ModerationStage, Moderator
from shopbatch.capabilities.moderation.train import fit
from shopbatch.capabilities.moderation.train.examples import (
    Line,
    examples_of,
    read_lines,
    with_neighbours,
    worded,
)
from shopbatch.capabilities.moderation.train.run import learn, measure
from shopbatch.core.errors import UserError
from shopbatch.engines.base import Encoded
from shopbatch.models.folder import ModelError

HARM, OK = "zap the gnome", "polish the lamp"


class Letters:
    """An encoder whose vector is the share of each letter."""

    dim = 26

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        return [np.arange(len(texts))]

    def encode(self, texts: pa.Array) -> Encoded:
        rows = [[text.count(chr(97 + n)) / max(1, len(text)) for n in range(26)] for text in texts.to_pylist()]
        return Encoded(np.array(rows, np.float32).reshape(-1, 26), np.full(len(texts), 3, np.int32))


@settings(deadline=None)
@given(st.text(max_size=400))
@example("很" * 150)  # longer than a passage, without a pause
def test_passages_lie_in_the_text_and_hold_all_its_words(text: str) -> None:
    pieces = passages(text)
    assert all(0 <= piece.start < piece.end <= len(text) and piece.text.strip() for piece in pieces)
    assert bool(pieces) or not any(c.isalpha() and c.isascii() for c in text)


def test_a_text_is_cut_into_sentences_and_a_short_one_is_also_read_as_a_whole() -> None:
    text = "The lamp is fine and bright enough. I know where you live, so sleep well my friend."
    assert [(p.start, p.end) for p in passages(text)] == [(0, 35), (36, 83), (0, 83)]
    assert [p.text for p in passages("你⏎给我⏎等着".replace("⏎", "\n"))] == ["你给我等着"]
    assert len(passages("a" * 100_000)) <= 201


def test_example_files_have_hundreds_of_texts_of_each_kind_and_language() -> None:
    lines = read_lines()
    examples = examples_of(lines, 8)
    for language in ("en", "zh"):
        rows = [
            kinds for kinds, each in zip(examples.kinds, examples.language.tolist(), strict=True) if each == language
        ]
        assert all(sum(kind in kinds for kinds in rows) >= 200 for kind in KINDS)
        assert sum(not kinds for kinds in rows) >= 500
    assert not any(set("{}|#") & set(text) for text in examples.texts)
    assert examples.texts == examples_of(read_lines(), 8).texts
    assert worded("{a|b} c", 9, "en") in (["a c", "b c"], ["b c", "a c"])


def test_a_shops_own_files_are_read_and_others_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "threat.en.txt").write_text("I will find you\n\nYou are next\n", "utf-8")
    own = [line for line in read_lines([str(tmp_path / "threat.en.txt")]) if line.own]
    assert own == [Line(text, frozenset({"threat"}), "en", True) for text in ("I will find you", "You are next")]
    (tmp_path / "rude.en.txt").write_text("x", "utf-8")
    for name in ("rude.en.txt", "threat.zh.txt"):
        with pytest.raises(UserError, match=rf"examples\.own: .*{name} is no text file named KIND\.LANGUAGE\.txt"):
            read_lines([str(tmp_path / name)])


def test_what_is_learnt_is_found_in_its_place_and_nothing_else(tmp_path: Path) -> None:
    lines = [
        Line(f"{HARM if n % 2 else OK} {'abcdefg'[n % 7] * 3}", frozenset({"threat"} if n % 2 else ()), "en")
        for n in range(120)
    ]
    examples = examples_of(lines, 1)
    beside = with_neighbours(examples, 0.5, 0)
    assert all(text in whole for text, whole in zip(examples.texts, examples.texts, strict=True)) and beside.texts
    texts = [*examples.texts, *beside.texts]
    vectors = Letters().encode(pa.array(texts)).vectors
    config = TrainModerationConfig.model_validate(
        {"engine": {"kind": "openvino"}, "fit": {"penalty": [0.01], "folds": 3}}
    )
    learnt = learn(config, examples, beside, texts, vectors, "coder@1")
    quality = measure(learnt)
    assert quality["en"]["recall_threat"] > 0.95 and quality["all"]["false_alarms"] <= 0.05
    learnt.model.save(tmp_path)
    model = ModerationModel.load(tmp_path)
    assert model.encoder == "coder@1" and (model.weights == learnt.model.weights).all()
    review = f"{OK} {OK}. Then I will {HARM} {HARM} {HARM}. {OK} {OK}."
    content = pa.table({"title": pa.array([None, OK], pa.string()), "text": pa.array([review, OK], pa.string())})
    raw = Moderator(Letters(), model).run(content, np.ones(2, np.int8))
    (finding,), none = raw["findings"].to_pylist()
    assert none == [] and raw["tokens"].to_pylist() == [12, 6]
    assert finding["kind"] == "threat" and finding["column"] == "text" and finding["rule"].startswith("model ")
    assert review[finding["start"] : finding["end"]] == f"Then I will {HARM} {HARM} {HARM}."
    passed = content.append_column("language", pa.array(["en", "en"])).append_column("product_id", pa.array(["p", "p"]))
    shown = ModerationStage(Actions(threat="mask")).publish(passed, raw)
    assert shown["action"].to_pylist() == ["mask", "publish"]
    assert shown["masked_text"].to_pylist()[0] == f"{OK} {OK}. [threat] {OK} {OK}."


def test_thresholds_keep_the_alarms_and_a_kind_without_examples_is_never_found() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random((2000, len(KINDS)))
    least = fit.thresholds(probabilities, np.full(2000, True), 0.05)
    assert (probabilities >= least).any(axis=1).mean() <= 0.05
    rows = fit.Rows(random.random((20, 3)).astype(np.float32), np.zeros((20, len(KINDS))), np.ones(20), np.arange(20))
    weights, bias = fit.fit(rows, fit.Scale.of(rows.inputs, 2, 1.0), 1.0, 5)
    assert (fit.sigmoid(rows.inputs @ weights + bias) < 1e-9).all()


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    ModerationModel.fake().save(tmp_path)
    (tmp_path / "head.json").write_text('{"kinds": ["insult"], "traits": [], "encoder": ""}', "utf-8")
    with pytest.raises(ModelError, match="not a model of moderation"):
        ModerationModel.load(tmp_path)
    with pytest.raises(ModelError):
        ModerationModel.load(tmp_path / "nowhere")


def test_the_shipped_model_can_be_loaded() -> None:
    model = ModerationModel.load(SHIPPED)
    assert model.encoder.startswith("e5-small@") and model.dim == 768 and len(model.traits) > 100
