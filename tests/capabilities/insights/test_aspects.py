"""Aspects of reviews: taxonomies, what a model says of clauses, and how a review is put together from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.insights.analysis import Clauses, analyse
from shopbatch.capabilities.insights.model import AspectModel
from shopbatch.capabilities.insights.stage import AspectScorer, AspectStage
from shopbatch.capabilities.insights.taxonomy import find, pattern, shipped
from shopbatch.core.errors import UserError
from shopbatch.engines.base import Encoded
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.encoders.fake_encoder import FakeEncoder
from shopbatch.models.folder import ModelError

DIM = 8


def hit(name: str, text: str) -> list[str]:
    taxonomy = find(name)[1]
    return [aspect for aspect, there in zip(taxonomy.names, taxonomy.hits([text])[0], strict=True) if there]


def test_lexicons_know_words_and_not_parts_of_words() -> None:
    assert hit("clothing", "the fabric is see-through and it runs small") == ["size_fit", "material"]
    assert hit("electronics", "装XP系统后很快，散热好") == ["performance", "heat_noise", "software"]
    assert hit("electronics", "an experience") == []  # no `xp` in it
    assert hit("hotels", "早餐丰富，隔音差") == ["food", "noise"]
    assert pattern([]).search("anything") is None


@pytest.mark.parametrize("name", shipped())
def test_every_taxonomy_has_names_and_words_in_both_languages(name: str) -> None:
    taxonomy = find(name)[1]
    for aspect in taxonomy.aspects.values():
        assert {"en", "zh"} <= set(aspect.name) and {"en", "zh"} <= set(aspect.lexicon)
    assert {"en", "zh"} <= set(taxonomy.about)


def test_a_taxonomy_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "toys.yaml"
    file.write_text(
        "about: {en: 'toy*'}\naspects:\n  safety:\n    name: {en: Safety}\n    lexicon: {en: 'safe, sharp*'}\n"
    )
    name, taxonomy = find(str(file))
    assert (name, taxonomy.names, taxonomy.hits(["a sharply cut edge", "nice"]).tolist()) == (
        "toys",
        ("safety",),
        [[True], [False]],
    )
    for wrong in (
        "aspects: {}",
        "aspects: {Bad name: {name: {en: x}}}",
        "a: [",
        "aspects: {x: {name: {}, lexicon: {en: '('}}}",
    ):
        file.write_text(wrong)
        with pytest.raises(UserError, match=r"taxonomy toys\.yaml"):
            find(str(file))
    with pytest.raises(UserError, match="clothing"):
        find("cloths")


def test_a_model_is_the_same_after_saving_and_damage_is_named(tmp_path: Path) -> None:
    model = AspectModel.fake(DIM)
    model.save(tmp_path)
    again = AspectModel.load(tmp_path)
    assert again.taxonomies == model.taxonomies and again.columns == model.columns
    assert all((again.arrays[k] == v).all() for k, v in model.arrays.items())
    with pytest.raises(ModelError, match="vectors of 8"):
        again.aspect_logits("hotels", np.zeros((1, 3), np.float32), np.zeros((1, 8), bool))
    (tmp_path / "aspects.json").write_text("{}")
    with pytest.raises(ModelError, match="not a model of aspects"):
        AspectModel.load(tmp_path)


def test_a_review_says_each_aspect_once_with_the_clause_that_is_most_about_it() -> None:
    model = AspectModel.fake(DIM, ("clothing",))
    text = "Lovely colour. It runs small, and the sleeves are too short for me. I wish it had pockets."
    clauses = Clauses.of(["Runs small", None], [text, "Lovely colour."])
    assert clauses.distinct.count("Lovely colour.") == 1
    found = analyse(model, FakeEncoder(FakeConfig(dim=DIM)), clauses, ["clothing"])
    assert [a["aspect"] for a in found[0]["aspects"]] == ["size_fit", "look"]
    look = found[0]["aspects"][1]
    assert text[look["start"] : look["end"]] == "Lovely colour." and look["column"] == "text"
    assert sum(look[f"p_{p}"] for p in ("negative", "neutral", "positive")) == pytest.approx(1, abs=1e-6)
    wish = found[0]["remarks"][0]
    assert (wish["kind"], text[wish["start"] : wish["end"]]) == ("wish", "I wish it had pockets.")
    assert [text[o["start"] : o["end"]] for o in found[0]["other"]] == ["I wish it had pockets."]
    assert (found[0]["clauses"], found[1]["clauses"]) == (len(clauses.clauses) - 1, 1)


class Moods(FakeEncoder):
    """Vectors that say how a clause speaks: negative, neutral, positive."""

    def encode(self, texts: pa.Array) -> Encoded:
        encoded = super().encode(texts)
        for row, text in enumerate(texts.to_pylist()):
            mood = 2 if "good" in text or "好" in text else 0 if "bad" in text or "太小" in text else 1
            encoded.vectors[row] = np.eye(3)[mood]
        return encoded


def test_polarity_and_place_are_those_of_the_clauses_about_the_aspect() -> None:
    model = AspectModel.fake(3, ("hotels",))
    moods = AspectModel(model.taxonomies, {**model.arrays, "polarity": 5 * np.eye(3, dtype=np.float32)})
    texts = ["早餐很好，但是房间太小", "The room was on floor three. The room was really bad."]
    found = analyse(moods, Moods(FakeConfig(dim=3)), Clauses.of([None, None], texts), ["hotels"])
    assert {a["aspect"]: a["polarity"] for a in found[0]["aspects"]} == {"food": "positive", "room": "negative"}
    (room,) = found[1]["aspects"]  # the first clause is as much about the room, but states a fact
    assert (
        texts[1][room["start"] : room["end"]]
        == {
            "negative": "The room was really bad.",
            "neutral": "The room was on floor three.",
        }[room["polarity"]]
    )


def test_calls_are_bounded_and_cover_every_row() -> None:
    scorer = AspectScorer(FakeEncoder(FakeConfig(dim=DIM)), AspectModel.fake(DIM), ("clothing",))
    texts = ["x" * 150_000, "y" * 150_000, *["short"] * 1200, None]
    plan = scorer.plan(pa.table({"title": pa.nulls(len(texts), pa.string()), "text": pa.array(texts)}))
    assert np.concatenate(plan).tolist() == list(range(len(texts)))
    assert [len(rows) for rows in plan][:3] == [1, 512, 512]


def test_judge_refuses_what_cannot_be() -> None:
    stage = AspectStage(FakeConfig(dim=DIM), "", "", {}, ("clothing",))
    good = {"aspect": "look", "probability": 0.9, "polarity": "positive", "p_negative": 0.1, "p_neutral": 0.2}
    good |= {"p_positive": 0.7, "column": "text", "start": 0, "end": 4}
    wrong = [{"probability": 1.5}, {"p_positive": 0.2}, {"end": 0}, {"start": -1}, {"p_neutral": float("nan")}]
    rows = [[good], [], *([good, good | change] for change in wrong)]
    raw = stage.outputs.empty_table()
    columns = {f.name: pa.nulls(len(rows), f.type) for f in raw.schema}
    columns["aspects"] = pa.array(rows, stage.outputs.field("aspects").type)
    assert stage.judge(pa.table(columns)).to_pylist() == [None, None, *["invalid_output"] * len(wrong)]


def test_a_word_with_an_accent_is_a_word_of_its_own() -> None:
    words = pattern(("fit, größe, caf*",))
    assert [m.group() for m in words.finditer("Fit, Größe, café; Profité, Bildgröße, décaf, 尺码größe。")] == [
        "Fit",
        "Größe",
        "café",
        "größe",
    ]
