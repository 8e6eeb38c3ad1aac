"""Detects the language of a text, by its script or by the classifier py3langid."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# Languages that `guess_language` tells apart. Among all 97 of py3langid, short German becomes Luxembourgish.
GUESSED = (
    *("ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "id", "it"),
    *("lt", "lv", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "vi"),
)
SURE = 0.3  # least confidence of a guess; `guess_language` reports the accuracy with it
_READ = 400  # characters that a guess reads; more only take longer
HAN_SHARE = 0.15  # least share of Han characters in a Chinese text
_ENGLISH_WORDS = frozenset((
    "the", "a", "an", "and", "with", "for", "in", "of", "to", "from", "by", "it", "is", "this", "these", "are", "comes",
))  # fmt: skip


def detect_language(texts: pa.Array) -> pa.Array:
    """Return the language of each text as far as its script tells it; vectorised and fast.

    Args:
        texts: string [n].

    Returns:
        "zh", "ja", "ko" or null, string [n]. Null for other scripts: Latin letters alone do not tell a language.
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


def guess_language(texts: pa.Array) -> pa.Array:
    """Return the language of each text: by its script, or else by the classifier py3langid.

    It reads about 4,000 texts per second and core, so use it in stages where an encoder reads the texts anyway, not
    while a file is loaded. Of the 72 sentences of 2 to 8 words in six languages of tests/text/test_language.py it
    recognises 70; none is taken for another language, the other two are null.

    Args:
        texts: string [n].

    Returns:
        An ISO 639-1 code of GUESSED, "zh", "ja" or "ko"; null if the text gives no clear hint; string [n].
    """
    by_script = detect_language(texts)
    pairs = zip(texts.to_pylist(), by_script.to_pylist(), strict=True)
    guesses = [_guess(text) if script is None else None for text, script in pairs]
    return pc.coalesce(by_script, pa.array(guesses, pa.string()))


def _guess(text: str | None) -> str | None:
    if not text or not any(c.isalpha() for c in text):
        return None
    language, confidence = load_classifier().classify(text[:_READ].lower())
    return str(language) if confidence >= SURE else None


@lru_cache(maxsize=1)
def load_classifier() -> Any:
    """Load the classifier of `guess_language` once per process, which takes about a second.

    Returns:
        A py3langid classifier limited to the languages GUESSED. (`is_written_in` uses py3langid's own instance, which
        knows all 97 languages.)
    """
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(GUESSED)
    return identifier


def is_written_in(text: str, language: str) -> bool:
    """Return True if a text is in a language: Chinese by its script, any other by py3langid.

    Args:
        text: Some sentences.
        language: ISO 639-1 code, such as "zh" or "en".
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
    # the classifier misjudges short copy full of names, but its function words are English
    return language == "en" and len(_ENGLISH_WORDS & set(re.findall(r"[a-z]+", text.lower()))) >= 3
