"""Whether a reader would see a word in a text (visible.yaml).

Zero-width characters, soft hyphens, fillers, empty HTML, punctuation alone and `N/A` say nothing. A digit, an emoji or
an emoticon does.
"""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.text.markup import plain_text
from shopbatch.text.signs import holds_any
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of what counts as a word; stages whose check uses it name it in their `checks`
# most texts begin with two ordinary words (or a few Chinese characters) and need no closer look
_ORDINARY = r"(?:[0-9A-Za-z]{3,}[ ,.!?'-]+[0-9A-Za-z]{3,}|[\p{Han}\p{Hiragana}\p{Katakana}]{4})"
_HTML, _TAGS = b"<&", r"<[^<>]*>|&[#\w]+;?"
_HIDING = "(?i)<!|<s(?:cript|tyle)"  # HTML of which more than the tags is not seen
# letters, digits and signs; the last range holds emoji that Unicode may have named later than RE2 knows
_SEEN = r"[\p{L}\p{N}\p{So}\p{Sc}\p{Sm}\x{1F000}-\x{1FAFF}]"
_PLAIN_SIGNS = r"<>=|~¬"  # signs that are mathematics by name and lines and frames by use
_AROUND = " \t\r\n\v\f'\"`“”‘’«»()[]{}<>#.,;:!?*_-–—/"


class _Visible(WordFile):
    """The words of visible.yaml, where the fields are explained."""

    placeholders: tuple[str, ...]
    unseen: str
    emoticons: tuple[str, ...]


@lru_cache(maxsize=1)
def _words() -> _Visible:
    return read_words(_Visible, "shopbatch.text", "visible.yaml")


def is_visible(texts: pa.Array) -> pa.Array:
    """Tell which texts hold anything that a reader could see, be it a full stop or `N/A`.

    Args:
        texts: string or large_string [n], valid UTF-8; null holds nothing.

    Returns:
        bool [n], no nulls.
    """
    return pc.match_substring_regex(_read(texts), r"[^\p{Z}\p{C}\p{M}]")


def has_word(texts: pa.Array) -> pa.Array:
    """Tell which texts hold anything that a reader could see and read.

    Args:
        texts: string or large_string [n], valid UTF-8; null holds nothing.

    Returns:
        bool [n], no nulls. HTML is read as a browser shows it; `N/A` and its like are no word.
    """
    seen = _has_ordinary_words(texts)
    unsure = pc.invert(seen)
    if not pc.any(unsure).as_py():
        return seen
    return pc.replace_with_mask(seen, unsure, _looked_at(texts.filter(unsure)))


def _has_ordinary_words(texts: pa.Array) -> pa.Array:
    """Find most of the texts that have words, fast; in HTML only outside of anything that may be a tag."""
    html = holds_any(texts, _HTML)
    if pc.any(html).as_py():
        hiding = pc.match_substring_regex(texts, _HIDING)
        texts = pc.if_else(html, pc.replace_substring_regex(texts, _TAGS, "\n"), texts)
        texts = pc.if_else(hiding, pa.scalar("", texts.type), texts)
    return pc.fill_null(pc.match_substring_regex(texts, _ORDINARY), False)


def _looked_at(texts: pa.Array) -> pa.Array:
    words, read = _words(), _read(texts)
    bare = pc.replace_substring_regex(read, f"[{_PLAIN_SIGNS}]", "")
    seen = pc.match_substring_regex(bare, _SEEN)
    visible = pc.replace_substring_regex(bare, r"[\p{C}\p{M}\p{Z}]+", " ")
    alone = pc.utf8_lower(pc.utf8_trim(visible, characters=_AROUND))
    seen = pc.and_not(seen, pc.is_in(alone, pa.array(words.placeholders, alone.type)))
    return pc.or_(seen, pc.match_substring_regex(read, "|".join(words.emoticons)))


def _read(texts: pa.Array) -> pa.Array:
    """The texts as a browser shows them, without the letters that look like nothing; no nulls."""
    return pc.replace_substring_regex(plain_text(pc.fill_null(texts, "")), f"[{_words().unseen}]", "")
