"""What a language model is trained on, shown before the first step: decoded, and refused where it is not the answer.

It does not look at how the mask was made: it decodes the trained tokens and compares them with the answer's own text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shopbatch.core.errors import UserError
from shopbatch.training.packing import Document

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True)
class Expected:
    """What an example is to train on. prompt: text before it ("" for plain texts). answer: text to be predicted.

    ends: token ids of which one must end the answer (empty: none must).
    """

    prompt: str
    answer: str
    ends: tuple[int, ...]


def lint(documents: Sequence[Document], expected: Sequence[Expected], decode: Decode) -> list[dict[str, str]]:
    """Refuse a mask that is not the answer; returns {"not trained", "trained"} of each document, to be shown.

    Raises UserError naming the first document that trains no token, a prompt's token, or an answer cut short.
    """
    shown = []
    for number, (document, wanted) in enumerate(zip(documents, expected, strict=True)):
        ids = document.ids.tolist()
        trained = [token for token, use in zip(ids, document.trained.tolist(), strict=True) if use]
        where = f"mask of example {number}"
        if not trained:
            raise UserError(f"{where}: no token would be trained on; the recipe's columns or its template are wrong")
        text = decode(trained)
        if wanted.ends and trained[-1] not in wanted.ends:
            raise UserError(f"{where}: the answer's end would not be trained ({text[-40:]!r} is where it stops)")
        if wanted.prompt and document.trained[: len(ids) - len(trained)].any():
            raise UserError(f"{where}: a token of the prompt would be trained on")
        said = decode(trained[:-1] if wanted.ends else trained)
        if _plain(said) != _plain(wanted.answer):
            low = _plain(said) in _plain(wanted.answer)
            what = "a truncated answer would be trained on" if low else "not the answer but other text would be trained"
            raise UserError(f"{where}: {what}: {said[:60]!r} instead of {wanted.answer[:60]!r}")
        before = [token for token, use in zip(ids, document.trained.tolist(), strict=True) if not use]
        shown.append({"not trained": decode(before), "trained": text})
    return shown


def _plain(text: str) -> str:
    """Without white space at the ends: templates strip it."""
    return " ".join(text.split())
