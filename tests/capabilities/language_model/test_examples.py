"""Chats as documents: what is learnt ends where the model's own template ends an answer."""

import json
from pathlib import Path

import pytest

from shopbatch.capabilities.language_model.examples import Encode
from shopbatch.capabilities.language_model.masks import lint
from tests.engines import tiny_causal

ANSWER = "You can send it back."


@pytest.mark.parametrize("ends", [0, [0, 2], [2, 0]], ids=["one", "the template's first", "the template's last"])
def test_an_answer_ends_with_the_end_token_that_the_template_writes(tmp_path: Path, ends: int | list[int]) -> None:
    folder = tiny_causal.build(tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    encode = Encode(str(folder), "", 100)
    document = encode.document("It does not fit.", ANSWER)
    assert document is not None
    learnt = document.ids[document.trained].tolist()
    assert learnt[-1] == 0 and learnt.count(0) == 1 and 2 not in learnt
    (shown,) = lint([document], [encode.expected("It does not fit.", ANSWER)], encode.decode)
    assert shown["trained"] == f"{ANSWER}<|end|>"


def test_a_plain_text_is_given_an_end(tmp_path: Path) -> None:
    folder = tiny_causal.build(tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0]}))
    document = Encode(str(folder), "", 100).document("", ANSWER)
    assert document is not None and document.ids[-1] == 2
    assert document.trained.tolist() == [False] + [True] * (len(document.ids) - 1)
