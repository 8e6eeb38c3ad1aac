"""Which values the tokens of a query name: brands that are words, and values that speak of something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.capabilities.search.understanding.tokens import Token
from shopbatch.capabilities.search.understanding.vocabulary import HAN, Value, key_of
from shopbatch.capabilities.search.understanding.words import is_english, listed


@dataclass(frozen=True)
class Phrase:
    """The tokens of a query, and what each of them names.

    Attributes:
        raw: The query as it is.
        tokens: Its tokens.
        values: For each token the values that it names where it stands.
        late: For each token the values that it names if it is excluded or demanded.
    """

    raw: str
    tokens: Sequence[Token]
    values: Sequence[tuple[Value, ...]]
    late: Sequence[tuple[Value, ...]]

    def is_part(self, at: int) -> bool:
        """Whether a token names a part or a motif."""
        return 0 <= at < len(self.tokens) and self.tokens[at].has("parts")

    def is_word(self, at: int) -> bool:
        """Whether a token may be part of a feature's name; a value that speaks of another thing may."""
        token = self.tokens[at]
        return token.is_word or bool(token.entry.values and not token.entry.roles and not self.late[at])

    def adjoining(self, at: int) -> bool:
        """Whether no space stands between a token and the one before it."""
        return at > 0 and self.tokens[at].start == self.tokens[at - 1].end


def name_values(raw: str, tokens: Sequence[Token]) -> Phrase:
    """Say what the tokens of a query name.

    Args:
        raw: The query as it is: a brand that is a common word has a capital letter.
        tokens: Its tokens.
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
        return ()  # 夏 in 夏普, 鞋 in 鞋拔
    if values and values[0][0] in ("age", "gender") and _is_told_of(tokens, at):
        return ()
    return values


def _is_told_of(tokens: Sequence[Token], at: int) -> bool:
    """Whether a person only does something: "the kids keep spilling"."""
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    if any(t.text.startswith(("给他", "给她", "给它")) or t.text in ("for him", "for her") for t in tokens[at + 1 :]):
        return False
    return following is not None and any(
        following.text == word or (HAN.match(word) and following.is_word and following.text.startswith(word))
        for word in listed("doing")
    )


def _goes_on(tokens: Sequence[Token], at: int) -> bool:
    """Whether characters that nobody knows follow directly."""
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
    """Whether a type of product or 的 follows, with nothing but values between; after a colour the end of a clause."""
    if tokens[at].entry.late[0][0] == "colour" and HAN.match(tokens[at].text) and _ends(tokens, at):
        return True
    for i in range(at + 1, len(tokens)):
        if tokens[i].text == "的" or (values[i] and values[i][0][0] == "type"):
            return True
        if not values[i]:
            return False
    return False


def _is_of_another_thing(tokens: Sequence[Token], at: int) -> bool:
    """Whether what follows or stands before makes of a value the name, or the likeness, of another thing."""
    token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
    before = at - 1
    while before >= 0 and tokens[before].text in ("a", "the", "an", "my", "your", "with", "of", "我", "我的"):
        before -= 1
    if token.type is None and before >= 0 and tokens[before].has("unlike") and not tokens[before].has("exclude"):
        return True
    if token.entry.brand and at and tokens[at - 1].text == "for":  # a case for a phone of that brand
        return True
    if following is None or following.type or following.sign or following.measure is not None or following.has("parts"):
        return False
    if HAN.match(following.text):
        return following.start == token.end and following.is_word and following.text.startswith(_han_heads())
    return following.text in listed("heads") and token.text not in ("sock", "socks")


@lru_cache(maxsize=1)
def _han_heads() -> tuple[str, ...]:
    return tuple(sorted(head for head in listed("heads") if HAN.match(head)))
