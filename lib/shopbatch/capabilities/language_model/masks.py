"""The mask linter: shows what a language model would be trained on, and refuses it if it is not the answer.

It does not look at how a mask was made. It decodes the trained tokens and compares them with the answer's own text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shopbatch.core.errors import UserError
from shopbatch.training.packing import Document

Decode = Callable[[Sequence[int]], str]


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
        ids = document.ids.tolist()
        trained = [token for token, use in zip(ids, document.trained.tolist(), strict=True) if use]
        where = f"mask of example {number}"
        if not trained:
            raise UserError(f"{where}: no token would be trained on; check the recipe's columns and the chat template")
        text = decode(trained)
        if wanted.ends and trained[-1] not in wanted.ends:
            raise UserError(f"{where}: the answer's end would not be trained; it stops at {text[-40:]!r}")
        if wanted.prompt and document.trained[: len(ids) - len(trained)].any():
            raise UserError(f"{where}: a token of the prompt would be trained on")
        learnt = decode(trained[:-1] if wanted.ends else trained)
        if _one_spaced(learnt) != _one_spaced(wanted.answer):
            truncated = _one_spaced(learnt) in _one_spaced(wanted.answer)
            subject = "a truncated answer" if truncated else "not the answer but other text"
            raise UserError(
                f"{where}: {subject} would be trained on: {learnt[:60]!r} instead of {wanted.answer[:60]!r}"
            )
        before = [token for token, use in zip(ids, document.trained.tolist(), strict=True) if not use]
        shown.append({"not trained": decode(before), "trained": text})
    return shown


def _one_spaced(text: str) -> str:
    """Return the text with white space collapsed and stripped, because chat templates strip it."""
    return " ".join(text.split())
