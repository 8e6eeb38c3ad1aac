"""Splits texts into the terms that the lexical index counts: words, stems, codes, characters and pairs of characters.

- Text in Han characters, kana, Hangul or Thai, which has no spaces between words, gives its characters and the pairs of
  neighbours. Word segmentation is not needed: characters alone rank Chinese product copy better than segmented words.
- Other text gives whole words in small letters without accents, and their stems (Snowball's English stemmer, Porter
  2001, which is also known as Porter2).
- A word of letters and digits, or with a hyphen, slash or full stop inside, is a code. It is kept whole without its
  separators (tn2110) and also gives its parts (tn, 2110), so that 12-in, 12in and 12 in find each other.

A term is a text whose first character is its kind ("=" word, "~" stem, "#" code, "'" character, '"' pair).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import polars as pl
import snowballstemmer

VERSION = 1  # of the splitting rules; an index of another version is built again
WORD, STEM, CODE, CHARACTER, PAIR = "=", "~", "#", "'", '"'
KINDS = (WORD, STEM, CODE, CHARACTER, PAIR)

# Scripts without spaces between words: kana, Han, Hangul, Thai and neighbours; first and last code point.
_UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3041, 0x30FF), (0x31F0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0x20000, 0x323AF)),
)
UNSPACED = "".join(f"{chr(a)}-{chr(b)}" for a, b in _UNSPACED)  # the scripts as a character class of `re`
_CLASS = "".join(rf"\x{{{a:x}}}-\x{{{b:x}}}" for a, b in _UNSPACED)
_TOKEN = rf"[\p{{L}}\p{{M}}\p{{N}}--{_CLASS}]+(?:[.'’/-][\p{{L}}\p{{M}}\p{{N}}--{_CLASS}]+)*"
_PART = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")
_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
_PIECE = re.compile(r"[^\W_]+(?:[.'’/-][^\W_]+)*")
_RUNS = re.compile(rf"[{UNSPACED}]+|[^{UNSPACED}]+")
_STEMMER = snowballstemmer.stemmer("english")


def terms_of(texts: pl.Series) -> pl.DataFrame:
    """Split texts into terms and count them.

    Args:
        texts: String [n]; a null has no terms.

    Returns:
        One row per text and distinct term, unordered: row (UInt32, the text's number), term (String) and count
        (UInt32).
    """
    folded = texts.fill_null("").str.normalize("NFKC").str.to_lowercase()
    pieces = [_words(folded), *_characters(folded)]
    return pl.concat(pieces).group_by("row", "term").agg(pl.len().cast(pl.UInt32).alias("count"))


def _words(texts: pl.Series) -> pl.DataFrame:
    """Return the terms of the words of texts, columns row and term; each distinct word is split once."""
    tokens = texts.str.extract_all(_TOKEN)
    frame = pl.DataFrame({"row": pl.arange(0, len(texts), eager=True, dtype=pl.UInt32), "token": tokens})
    frame = frame.explode("token").drop_nulls()
    known = frame["token"].unique()
    parts = pl.DataFrame(
        {"token": known, "term": pl.Series([word_terms(t) for t in known.to_list()], dtype=pl.List(pl.String))}
    ).explode("term")
    return frame.join(parts.drop_nulls(), on="token").select("row", "term")


@lru_cache(maxsize=200_000)
def word_terms(token: str) -> list[str]:
    """Return the terms of one lower-case word: for each part the word and its stem, and for a code the whole as well.

    "tn-2110" gives =tn, ~tn, =2110, ~2110 and #tn2110.
    """
    token = re.sub(r"['’]s$", "", token)
    letters = "".join(c for c in unicodedata.normalize("NFKD", token) if not unicodedata.combining(c))
    parts = _PART.findall(letters.replace("'", "").replace("’", ""))
    terms = [x for part in parts for x in (WORD + part, STEM + _stem(part))]
    whole = re.sub(r"['’.-]", "", letters)
    return [*terms, CODE + whole] if len(parts) > 1 else terms


def pieces(text: str) -> Iterator[str]:
    """Yield a text's words, and its runs of characters without spaces ("dog 狗粮" -> "dog", "狗粮"), in order."""
    for token in _PIECE.findall(text):
        yield from [token] if token.isascii() else _RUNS.findall(token)


def is_unspaced(character: str) -> bool:
    """Return True if a character is of a script without spaces between words (Han, kana, Hangul, Thai, ...)."""
    return _IS_UNSPACED.match(character) is not None


def _stem(word: str) -> str:
    return str(_STEMMER.stemWord(word)) if word.isascii() and word.isalpha() else word


def _characters(texts: pl.Series) -> list[pl.DataFrame]:
    """Return the terms of scripts without spaces, columns row and term: single characters, and pairs of neighbours."""
    points = np.frombuffer("".join(texts.to_list()).encode("utf-32-le", "surrogatepass"), np.uint32)
    rows = np.repeat(np.arange(len(texts), dtype=np.uint32), texts.str.len_chars().to_numpy())
    unspaced = np.zeros(len(points), bool)
    for first, last in _UNSPACED:
        unspaced |= (points >= first) & (points <= last)
    if not unspaced.any():
        return []
    both = unspaced[:-1] & unspaced[1:] & (rows[:-1] == rows[1:])
    wide = points.astype(np.uint64)
    pairs = (wide[:-1] << np.uint64(32) | wide[1:])[both]
    return [
        _named(rows[unspaced], wide[unspaced], CHARACTER),
        _named(rows[:-1][both], pairs, PAIR),
    ]


def _named(rows: np.ndarray, codes: np.ndarray, kind: str) -> pl.DataFrame:
    """Turn code points into terms of a kind.

    Args:
        rows: The number of the text of each term, [n].
        codes: One code point each, or two (the first one in the high 32 bits), uint64 [n].
        kind: The first character of the terms: CHARACTER or PAIR.

    Returns:
        The columns row and term, [n].
    """
    distinct, at = np.unique(codes, return_inverse=True)
    names = [kind + (chr(c >> 32) if c >> 32 else "") + chr(c & 0xFFFFFFFF) for c in distinct.tolist()]
    return pl.DataFrame({"row": rows, "term": pl.Series(names, dtype=pl.String).gather(at)})
