"""What the unknown words of a query say of the thing: the head of a compound, and what stands before a type."""

from __future__ import annotations

from collections.abc import Sequence

from shopbatch.capabilities.search.understanding.reading import Reading
from shopbatch.capabilities.search.understanding.values import Phrase
from shopbatch.capabilities.search.understanding.vocabulary import HAN
from shopbatch.capabilities.search.understanding.words import listed

_BEFORE_ANOTHER = frozenset(("of", "in", "from", "by", "at", "on", "to"))  # what follows names something else
_INSIDE = frozenset("-/&'")


def head_of(phrase: Phrase, subjects: Sequence[int]) -> str:
    """Return the word that names the thing: the last one of the first words side by side, "food" in "dog food".

    Args:
        phrase: The query.
        subjects: Numbers of the tokens that could name the thing.

    Returns:
        The word; "" if several Chinese words stand apart, of which any may be the thing.
    """
    tokens = phrase.tokens
    begin = max((at for at, token in enumerate(tokens) if token.has("want")), default=-1) + 1
    asked = [at for at in subjects if at >= begin] or list(subjects)
    run: list[int] = []
    for at in asked:
        if run and any(_parts(phrase, between) for between in range(run[-1] + 1, at)):
            break
        run.append(at)
    if sum(bool(HAN.search(tokens[at].text)) for at in run) > 1:
        return ""
    things = [at for at in run if not any(kind == "brand" for kind, _ in phrase.values[at])] or run
    return tokens[things[-1]].text if things else ""


def _parts(phrase: Phrase, at: int) -> bool:
    """Whether a token ends what names the thing."""
    token = phrase.tokens[at]
    if token.sign:
        return token.sign not in _INSIDE
    return token.has("end") or token.has("demand") or token.text in _BEFORE_ANOTHER


def modifiers_of(phrase: Phrase, reading: Reading, start: int) -> tuple[str, ...]:
    """Return the unknown words right before the type that is wanted, past values such as a colour.

    Args:
        phrase: The query.
        reading: What was read of it.
        start: Where the type begins.
    """
    out: list[str] = []
    at = next((i for i, token in enumerate(phrase.tokens) if token.start == start), 0) - 1
    while at >= 0 and at not in reading.used | reading.soft | reading.excluded:
        token = phrase.tokens[at]
        if token.is_word and not token.has("vague") and token.text not in listed("qualities"):
            if token.text.isdigit() or len(token.text) == 1:
                break
            out.append(token.text)
        elif not (phrase.values[at] and phrase.values[at][0][0] != "type") and token.sign != "-":
            break
        at -= 1
    return tuple(reversed(out))
