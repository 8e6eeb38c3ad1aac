"""What the checks find of false translations, and that good ones pass; with and without an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from shopbatch.capabilities.translation.checks.check import Pair, check
from shopbatch.capabilities.translation.checks.likeness import Comparer, Thresholds
from shopbatch.capabilities.translation.report import not_measured
from shopbatch.engines.base import Encoded

SIBLINGS = yaml.safe_load(Path(__file__).with_name("siblings.yaml").read_text("utf-8"))
EXAMPLES = yaml.safe_load(Path(__file__).with_name("examples.yaml").read_text("utf-8"))


def kinds(row: dict[str, Any], translation: str, **more: Any) -> set[str]:
    source, target = row["pair"].split("-")
    return {fault.kind for fault in check(Pair(row["text"], translation, (source, target), **more))}


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: f"{row['pair']} {row['text'][:20]}")
def test_good_translations_pass_and_each_fault_has_its_name(row: dict[str, Any]) -> None:
    assert kinds(row, row["good"]) == set()
    for kind, text in row["faults"].items():
        assert kind in kinds(row, text), text


@pytest.mark.slow
def test_free_translations_pass_and_false_ones_do_not() -> None:
    refused = {
        text: found
        for pair, text, translation in SIBLINGS["good"]
        if (found := kinds({"pair": pair, "text": text}, translation))
    }
    assert refused == {}
    missed = [
        (text, translation)
        for kind, pair, text, translation in SIBLINGS["wrong"]
        if not kinds({"pair": pair, "text": text}, translation) & ({kind, "unit"} if kind == "number" else {kind})
    ]
    assert missed == []


def test_what_the_shop_knows_is_kept() -> None:
    row = EXAMPLES[0]
    glossary = {"kettle": "hervidor"}
    assert kinds(row, row["good"], brands=("Corvaro",), glossary=glossary, forbidden=("tetera",)) == set()
    assert kinds(row, row["good"].replace("hervidor", "calentador"), glossary=glossary) == {"glossary"}
    assert kinds(row, row["good"] + " tetera", forbidden=("tetera",)) == {"glossary"}
    plain = {"pair": "en-es", "text": "Soft sheets by rest"}
    assert kinds(plain, "Sábanas suaves", brands=("rest",)) == {"lost_name"}
    assert kinds(plain, "") == {"empty"}


class Topics:
    """An encoder whose vectors say which topics a text has: words of any language that stand for one thing."""

    dim = 5
    words = (("ship", "envío"), ("wash", "lavar"), ("gift", "regalo"), ("steel", "acero"), ("",))

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        return [np.arange(len(texts))]

    def encode(self, texts: pa.Array) -> Encoded:
        rows = [
            [sum(word in text.lower() for word in topic) + 0.0 for topic in self.words] for text in texts.to_pylist()
        ]
        return Encoded(np.array(rows, np.float32), np.ones(len(rows), np.int32))


def test_likeness_sees_a_clause_that_is_missing_added_or_about_something_else() -> None:
    text = "We ship it in three working days. You can wash it in the machine."
    whole = "El envío tarda tres días laborables. Se puede lavar en la lavadora."
    added = f"{whole} Es un regalo perfecto para toda la familia."
    codes = ("en", "es")
    pairs = [
        (text, whole, codes),
        (text, whole[:36] + " Es de acero y dura mucho tiempo.", codes),
        (text, added, codes),
    ]
    least = Thresholds(0.2, 0.3, 0.3, 0.1)
    good, other, more = Comparer(Topics()).compare(pairs)
    assert good.faults(least, 0.0) == []
    assert "wash" in other.clause and {kind for kind, _ in other.faults(least, 0.0)} >= {"missing"}
    assert "regalo" in more.added and [kind for kind, _ in more.faults(least, 0.3)] == ["added"]


def test_a_language_without_words_is_said_to_be_unmeasured() -> None:
    assert not_measured(("en", "es"), has_references=True, compares=True) == []
    said = not_measured(("en", "sw"), has_references=False, compares=False)
    assert len(said) == 7 and all("sw" in line for line in said[:5])


@pytest.mark.parametrize(
    ("other", "left"),
    [
        ("Una chaqueta cálida con una cremallera waterproof y dos bolsillos profundos en el interior.", ""),
        ("Una chaqueta cálida con una waterproof zipper y dos bolsillos profundos en el interior.", ""),
        ("Una chaqueta cálida con una cremallera impermeable y two deep pockets on the inside.", "two deep pockets on"),
        ("一件保暖夹克，配有waterproof拉链和两个内侧深口袋。", ""),
        ("一件保暖夹克，配有防水拉链和two deep pockets内侧。", "two deep pockets"),
    ],
)
def test_words_left_over_are_found_from_as_many_as_the_page_of_the_job_says(other: str, left: str) -> None:
    one = "A warm jacket with a waterproof zipper and two deep pockets on the inside."
    faults = check(Pair(one, other, ("en", "zh" if "夹克" in other else "es")))
    assert [fault.detail for fault in faults if fault.kind == "untranslated"] == ([left] if left else [])
