"""Check the training masks of examples: exactly the answer must be trained on, nothing of the prompt.

A mask tells which tokens of a document are trained on. The check does not look at how a mask was made: it decodes the
trained tokens and compares them with the text of the answer. `fault` is called for every example; `lint` is called for
the first examples, which the report shows.
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
    """The text that an example must train on; `fault` compares the example's mask with it.

    Attributes:
        prompt: The text before the answer; "" for a text without a prompt.
        answer: The text to predict.
        ends: Token ids, one of which must end the answer; empty if no end token is needed.
    """

    prompt: str
    answer: str
    ends: tuple[int, ...]


def lint(documents: Sequence[Document], expected: Sequence[Expected], decode: Decode) -> list[dict[str, str]]:
    """Check the masks of documents and return their decoded text, {"not trained": ..., "trained": ...} each.

    Args:
        documents: The encoded examples.
        expected: What each example must train on.
        decode: Converts token ids to text.

    Raises:
        UserError: A document trains no token, a token of the prompt, or not the whole answer.
    """
    shown = []
    for number, (document, wanted) in enumerate(zip(documents, expected, strict=True)):
        if wrong := fault(document, wanted, decode):
            raise UserError(f"mask of example {number}: {wrong}")
        trained = document.trained
        shown.append({"not trained": decode(document.ids[~trained]), "trained": decode(document.ids[trained])})
    return shown


def fault(document: Document, wanted: Expected, decode: Decode) -> str:
    """Return what is wrong with the mask of a document, as a sentence; "" if it trains exactly the answer.

    Args:
        document: The encoded example.
        wanted: What it must train on.
        decode: Converts token ids to text.
    """
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
    """Normalise a text for the comparison: NFKC, and single spaces.

    Chat templates strip white space, and tokenizers normalise (NFC, NFKC), so neither counts as a difference.
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())
