"""The mask linter: shows what a language model would be trained on, and refuses it if it is not the answer.

It does not look at how a mask was made. It decodes the trained tokens and compares them with the answer's own text.
`fault` is asked for every example, `lint` for the first ones, which the report shows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shopbatch.core.errors import UserError
from shopbatch.training.packing import Document

Decode = Callable[[Any], str]  # token ids -> text, special tokens included


@dataclass(frozen=True)
class Expected:
    """What an example must train on.

    prompt: the text before it, or "" for a text without a prompt. answer: the text to predict.
    ends: token ids, one of which must end the answer; empty if none must.
    """

    prompt: str
    answer: str
    ends: tuple[int, ...]


def lint(documents: Sequence[Document], expected: Sequence[Expected], decode: Decode) -> list[dict[str, str]]:
    """Check the masks of documents, and return {"not trained", "trained"} of each, decoded, to be shown.

    Raises UserError for the first document that trains no token, a token of the prompt, or not the whole answer.
    """
    shown = []
    for number, (document, wanted) in enumerate(zip(documents, expected, strict=True)):
        if wrong := fault(document, wanted, decode):
            raise UserError(f"mask of example {number}: {wrong}")
        trained = document.trained
        shown.append({"not trained": decode(document.ids[~trained]), "trained": decode(document.ids[trained])})
    return shown


def fault(document: Document, wanted: Expected, decode: Decode) -> str:
    """Return what is wrong with the mask of a document; "" if it trains the answer, all of it and nothing else."""
    ids = document.ids.tolist()
    trained = document.ids[document.trained].tolist()
    if not trained:
        return "no token would be trained on; check the recipe's columns and the chat template"
    if wanted.ends and trained[-1] not in wanted.ends:
        return f"the answer's end would not be trained; it stops at {decode(trained)[-40:]!r}"
    if wanted.prompt and document.trained[: len(ids) - len(trained)].any():
        return "a token of the prompt would be trained on"
    learnt = decode(trained[:-1] if wanted.ends else trained)
    if _comparable(learnt) == _comparable(wanted.answer):
        return ""
    truncated = _comparable(learnt) in _comparable(wanted.answer)
    subject = "a truncated answer" if truncated else "not the answer but other text"
    return f"{subject} would be trained on: {learnt[:60]!r} instead of {wanted.answer[:60]!r}"


def _comparable(text: str) -> str:
    """Return the text as it is compared: chat templates strip white space, and tokenizers normalise (NFC, NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).split())
