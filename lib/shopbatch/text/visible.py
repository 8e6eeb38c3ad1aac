"""Tells whether a text contains anything that a reader could see or read (visible.yaml).

Zero-width characters, soft hyphens, fillers, empty HTML, punctuation alone and `N/A` count as no word. A digit, an
emoji or an emoticon counts as one. Stages reject rows without a word.
"""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.text.markup import plain_text
from shopbatch.text.signs import holds_any
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the definition of a word; stages that use it include it in their `checks`
# most texts begin with two ordinary words (or a few Chinese characters) and need no closer look
_ORDINARY = r"(?:[0-9A-Za-z]{3,}[ ,.!?'-]+[0-9A-Za-z]{3,}|[\p{Han}\p{Hiragana}\p{Katakana}]{4})"
_HTML, _TAGS = b"<&", r"<[^<>]*>|&[#\w]+;?"
_HIDING = "(?i)<!|<s(?:cript|tyle)"  # HTML whose content is hidden too, not only the tags
# letters, digits and signs; the last range holds emoji that Unicode may have named later than RE2 knows
_SEEN = r"[\p{L}\p{N}\p{So}\p{Sc}\p{Sm}\x{1F000}-\x{1FAFF}]"
_PLAIN_SIGNS = r"<>=|~¬"  # mathematical signs that are mostly used for lines and frames
_AROUND = " \t\r\n\v\f'\"`“”‘’«»()[]{}<>#.,;:!?*_-–—/"


class _Visible(WordFile):
    """The word lists of visible.yaml; the comments there explain the fields."""

    placeholders: tuple[str, ...]
    unseen: str
    emoticons: tuple[str, ...]


@lru_cache(maxsize=1)
def _words() -> _Visible:
    return read_words(_Visible, "shopbatch.text", "visible.yaml")


def is_visible(texts: pa.Array) -> pa.Array:
    """Return a mask of the texts that have at least one visible character, even if only a full stop or `N/A`.

    Args:
        texts: string or large_string [n], valid UTF-8; a null has no visible character.

    Returns:
        bool [n] without nulls.
    """
    return pc.match_substring_regex(_read(texts), r"[^\p{Z}\p{C}\p{M}]")


def has_word(texts: pa.Array) -> pa.Array:
    """Return a mask of the texts that contain something to read: a word, a digit, an emoji or an emoticon.

    Args:
        texts: string or large_string [n], valid UTF-8; a null contains nothing.

    Returns:
        bool [n] without nulls. HTML is read as a browser shows it; `N/A` and similar placeholders are no word.
    """
    seen = _has_ordinary_words(texts)
    unsure = pc.invert(seen)
    if not pc.any(unsure).as_py():
        return seen
    return pc.replace_with_mask(seen, unsure, _looked_at(texts.filter(unsure)))


def _has_ordinary_words(texts: pa.Array) -> pa.Array:
    """Return a mask of the texts that surely have words, by a fast test, bool [n].

    False means that `has_word` must examine the text more closely. In HTML the test looks only at text that cannot be
    part of a tag.
    """
    html = holds_any(texts, _HTML)
    if pc.any(html).as_py():
        hiding = pc.match_substring_regex(texts, _HIDING)
        texts = pc.if_else(html, pc.replace_substring_regex(texts, _TAGS, "\n"), texts)
        texts = pc.if_else(hiding, pa.scalar("", texts.type), texts)
    return pc.fill_null(pc.match_substring_regex(texts, _ORDINARY), False)


def _looked_at(texts: pa.Array) -> pa.Array:
    """Return what `has_word` returns for these texts, by the slow and exact test, bool [n]."""
    words, read = _words(), _read(texts)
    bare = pc.replace_substring_regex(read, f"[{_PLAIN_SIGNS}]", "")
    seen = pc.match_substring_regex(bare, _SEEN)
    visible = pc.replace_substring_regex(bare, r"[\p{C}\p{M}\p{Z}]+", " ")
    alone = pc.utf8_lower(pc.utf8_trim(visible, characters=_AROUND))
    seen = pc.and_not(seen, pc.is_in(alone, pa.array(words.placeholders, alone.type)))
    return pc.or_(seen, pc.match_substring_regex(read, "|".join(words.emoticons)))


def _read(texts: pa.Array) -> pa.Array:
    """Return the texts as a browser shows them, without letters that are drawn as nothing; a null becomes ""."""
    return pc.replace_substring_regex(plain_text(pc.fill_null(texts, "")), f"[{_words().unseen}]", "")
