"""What a chat template writes around an answer, so that a model is tuned on what it will be asked and stops at the end.

Templates differ in three ways. Some write something between the generation prompt and the answer (Qwen3: an empty
`<think>` block). Some write a generation prompt that no answer follows (DeepSeek-R1: `<think>`). And some end an answer
with a token that the model's configuration does not name as an end (Qwen2.5 base: `<|im_end|>`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

from shopbatch.core.errors import UserError
from shopbatch.models.chat import Messages, chat_controls, chat_prompt, chat_tokenizer, write_chat
from shopbatch.models.control_tokens import MarkedTokenizer
from shopbatch.models.loading import load_tokenizer

_SYSTEM, _QUESTION, _ANSWER = "system5f0c2d", "question5f0c2d", "answer5f0c2d"  # no text of a shop
# markers that are text and no tokens, as in Llama 2 and Alpaca: `[/INST]`, `<<SYS>>`, `### Response:`
_MARKER = re.compile(r"\[/?\w+\]|<<[^<>\s]+>>|<[^<>\s]+>|#{2,} ?[^\n:]+:")


@dataclass(frozen=True)
class AnswerFormat:
    """What a chat template writes around an answer.

    Attributes:
        cut: End of the generation prompt that is not written when an answer follows; usually "".
        opening: What is written between the rest of the generation prompt and the answer; usually "".
        lead: Spaces before the answer. They are learnt with it, because tokenizers join them with its first word.
        closing: What is written after the answer.
        end: Id of the token that ends the answer; None if the template writes none.
        markers: Texts of the template that are no control tokens, but tell the model who speaks.
        template: Chat template whose generation prompt has `opening` in place of `cut`; "" if none is needed.
    """

    cut: str
    opening: str
    lead: str
    closing: str
    end: int | None
    markers: tuple[str, ...]
    template: str

    def asked(self, prompt: str) -> str:
        """Return what the template writes before an answer, made from the generation prompt."""
        return prompt.removesuffix(self.cut) + self.opening


@lru_cache(maxsize=8)
def answer_format(model: Path, system: bool) -> AnswerFormat:
    """Find out what a model's chat template writes around an answer.

    Args:
        model: The model folder on this machine.
        system: Whether a system message is before the question.

    Raises:
        ModelError: The model has no tokenizer or no chat template.
        UserError: The template refuses the messages, writes another prompt when an answer follows it, or ends an answer
            with what is not a token.
    """
    asked = [{"role": "system", "content": _SYSTEM}] if system else []
    asked.append({"role": "user", "content": _QUESTION})
    prompt = chat_prompt(model, asked)
    before, closing = around_answer(model, asked)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, before, strict=False)))
    cut, opening = prompt[shared:], before[shared:].rstrip(" ")
    lead = before[shared + len(opening) :]
    template = _with_opening(chat_tokenizer(model).get_chat_template(), cut, opening) if cut or opening else ""
    answered = [*asked, {"role": "assistant", "content": _ANSWER}]
    if _QUESTION not in prompt[:shared] or (
        template
        and (
            write_chat(model, asked, chat_template=template, add_generation_prompt=True) + lead != before
            or write_chat(model, answered, chat_template=template) != before + _ANSWER + closing
        )
    ):
        raise UserError(
            f"{model}: its chat template writes the prompt differently when an answer follows it, so that the tuned "
            "model would be asked in another way than it was trained; use another base, or correct its chat template"
        )
    marked = _MARKER.findall(before.replace(_QUESTION, " ").replace(_SYSTEM, " ") + closing)
    markers = tuple(sorted(set(marked) - set(chat_controls(model))))
    return AnswerFormat(cut, opening, lead, closing, _end(model, closing), markers, template)


def around_answer(model: Path, asked: Messages) -> tuple[str, str]:
    """Return what a chat template writes before and after an answer to these messages.

    Raises:
        UserError: The template refuses the messages, or does not write the answer.
    """
    written = write_chat(model, [*asked, {"role": "assistant", "content": _ANSWER}])
    before, found, after = written.partition(_ANSWER)
    if not found:
        raise UserError(f"{model}: its chat template does not write the answer of an assistant; use another base")
    return before, after


def _end(model: Path, closing: str) -> int | None:
    """Return the token that the closing begins with, white space apart; None if it is nothing but white space."""
    text = closing.strip()
    if not text:
        return None
    tokenizer = MarkedTokenizer(load_tokenizer(model))
    added = {i: t.content.strip() for i, t in tokenizer.added.items() if i in tokenizer.reserved}
    end = next((i for i in tokenizer.encode(_ANSWER + closing) if added.get(i)), None)
    if end is None or not text.startswith(added[end]):
        raise UserError(
            f"{model}: its chat template ends an answer with {text[:40]!r}, which is not a token of its tokenizer, so "
            "that the tuned model could not stop there; add it to the tokenizer's special tokens, or use another base"
        )
    return end


def _with_opening(template: str, cut: str, opening: str) -> str:
    """Return a chat template that writes the same, but `opening` instead of `cut` at the end of a generation prompt."""
    quoted = {text: json.dumps(text, ensure_ascii=False) for text in (cut, opening)}
    if cut:
        condition, prompt = f"chat.endswith({quoted[cut]})", f"chat[:-{len(cut)}] + {quoted[opening]}"
    else:  # a template that is asked to write it (`enable_thinking=False`) does not get it twice
        condition, prompt = f"not chat.endswith({quoted[opening]})", f"chat + {quoted[opening]}"
    body = template.removesuffix("\n")  # Jinja drops it at the end of a template, and only there
    return (
        f"{{% set chat %}}{body}{{% endset %}}"
        f"{{{{ {prompt} if add_generation_prompt is defined and add_generation_prompt and {condition} else chat }}}}"
    )
