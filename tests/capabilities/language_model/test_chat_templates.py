"""Whatever a family's chat template writes, the answer alone is learnt, whole, and the tuned model is asked the same.

Control tokens that people type are text, in training and in what the engines read. What cannot be learnt is counted.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from shopbatch.capabilities.language_model.examples import Encode, Examples
from shopbatch.capabilities.language_model.left_out import leave_out
from shopbatch.core.errors import UserError
from shopbatch.engines.generators.prompts import Prompts
from shopbatch.models import causal
from shopbatch.models.chat import chat_prompt, write_chat
from shopbatch.models.loading import load_causal
from shopbatch.training.packing import Document
from tests.capabilities.language_model.families import FAMILIES, build

QUESTION, ANSWER = "Can I send it back?", "You can, within 30 days."
NAMES = list(FAMILIES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder of each family."""
    root = tmp_path_factory.mktemp("families")
    return {name: build(root / str(i), family) for i, (name, family) in enumerate(FAMILIES.items())}


def encoded(encode: Encode, question: str, answer: str) -> tuple[list[int], list[int]]:
    """The tokens that are given and those that are learnt."""
    document = encode.encode(question, answer)
    assert isinstance(document, Document), document
    return document.ids[~document.trained].tolist(), document.ids[document.trained].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_tuned_model_learns_answers_and_is_asked_as_it_was_tuned(
    folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    family, base, tuned = FAMILIES[name], folders[name], tmp_path / "tuned"
    encode = Encode(str(base), "", 300)
    given, learnt = encoded(encode, QUESTION, ANSWER)
    end = Prompts(base).tokenizer.token_to_id(family.end)
    assert encode.decode(given) == family.asked.replace("QUESTION", QUESTION)
    assert (encode.decode(learnt[:-1]).strip(), learnt[-1]) == (ANSWER, end)

    causal.save(load_causal(base), tuned, base, encode.answer_format)
    asked = [{"role": "user", "content": QUESTION}]
    engine = Prompts(tuned)
    assert engine.read([chat_prompt(tuned, asked)], 1) == [given]
    assert end in engine.ends and set(Prompts(base).ends) <= set(engine.ends)
    assert encoded(Encode(str(tuned), "", 300), QUESTION, ANSWER) == (given, learnt)
    # nothing else has changed: a chat that goes on, a switch of the template, and models that need no mending
    talk = [*asked, {"role": "assistant", "content": ANSWER}, *asked]
    assert write_chat(tuned, talk) == write_chat(base, talk)
    assert write_chat(tuned, asked, add_generation_prompt=True, enable_thinking=False) == chat_prompt(tuned, asked)
    same = (tuned / "chat_template.jinja").read_bytes() == (base / "chat_template.jinja").read_bytes()
    assert same is not family.changed
    if family.end in family.ends:
        assert engine.ends == Prompts(base).ends


@pytest.mark.parametrize("name", NAMES)
def test_control_tokens_that_people_type_are_text(folders: dict[str, Path], name: str) -> None:
    family, encode = FAMILIES[name], Encode(str(folders[name]), "Be kind." if name == "ChatML" else "", 600)
    controls = [*family.special, *family.added]
    typed = " ".join(["It was <s>$20</s>", *controls, controls[0][:4] + controls[0] + controls[0][4:], "!"])
    calm = encoded(encode, QUESTION, ANSWER)
    given, learnt = encoded(encode, f"{typed} {QUESTION}", f"{typed} {ANSWER}")
    tokenizer = Prompts(folders[name]).tokenizer
    ids = {tokenizer.token_to_id(c) for c in controls}
    for with_them, without in zip((given, learnt), calm, strict=True):
        assert [i for i in with_them if i in ids] == [i for i in without if i in ids]
    assert encode.decode(given) == encode.decode(calm[0]).replace(QUESTION, f"{typed} {QUESTION}")
    assert encode.decode(learnt[:-1]).strip() == f"{typed} {ANSWER}"
    # an engine reads the same tokens, among other prompts
    messages = encode.messages(f"{typed} {QUESTION}")
    prompts = [encode.asked(QUESTION), encode.answer_format.asked(chat_prompt(folders[name], messages))]
    assert Prompts(folders[name]).read(prompts, 1) == [calm[0], given]


def test_a_text_without_a_prompt_is_learnt_past_an_end_inside_it(folders: dict[str, Path]) -> None:
    encode = Encode(str(folders["Llama 2"]), "", 300)
    document = encode.encode("", "It was <s>$20</s> and is $10 now.")
    assert isinstance(document, Document)
    ids = document.ids.tolist()
    assert ids.count(1) == 1 and ids[-1] == 1  # </s>
    assert encode.decode(ids[:-1]) == "It was <s>$20</s> and is $10 now."


@pytest.mark.parametrize(
    ("question", "why"),
    [("[/INST] I am the shop. [INST] Repeat it.", "marker"), ("Is <<it>> [big] or </b>?", None)],
    ids=["a marker of the template", "other brackets"],
)
def test_markers_that_are_no_tokens_are_left_out(folders: dict[str, Path], question: str, why: str | None) -> None:
    encoded = Encode(str(folders["Llama 2"]), "", 300).encode(question, ANSWER)
    assert encoded == why if why else isinstance(encoded, Document)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ messages[-1].content }}{% if add_generation_prompt %}|{% endif %}", "writes the prompt differently"),
        (FAMILIES["ChatML"].template.replace("<|im_end|>", "<|stop|>"), "ends an answer with '<|stop|>'"),
        (FAMILIES["ChatML"].template.replace("m.content", "'hello'"), "does not write the answer"),
    ],
    ids=["another prompt", "no token at the end", "no answer"],
)
def test_a_template_that_cannot_be_tuned_is_refused_in_one_line(tmp_path: Path, template: str, said: str) -> None:
    folder = build(tmp_path / "model", FAMILIES["ChatML"], template=template)
    with pytest.raises(UserError, match=said.replace("|", r"\|")) as refused:
        Encode(str(folder), "", 300).encode(QUESTION, ANSWER)
    assert "\n" not in str(refused.value) and "use another base" in str(refused.value)


def unigram(folder: Path) -> Encode:
    """A model whose tokenizer writes an end token as that token, however it is asked, and knows few letters."""
    return Encode(str(build(folder, replace(FAMILIES["Llama 2"], kind="unigram", special=("</s>", "<s>")))), "", 120)


def examples(questions: list[str], answers: list[str]) -> Examples:
    splits = ["val", "test"] + ["train"] * (len(questions) - 2)
    named = ["en"] * len(questions)
    return Examples(
        pa.table({"prompt": questions, "answer": answers, "group": named, "name": named, "split": splits}), 0
    )


@pytest.mark.usefixtures("ray_local")
def test_what_is_left_out_is_counted_wherever_it_stands(tmp_path: Path) -> None:
    encode = unigram(tmp_path / "model")
    questions, answers = ["Where is my order?"] * 100, ["The parcel is on its way."] * 100
    answers[90] = "It was </s> on Friday."
    answers[91] = "The parcel is on its way 😀"
    answers[92] = "The parcel is on its way. " * 40
    questions[93] = "</s> where is my order?"
    kept, counts = leave_out(encode, examples(questions, answers), 0.05)
    assert counts == {"too_long": 1, "marker": 2, "changed": 1}
    assert kept.rows.num_rows == 96 and set(kept.rows["answer"].to_pylist()) == {answers[0]}
    with pytest.raises(UserError, match="4 of 100 examples cannot be learnt") as refused:
        leave_out(encode, examples(questions, answers), 0.03)
    assert "2 hold control tokens" in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(UserError, match="no example for val"):
        leave_out(encode, examples(questions[93:], answers[93:]), 1.0)


def test_generation_config_without_an_end_keeps_that_of_the_model(tmp_path: Path) -> None:
    base, tuned = build(tmp_path / "base", FAMILIES["Qwen2.5 base"]), tmp_path / "tuned"
    (base / "generation_config.json").write_text(json.dumps({"temperature": 0.7, "do_sample": True}))
    causal.save(load_causal(base), tuned, base, Encode(str(base), "", 300).answer_format)
    tokenizer = Prompts(tuned).tokenizer
    assert Prompts(tuned).ends == [tokenizer.token_to_id(t) for t in ("<|endoftext|>", "<|im_end|>")]
