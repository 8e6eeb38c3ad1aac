"""Decides which values (colour, brand, type, ...) the tokens of a query name, given the tokens around them.

Some brands are common words, and some values are part of another thing's name ("shoe" in "shoe rack").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.capabilities.search.understanding.tokens import Token
from shopbatch.capabilities.search.understanding.vocabulary import HAN, Value, key_of
from shopbatch.capabilities.search.understanding.words import is_english, listed


@dataclass(frozen=True)
class Phrase:
    """The tokens of a query with the values that each of them names.

    Attributes:
        raw: The query as the shopper wrote it.
        tokens: The tokens.
        values: For each token the (kind, value) pairs that it names, given the tokens around it.
        late: For each token the (kind, value) pairs that it names if it follows a word that excludes or demands, such
            as "without".
    """

    raw: str
    tokens: Sequence[Token]
    values: Sequence[tuple[Value, ...]]
    late: Sequence[tuple[Value, ...]]

    def is_part(self, at: int) -> bool:
        """Return True if the token `at` names a part or a motif, such as "soles" or "stripes".

        Returns False if there is no such token.
        """
        return 0 <= at < len(self.tokens) and self.tokens[at].has("parts")

    def is_word(self, at: int) -> bool:
        """Return True if the token `at` may be part of a feature's name.

        It may if it is an unknown word, or a value that belongs to another thing's name here.
        """
        token = self.tokens[at]
        return token.is_word or bool(token.entry.values and not token.entry.roles and not self.late[at])

    def adjoining(self, at: int) -> bool:
        """Return True if no space stands between the token `at` and the one before it."""
        return at > 0 and self.tokens[at].start == self.tokens[at - 1].end


def name_values(raw: str, tokens: Sequence[Token]) -> Phrase:
    """Find the values that the tokens of a query name.

    Args:
        raw: The query as the shopper wrote it: a brand that is a common word is recognised only with a capital letter.
        tokens: The query's tokens.
    """
    values = [_values(raw, tokens, at) for at in range(len(tokens))]
    late = [t.entry.late or v for t, v in zip(tokens, values, strict=True)]
    for at in range(len(tokens)):
        if tokens[at].entry.late and not values[at] and _before_type(tokens, values, at):
            values[at] = tokens[at].entry.late
    for at in range(len(tokens)):
        if values[at] and _is_of_another_thing(tokens, at):
            values[at] = late[at] = ()
    return Phrase(raw, tokens, values, late)


def _values(raw: str, tokens: Sequence[Token], at: int) -> tuple[Value, ...]:
    token = tokens[at]
    if token.entry.brand and _is_brand(raw, tokens, at):
        return (("brand", token.entry.brand),)
    if (token.has("neutral") or token.has("names")) and not token.type:
        return ()
    values = token.entry.values
    if token.type and at + 1 < len(tokens) and tokens[at + 1].text in ("my", "your", "our", "his", "her", "their"):
        return ()  # a verb: "I iron my shirts"
    if len(token.text) == 1 and values and values[0][0] in ("season", "type") and _goes_on(tokens, at):
        return ()  # part of another word: 夏 in 夏普, 鞋 in 鞋拔
    if values and values[0][0] in ("age", "gender") and _is_told_of(tokens, at):
        return ()
    return values


def _is_told_of(tokens: Sequence[Token], at: int) -> bool:
    """Return True if the query only tells what a person does ("the kids keep spilling").

    Such a person demands no age or gender of the product.
    """
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    if any(t.text.startswith(("给他", "给她", "给它")) or t.text in ("for him", "for her") for t in tokens[at + 1 :]):
        return False
    return following is not None and any(
        following.text == word or (HAN.match(word) and following.is_word and following.text.startswith(word))
        for word in listed("doing")
    )


def _goes_on(tokens: Sequence[Token], at: int) -> bool:
    """Return True if unknown Chinese characters follow directly, so that the token is part of a longer word."""
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    return (
        following is not None
        and following.start == tokens[at].end
        and following.is_word
        and bool(HAN.match(following.text))
    )


def _is_brand(raw: str, tokens: Sequence[Token], at: int) -> bool:
    token = tokens[at]
    key = key_of(token.text)
    is_common = (
        key in listed("common")
        or bool(token.entry.values or token.entry.roles)
        or (" " not in key and not HAN.search(key) and is_english(key))
    )
    if not is_common:
        return True
    if (at and tokens[at - 1].has("brand_words")) or (at + 1 < len(tokens) and tokens[at + 1].has("brand_words")):
        return True
    if HAN.search(key) or not raw[token.start].isupper():
        return False
    return at > 0 or raw.rstrip()[-1] not in ".?!"


def _ends(tokens: Sequence[Token], at: int) -> bool:
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    return following is None or bool(following.sign) or following.start > tokens[at].end


def _before_type(tokens: Sequence[Token], values: Sequence[tuple[Value, ...]], at: int) -> bool:
    """Return True if only values stand between the token and a following type of product or 的.

    For a Chinese colour, the end of the clause counts, too.
    """
    if tokens[at].entry.late[0][0] == "colour" and HAN.match(tokens[at].text) and _ends(tokens, at):
        return True
    for i in range(at + 1, len(tokens)):
        if tokens[i].text == "的" or (values[i] and values[i][0][0] == "type"):
            return True
        if not values[i]:
            return False
    return False


def _is_of_another_thing(tokens: Sequence[Token], at: int) -> bool:
    """Return True if, judging by the words around it, a value is part of another thing's name or of a comparison."""
    token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
    before = at - 1
    while before >= 0 and tokens[before].text in ("a", "the", "an", "my", "your", "with", "of", "我", "我的"):
        before -= 1
    if token.type is None and before >= 0 and tokens[before].has("unlike") and not tokens[before].has("exclude"):
        return True
    if token.entry.brand and at and tokens[at - 1].text == "for":  # an accessory for that brand: a case for a phone
        return True
    if following is None or following.type or following.sign or following.measure is not None or following.has("parts"):
        return False
    if HAN.match(following.text):
        return following.start == token.end and following.is_word and following.text.startswith(_han_heads())
    return following.text in listed("heads") and token.text not in ("sock", "socks")


@lru_cache(maxsize=1)
def _han_heads() -> tuple[str, ...]:
    return tuple(sorted(head for head in listed("heads") if HAN.match(head)))
