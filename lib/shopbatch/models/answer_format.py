"""Finds out what a chat template writes around an answer, so that fine-tuning uses the same text as generation later.

Without this a tuned model could be prompted differently from its training, or not stop at the end of an answer.
Templates differ in three ways:

- some write text between the generation prompt and the answer (Qwen3: an empty `<think>` block);
- some end the generation prompt with text that no answer follows in a finished dialog (DeepSeek-R1: `<think>`);
- some end an answer with a token that the model's configuration does not list as an end (Qwen2.5 base: `<|im_end|>`).
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

_SYSTEM, _QUESTION, _ANSWER = "system5f0c2d", "question5f0c2d", "answer5f0c2d"  # placeholders that no text contains
# markers that are ordinary text and not tokens, as in Llama 2 and Alpaca: `[/INST]`, `<<SYS>>`, `### Response:`
_MARKER = re.compile(r"\[/?\w+\]|<<[^<>\s]+>>|<[^<>\s]+>|#{2,} ?[^\n:]+:")


@dataclass(frozen=True)
class AnswerFormat:
    """The text that a chat template writes around an answer.

    Attributes:
        cut: Text at the end of the generation prompt that is missing when an answer follows; usually "".
        opening: Text between the rest of the generation prompt and the answer; usually "".
        lead: Spaces before the answer. They are trained on together with the answer, because tokenizers join them with
            its first word.
        closing: Text after the answer.
        end: Id of the token that ends the answer; None if the template writes no text after it.
        markers: Texts of the template that are not control tokens but tell the model who speaks, such as "[/INST]".
        template: A changed chat template whose generation prompt ends with `opening` instead of `cut`; "" if the
            model's own template needs no change.
    """

    cut: str
    opening: str
    lead: str
    closing: str
    end: int | None
    markers: tuple[str, ...]
    template: str

    def asked(self, prompt: str) -> str:
        """Convert a generation prompt into the text that precedes the answer in a finished dialog.

        `cut` at the end of the prompt is replaced by `opening`.
        """
        return prompt.removesuffix(self.cut) + self.opening


@lru_cache(maxsize=8)
def answer_format(model: Path, system: bool) -> AnswerFormat:
    """Find out what a model's chat template writes around an answer, by rendering dialogs with placeholder texts.

    Args:
        model: The model folder on this machine.
        system: Whether a system message precedes the user's message.

    Raises:
        ModelError: The model has no tokenizer or no chat template.
        UserError: The template refuses the messages, changes the prompt when an answer follows it, or ends an answer
            with text that is not a token.
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
    """Return the texts that a chat template writes before and after an answer to these messages.

    Args:
        model: The model folder on this machine.
        asked: The messages before the answer.

    Raises:
        UserError: The template refuses the messages, or does not write the assistant's answer.
    """
    written = write_chat(model, [*asked, {"role": "assistant", "content": _ANSWER}])
    before, found, after = written.partition(_ANSWER)
    if not found:
        raise UserError(f"{model}: its chat template does not write the answer of an assistant; use another base")
    return before, after


def _end(model: Path, closing: str) -> int | None:
    """Return the id of the token with which `closing`, the text after an answer, begins; None if `closing` is blank.

    White space before the token is ignored.

    Raises:
        UserError: The text does not begin with an added token of the tokenizer.
    """
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
    """Return a copy of a chat template whose generation prompts end with `opening` instead of `cut`.

    All other output of the template stays the same.
    """
    quoted = {text: json.dumps(text, ensure_ascii=False) for text in (cut, opening)}
    if cut:
        condition, prompt = f"chat.endswith({quoted[cut]})", f"chat[:-{len(cut)}] + {quoted[opening]}"
    else:  # a template may already have written `opening` (`enable_thinking=False`)
        condition, prompt = f"not chat.endswith({quoted[opening]})", f"chat + {quoted[opening]}"
    body = template.removesuffix("\n")  # Jinja drops this line break only at the end of a template
    return (
        f"{{% set chat %}}{body}{{% endset %}}"
        f"{{{{ {prompt} if add_generation_prompt is defined and add_generation_prompt and {condition} else chat }}}}"
    )
