"""Chats as documents: what is learnt ends where the model's own template ends an answer."""

import json
import random
from pathlib import Path

import pyarrow as pa
import pytest

from shopbatch.capabilities.language_model.config import SourceConfig
from shopbatch.capabilities.language_model.examples import Encode, read
from shopbatch.capabilities.language_model.masks import lint
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.warehouse.store import Store
from tests.engines import tiny_causal

ANSWER = "You can send it back."


@pytest.mark.parametrize("column", ["question", "reply"])
def test_texts_in_which_nothing_can_be_seen_are_no_examples(store: Store, column: str) -> None:
    said = [f"{random.Random(i).getrandbits(256):x}" for i in range(160)]
    rows = [{"dialog_id": f"d{i}", "question": said[i], "reply": said[i + 80]} for i in range(80)]
    for row, text in zip(rows, ["\u200b", "&nbsp;", "<p></p>", "\u3164 \ufeff", "N/A", "."], strict=False):
        row[column] = text
    table = SUPPORT_DIALOGS.fill(80, **{name: pa.array([r[name] for r in rows]) for name in rows[0]})
    store.commit(SUPPORT_DIALOGS, [store.write_file(SUPPORT_DIALOGS, table, "r", 0)], "replace", "r")
    config = SourceConfig(table="support_dialogs", prompt="question", answer="reply", key="dialog_id", similar=1.0)
    names = set(read(store.snapshot("support_dialogs"), config).rows["name"].to_pylist())
    assert {f"d{i}" for i in range(6)} & names == {"d4", "d5"}  # an answer may be a full stop
    assert len(names) > 60


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
