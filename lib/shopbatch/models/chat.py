"""Formats chat messages as a model's prompt with its chat template. The generator engines and training use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbatch.models.control_tokens import control_texts, escape
from shopbatch.models.folder import ModelError, local
from shopbatch.models.loading import load_transformers_tokenizer

Messages = Sequence[Mapping[str, str]]  # oldest first: {"role": "system", "user" or "assistant", "content": text}


def chat_prompt(folder: str | Path, messages: Messages) -> str:
    """Return chat messages as the prompt of a model, formatted with the model's chat template.

    The model continues this text with the assistant's answer. Control tokens inside the messages are marked as plain
    text (see `control_tokens.escape`).

    Args:
        folder: The model folder: a path or URI, as for `models.folder.local`.
        messages: The conversation so far, oldest message first.

    Raises:
        ModelError: The folder has no tokenizer, the tokenizer has no chat template, or the template refuses these
            messages.
    """
    return write_chat(folder, messages, add_generation_prompt=True)


def write_chat(folder: str | Path, messages: Messages, **options: Any) -> str:
    """Return chat messages as text, formatted with the model's chat template; by default without a generation prompt.

    Control tokens inside the messages are marked as plain text (see `control_tokens.escape`).

    Args:
        folder: The model folder: a path or URI, as for `models.folder.local`.
        messages: The conversation, oldest message first.
        options: Variables of the template as in transformers, such as `add_generation_prompt`; `chat_template` replaces
            the model's template.

    Raises:
        ModelError: As `chat_prompt`.
    """
    from shopbatch.models.chat_templates import render

    where = local(folder)
    controls = chat_controls(where)
    chat = [{name: escape(text, controls) if name == "content" else text for name, text in m.items()} for m in messages]
    tokenizer = chat_tokenizer(where)
    given = {"messages": chat, "tools": None, "documents": None, "add_generation_prompt": False, **options}
    source = given.pop("chat_template", None) or _template(tokenizer, where)
    return render(source, **{**tokenizer.special_tokens_map, **given})


@lru_cache(maxsize=4)
def chat_controls(folder: Path) -> tuple[str, ...]:
    """Return the texts of a model's control tokens, such as "<|im_start|>", the longest first; () if it has none.

    The folder must have a tokenizer, but the tokenizer may lack a chat template.
    """
    tokenizer = load_transformers_tokenizer(folder)
    return control_texts(tokenizer.added_tokens_decoder.values(), _template(tokenizer, folder))


def _template(tokenizer: Any, folder: Path) -> str:
    """Return a tokenizer's chat template; "" if it has none.

    Raises:
        ModelError: The tokenizer has several templates and none of them is the default.
    """
    try:
        return str(tokenizer.get_chat_template()) if tokenizer.chat_template else ""
    except ValueError:
        raise ModelError(f"{folder}: it has several chat templates, and none is the default") from None


@lru_cache(maxsize=4)
def chat_tokenizer(folder: Path) -> Any:
    """Load the transformers tokenizer of a chat model; the last 4 are cached, because loading takes seconds.

    Args:
        folder: The model folder on this machine.

    Raises:
        ModelError: The folder has no tokenizer, or the tokenizer has no chat template.
    """
    tokenizer = load_transformers_tokenizer(folder)
    if not tokenizer.chat_template:
        raise ModelError(f"{folder}: its tokenizer has no chat template; use an instruction-tuned model")
    return tokenizer
