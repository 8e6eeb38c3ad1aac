"""Chat templates: the prompt that a model continues, made from messages. Called by the engines and by training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbatch.core.errors import UserError
from shopbatch.models.folder import ModelError, local

Messages = Sequence[Mapping[str, str]]  # {"role": "system", "user" or "assistant", "content": text}, in order


def chat_prompt(folder: str | Path, messages: Messages) -> str:
    """The text that a model is to continue, by its own chat template.

    Raises ModelError (no chat template, no tokenizer), UserError (the template refuses these messages).
    """
    from jinja2 import TemplateError

    tokenizer = chat_tokenizer(local(folder))
    try:
        text = tokenizer.apply_chat_template([dict(m) for m in messages], tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError) as error:
        raise UserError(f"the chat template refuses the messages: {' '.join(str(error).split())[:200]}") from None
    return str(text)


@lru_cache(maxsize=4)
def chat_tokenizer(folder: Path) -> Any:
    """A tokenizer with a chat template. ModelError if it has none. Kept: loading it takes seconds."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no tokenizer ({' '.join(str(error).split())[:200]})") from None
    if not tokenizer.chat_template:
        raise ModelError(f"{folder}: its tokenizer has no chat template; an instruction-tuned model has one")
    return tokenizer
