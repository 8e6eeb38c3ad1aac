"""The language of a text, by its script or by a classifier."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

HAN_SHARE = 0.15  # share of Han characters from which a text counts as Chinese
_ENGLISH_WORDS = frozenset((
    "the", "a", "an", "and", "with", "for", "in", "of", "to", "from", "by", "it", "is", "this", "these", "are", "comes",
))  # fmt: skip


def detect_language(texts: pa.Array) -> pa.Array:
    """Return the language that the script of each text shows.

    Args:
        texts: string [n].

    Returns:
        "zh", "ja", "ko" or null, string [n]. Latin letters alone do not show a language.
    """
    is_ascii = pc.string_is_ascii(texts)
    if pc.all(is_ascii).as_py():
        return pa.nulls(len(texts), pa.string())
    others = texts.take(pc.indices_nonzero(pc.invert(is_ascii)))
    han = pc.divide(pc.cast(pc.count_substring_regex(others, r"\p{Han}"), pa.float64()), pc.utf8_length(others))
    code = pc.if_else(pc.greater_equal(han, HAN_SHARE), "zh", pa.scalar(None, pa.string()))
    code = pc.if_else(pc.match_substring_regex(others, r"[\p{Hiragana}\p{Katakana}]"), "ja", code)
    code = pc.if_else(pc.match_substring_regex(others, r"\p{Hangul}"), "ko", code)
    return pc.replace_with_mask(pa.nulls(len(texts), pa.string()), pc.invert(is_ascii), code)


def is_written_in(text: str, language: str) -> bool:
    """Tell whether a text is in a language: Chinese by its script, any other by py3langid.

    Args:
        text: Some sentences.
        language: Two letters, such as "zh" or "en".
    """
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    letters = sum(c.isalpha() for c in text) or 1
    if language == "zh":
        return han > 0.4 * letters
    if han > 0.02 * letters:
        return False
    from py3langid import classify

    if classify(" ".join(text.lower().split()))[0] == language:
        return True
    # a classifier takes short copy full of names for a foreign language, but its small words are English
    return language == "en" and len(_ENGLISH_WORDS & set(re.findall(r"[a-z]+", text.lower()))) >= 3
