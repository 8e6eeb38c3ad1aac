"""Chat templates: the prompt that a model continues, made from messages. Called by the engines and by training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbatch.models.control_tokens import control_texts, escape
from shopbatch.models.folder import ModelError, local
from shopbatch.models.loading import load_transformers_tokenizer

Messages = Sequence[Mapping[str, str]]  # in order: {"role": "system", "user" or "assistant", "content": text}


def chat_prompt(folder: str | Path, messages: Messages) -> str:
    """Write the text that a model continues, by its own chat template.

    Args:
        folder: The model folder, as `models.folder.local` takes it.
        messages: The conversation so far.

    Returns:
        The text. Control tokens in the messages are marked as plain text (`control_tokens.escape`).

    Raises:
        ModelError: The folder has no tokenizer, the tokenizer has no chat template, or the template refuses these
            messages.
    """
    return write_chat(folder, messages, add_generation_prompt=True)


def write_chat(folder: str | Path, messages: Messages, **options: Any) -> str:
    """Write messages by the chat template; `options` are those of transformers. The rest is as in `chat_prompt`."""
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
    """Return the texts of a model's control tokens, the longest first. The tokenizer needs no chat template."""
    tokenizer = load_transformers_tokenizer(folder)
    return control_texts(tokenizer.added_tokens_decoder.values(), _template(tokenizer, folder))


def _template(tokenizer: Any, folder: Path) -> str:
    """Return a tokenizer's chat template, empty if it has none. ModelError if it has several, and none by default."""
    try:
        return str(tokenizer.get_chat_template()) if tokenizer.chat_template else ""
    except ValueError:
        raise ModelError(f"{folder}: it has several chat templates, and none is the default") from None


@lru_cache(maxsize=4)
def chat_tokenizer(folder: Path) -> Any:
    """Load a tokenizer that has a chat template. It is kept in memory, because loading takes seconds.

    Raises:
        ModelError: The folder has no tokenizer, or the tokenizer has no chat template.
    """
    tokenizer = load_transformers_tokenizer(folder)
    if not tokenizer.chat_template:
        raise ModelError(f"{folder}: its tokenizer has no chat template; use an instruction-tuned model")
    return tokenizer
