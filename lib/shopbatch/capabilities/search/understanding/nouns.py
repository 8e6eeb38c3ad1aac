"""Finds, among the unknown words of a query, the word that names the product and the modifiers before a type."""

from __future__ import annotations

from collections.abc import Sequence

from shopbatch.capabilities.search.understanding.reading import Reading
from shopbatch.capabilities.search.understanding.values import Phrase
from shopbatch.capabilities.search.understanding.vocabulary import HAN
from shopbatch.capabilities.search.understanding.words import listed

_BEFORE_ANOTHER = frozenset(("of", "in", "from", "by", "at", "on", "to"))  # words after these name another thing
_INSIDE = frozenset("-/&'")


def head_of(phrase: Phrase, subjects: Sequence[int]) -> str:
    """Return the word that names the product ("dog food" -> "food").

    It is the last of the words that could name the product, up to a word such as "for" or a comma; brands are skipped.

    Args:
        phrase: The query.
        subjects: Indexes of the tokens that could name the product.

    Returns:
        The word; "" if there are no subjects, or several separate Chinese words, any of which may be the product.
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
    """Return True if a token separates the product's name from the words after it ("for", "of", a comma, ...)."""
    token = phrase.tokens[at]
    if token.sign:
        return token.sign not in _INSIDE
    return token.has("end") or token.has("demand") or token.text in _BEFORE_ANOTHER


def modifiers_of(phrase: Phrase, reading: Reading, start: int) -> tuple[str, ...]:
    """Return the unknown words right before the wanted type, such as "noise cancelling" before "headphones".

    Values in between, such as a colour, are skipped.

    Args:
        phrase: The query.
        reading: The query's constraints and scopes.
        start: Where the type begins in the query.
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
