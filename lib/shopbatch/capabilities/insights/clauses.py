"""Title and text of a review -> clauses, with their places in the column.

A clause is the shortest part that says one thing: customers praise and complain within one sentence, and a vector of
the whole sentence cannot tell which is which. Sentences end at . ! ? and their Chinese forms, and at line breaks;
inside a sentence a clause begins after a Chinese comma, after a long enough part before a comma, and at a word of
contrast. Parts that are too short to say something join the part before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of all that decides where a clause begins and ends
MIN_WORDS = 3  # fewer words, or half as many Han characters more, do not make a clause
COMMA_WORDS = 4  # words that a part needs on both sides of a comma that is not Chinese
MAX_CHARACTERS = 240  # a longer part is cut at white space or a comma, or anywhere

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KANA = r"\u3040-\u30ff\uac00-\ud7af"
_UNIT = re.compile(rf"[{_HAN}{_KANA}]|[^\W_{_HAN}{_KANA}]+(?:['’][^\W\d_]+)?")
_CLOSERS = r"[\"'”’»)\]）】」』]*"
_END = re.compile(
    rf"[!?。！？…]+{_CLOSERS}|\.{{2,}}|\.{_CLOSERS}(?=\s|$|[A-Z{_HAN}])|[;；]+|[\n\r\u2028\u2029]+|[~～]{{2,}}"
)
_COMMA = re.compile(
    r"(?<!\d),|,(?!\d)|，|、(?=[^、]{12})|\s[-–—]+\s|——|\s{3,}|[(（]|[)）](?=\s*\w)|[:：](?=\s|[" + _HAN + "])"
)
_EDGE = " \t\n\r\u3000\xa0,，、;；:：-–—~～*·•"


class _Words(WordFile):
    contrast: tuple[str, ...]
    linked: tuple[str, ...]
    abbreviations: tuple[str, ...]


class _Sections(WordFile):
    en: _Words
    zh: _Words


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a review that says one thing.

    Attributes:
        column: title or text.
        start, end: Where it stands in the column, in characters (code points); `end` is exclusive.
        text: What stands there.
    """

    column: str
    start: int
    end: int
    text: str


def review_clauses(title: str | None, text: str | None) -> list[Clause]:
    """Split a review; the clauses come in the order of reading and do not overlap."""
    columns = (("title", title), ("text", text))
    return [Clause(name, a, b, value[a:b]) for name, value in columns if value for a, b in split(value)]


def split(text: str) -> list[tuple[int, int]]:
    """Split a text into clauses.

    Returns:
        (start, end) of each clause in characters, in order, without overlap. No clause begins or ends with white space,
        each has a letter or digit, and every letter and digit of the text is in one of them.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _sentences(text):
        parts = [p for a, b in _parts(text, start, end) if (p := _trim(text, a, b)) is not None]
        for a, b in _join(text, parts):
            spans.extend(_bounded(text, a, b))
    return spans


def _sentences(text: str) -> list[tuple[int, int]]:
    cuts, start = [], 0
    for match in _END.finditer(text):
        if match[0].startswith(".") and len(match[0]) == 1 and _is_abbreviation(text, match.start()):
            continue
        cuts.append((start, match.end()))
        start = match.end()
    return [*cuts, (start, len(text))]


def _is_abbreviation(text: str, dot: int) -> bool:
    word = re.search(r"[\w.]*$", text[max(0, dot - 12) : dot])
    return word is not None and word[0].lower() in _patterns().abbreviations


def _parts(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut a sentence at commas and words of contrast, from left to right."""
    patterns, parts, begin = _patterns(), [], start
    for match in patterns.cut.finditer(text, start, end):
        at = match.start() if match.lastgroup == "word" or match[0] in "(（" else match.end()
        if at <= begin or not _may_cut(text, match, begin, end):
            continue
        parts.append((begin, at))
        begin = at
    return [*parts, (begin, end)]


def _may_cut(text: str, match: re.Match[str], begin: int, end: int) -> bool:
    if match.lastgroup == "word" or match[0] != ",":
        return True
    after, before = text[match.end() : match.end() + 120], text[begin : match.start()]
    if _is_han(before[-1:]) or _is_han(after[:1]):
        return True
    following = after[: min(len(after), max(0, end - match.end()))].split(",")[0]
    return _units(before) >= COMMA_WORDS and _units(following) >= COMMA_WORDS


def _join(text: str, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join a part that is too short to the part before; the first one, to the part after it."""
    joined: list[tuple[int, int]] = []
    for a, b in parts:
        if joined and (_is_short(text[a:b]) or _is_short(text[joined[-1][0] : joined[-1][1]])):
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def _is_short(part: str) -> bool:
    return _units(part) < (MIN_WORDS + 1 if _is_han(part[:1]) else MIN_WORDS)


def _bounded(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut what is longer than MAX_CHARACTERS, at the last white space or comma within them if there is one."""
    pieces = []
    while end - start > MAX_CHARACTERS:
        window = text[start : start + MAX_CHARACTERS]
        at = max(window.rfind(mark) for mark in (" ", ",", "，", "、", "\u3000"))
        at = start + (at + 1 if at >= MAX_CHARACTERS // 2 else MAX_CHARACTERS)
        pieces.append((start, at))
        start = at
    return [p for a, b in [*pieces, (start, end)] if (p := _trim(text, a, b)) is not None]


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The part without what stands at its edges; None if no letter or digit is in it."""
    if _UNIT.search(text, start, end) is None:
        return None
    while text[start] in _EDGE or text[start].isspace():
        start += 1
    while text[end - 1] in _EDGE or text[end - 1].isspace():
        end -= 1
    return start, end


def _units(part: str) -> int:
    """Words of a part; a Han character, kana or hangul syllable counts as one."""
    return sum(1 for _ in _UNIT.finditer(part))


def _is_han(character: str) -> bool:
    return bool(character) and "\u3400" <= character <= "\u9fff"


@dataclass(frozen=True)
class _Patterns:
    cut: re.Pattern[str]
    abbreviations: frozenset[str]


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    words = read_words(_Sections, __package__, "clauses.yaml")
    spaced: list[str] = []
    joined: list[str] = []
    for section in (words.en, words.zh):
        for word in (*section.contrast, *section.linked):
            (spaced if word.isascii() else joined).append(word)
    ascii_words = "|".join(rf"{re.escape(w)}\b" for w in sorted(spaced, key=len, reverse=True))
    others = "|".join(map(re.escape, sorted(joined, key=len, reverse=True)))
    cut = re.compile(rf"(?P<mark>{_COMMA.pattern})|(?P<word>\b(?:{ascii_words})|{others})", re.I)
    return _Patterns(cut, frozenset((*words.en.abbreviations, *words.zh.abbreviations)))
