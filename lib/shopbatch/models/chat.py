"""Chat templates: the prompt that a model continues, made from messages. Called by the engines and by training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbatch.core.errors import UserError, one_line
from shopbatch.models.folder import ModelError, local
from shopbatch.models.loading import load_transformers_tokenizer

Messages = Sequence[Mapping[str, str]]  # in order: {"role": "system", "user" or "assistant", "content": text}


def chat_prompt(folder: str | Path, messages: Messages) -> str:
    """Write the text that a model continues, by its own chat template.

    Args:
        folder: The model folder, as `models.folder.local` takes it.
        messages: The conversation so far.

    Raises:
        ModelError: The folder has no tokenizer, or the tokenizer has no chat template.
        UserError: The template refuses these messages.
    """
    from jinja2 import TemplateError

    tokenizer = chat_tokenizer(local(folder))
    try:
        text = tokenizer.apply_chat_template([dict(m) for m in messages], tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError) as error:
        raise UserError(f"the chat template refuses the messages: {one_line(error, 200)}") from None
    return str(text)


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
