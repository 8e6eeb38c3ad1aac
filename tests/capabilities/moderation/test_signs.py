"""What the job's page shows is what the code prints, and a complaint is no advert, however sure the model is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.moderation.advert_signs import may_advertise
from shopbatch.capabilities.moderation.model import KINDS, ModerationModel
from shopbatch.capabilities.moderation.stage import ModerationStage, Moderator
from tests.capabilities.moderation.test_model import Letters
from tests.capabilities.moderation.test_planted import planted

PAGE = Path(__file__).parents[3] / "docs" / "jobs" / "moderate_reviews.md"


def moderated(*texts: str) -> pa.Table:
    """What the lists alone make of some reviews without a stated language."""
    none = pa.nulls(len(texts), pa.string())
    content = pa.table({"title": none, "text": pa.array(texts, pa.string()), "language": none, "product_id": none})
    stage = ModerationStage()
    return pa.table(stage.publish(content, stage.open().run(content, np.ones(len(texts), np.int8))))


def test_the_examples_of_the_page_are_what_the_code_prints() -> None:
    block = PAGE.read_text("utf-8").split("## Example", 1)[1].split("```text\n", 1)[1].split("```", 1)[0]
    lines = [re.split(r" {3,}", line.rstrip()) for line in block.splitlines()]
    rows = moderated(*(line[0] for line in lines)).select(["action", "kinds", "masked_text"]).to_pylist()
    printed = [[r["action"], *filter(None, [", ".join(r["kinds"]), r["masked_text"]])] for r in rows]
    assert len(lines) == 4 and [line[1:] for line in lines] == printed


def test_the_language_of_a_review_is_told() -> None:
    shown = moderated("The zipper broke on the second day and nobody answers.", "拉链第二天就坏了", "42")
    assert shown["language"].to_pylist() == ["en", "zh", "und"]


def certain_of_adverts() -> ModerationModel:
    """A model that takes every passage for an advert."""
    count = len(KINDS)
    bias = np.full(count, -50, np.float32)
    bias[KINDS.index("advert")] = 50
    half, none = np.full(count, 0.5, np.float32), np.zeros(count, np.float32)
    return ModerationModel((), np.zeros((26, count), np.float32), np.zeros((0, count), np.float32), bias, half, none)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Arrived chipped. The second one too.", False),
        ("For 89 bucks I expected better.", False),
        ("EDIT: they refunded me, so 3 stars.", False),
        ("穿了一周就起球，失望。", False),
        ("My brother carves far better bowls, do order from him.", True),
        ("Much nicer, come and see us on Saturday.", True),
        ("我在夜市摆摊卖手工款，来看看。", True),
    ],
)
def test_the_model_alone_holds_an_advert_only_with_a_sign_of_one(text: str, held: bool) -> None:
    content = pa.table({"title": pa.nulls(1, pa.string()), "text": [text]})
    raw = Moderator(Letters(), certain_of_adverts()).run(content, np.ones(1, np.int8))
    kinds = {finding["kind"] for finding in raw["findings"].to_pylist()[0]}
    assert ("advert" in kinds) == held


def test_most_planted_adverts_have_a_sign_and_most_harmless_texts_have_none() -> None:
    rows = [row for half in ("open", "held") for row in planted(half)]
    adverts = [may_advertise(row["text"].lower()) for row in rows if "advert" in row["kinds"]]
    harmless = [may_advertise(row["text"].lower()) for row in rows if not row["kinds"]]
    assert np.mean(adverts) >= 0.9 and np.mean(harmless) <= 0.3
