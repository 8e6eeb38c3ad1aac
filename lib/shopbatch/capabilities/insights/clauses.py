"""Splits the title and the text of a review into clauses, with their positions in the column.

A clause is the shortest part that says one thing. Sentences are split because customers praise and complain within one
sentence, and one vector for the whole sentence cannot tell praise from complaint. Sentences end at . ! ? and their
Chinese forms, at semicolons and at line breaks. Inside a sentence, a new clause begins at a word of contrast ("but"),
after a Chinese comma, and after a Latin comma if the parts on both sides of it are long enough. A part that is too
short to say something is joined to the part before it.

Used by `analyse_reviews`, by training, and to choose sentences for labelling. The words are in `clauses.yaml`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the splitting rules, clauses.yaml included; a part of the recipe
MIN_WORDS = 3  # a shorter part joins its neighbour; one that begins with a Han character needs one more
COMMA_WORDS = 4  # least words on either side of a Latin comma at which a clause ends
MAX_CHARACTERS = 240  # longest clause; a longer part is cut at a blank or comma if possible

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
    """The words of one language in `clauses.yaml` that decide where a clause begins."""

    contrast: tuple[str, ...]
    linked: tuple[str, ...]
    abbreviations: tuple[str, ...]


class _Sections(WordFile):
    """The content of `clauses.yaml`: the words of each language."""

    en: _Words
    zh: _Words


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a review: the shortest part that says one thing.

    Attributes:
        column: The column of the review that holds the clause, `title` or `text`.
        start, end: Position of the clause in that column, in characters (code points); `end` is exclusive.
        text: The text of the clause.
    """

    column: str
    start: int
    end: int
    text: str


def review_clauses(title: str | None, text: str | None) -> list[Clause]:
    """Split a review's title and text into clauses, in reading order and without overlap; [] if both are empty."""
    columns = (("title", title), ("text", text))
    return [Clause(name, a, b, value[a:b]) for name, value in columns if value for a, b in split(value)]


def split(text: str) -> list[tuple[int, int]]:
    """Split a text into clauses.

    Returns:
        (start, end) of each clause in characters, in order and without overlap; `end` is exclusive. No clause begins or
        ends with white space, each has a letter or digit, and every letter and digit of the text is in one of them.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _sentences(text):
        parts = [p for a, b in _parts(text, start, end) if (p := _trim(text, a, b)) is not None]
        for a, b in _join(text, parts):
            spans.extend(_bounded(text, a, b))
    return spans


def _sentences(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each sentence; the dot of an abbreviation such as "approx." does not end one."""
    cuts, start = [], 0
    for match in _END.finditer(text):
        if match[0].startswith(".") and len(match[0]) == 1 and _is_abbreviation(text, match.start()):
            continue
        cuts.append((start, match.end()))
        start = match.end()
    return [*cuts, (start, len(text))]


def _is_abbreviation(text: str, dot: int) -> bool:
    """Return True if the word before the dot at this position is an abbreviation of `clauses.yaml`."""
    word = re.search(r"[\w.]*$", text[max(0, dot - 12) : dot])
    return word is not None and word[0].lower() in _patterns().abbreviations


def _parts(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut the sentence [start, end) at commas, brackets, dashes and words of contrast.

    Returns:
        (start, end) of each part, from left to right.
    """
    patterns, parts, begin = _patterns(), [], start
    for match in patterns.cut.finditer(text, start, end):
        at = match.start() if match.lastgroup == "word" or match[0] in "(（" else match.end()
        if at <= begin or not _may_cut(text, match, begin, end):
            continue
        parts.append((begin, at))
        begin = at
    return [*parts, (begin, end)]


def _may_cut(text: str, match: re.Match[str], begin: int, end: int) -> bool:
    """Return False for a Latin comma with fewer than COMMA_WORDS words on either side; True for any other mark or word.

    A comma next to a Han character always cuts, since Chinese writers often use the Latin comma.

    Args:
        text: The whole text.
        match: The mark or word at which the sentence may be cut.
        begin: Start of the part that would end here.
        end: End of the sentence.
    """
    if match.lastgroup == "word" or match[0] != ",":
        return True
    after, before = text[match.end() : match.end() + 120], text[begin : match.start()]
    if _is_han(before[-1:]) or _is_han(after[:1]):
        return True
    following = after[: min(len(after), max(0, end - match.end()))].split(",")[0]
    return _units(before) >= COMMA_WORDS and _units(following) >= COMMA_WORDS


def _join(text: str, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join each part that is too short to the part before it; a first part that is too short takes in the second."""
    joined: list[tuple[int, int]] = []
    for a, b in parts:
        if joined and (_is_short(text[a:b]) or _is_short(text[joined[-1][0] : joined[-1][1]])):
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def _is_short(part: str) -> bool:
    """Return True if a part has fewer than MIN_WORDS words (MIN_WORDS + 1 if it begins with a Han character)."""
    return _units(part) < (MIN_WORDS + 1 if _is_han(part[:1]) else MIN_WORDS)


def _bounded(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut the part [start, end) into pieces of at most MAX_CHARACTERS; return (start, end) of each, trimmed.

    A piece ends at the last blank or comma in its second half; if there is none, after MAX_CHARACTERS.
    """
    pieces = []
    while end - start > MAX_CHARACTERS:
        window = text[start : start + MAX_CHARACTERS]
        at = max(window.rfind(mark) for mark in (" ", ",", "，", "、", "\u3000"))
        at = start + (at + 1 if at >= MAX_CHARACTERS // 2 else MAX_CHARACTERS)
        pieces.append((start, at))
        start = at
    return [p for a, b in [*pieces, (start, end)] if (p := _trim(text, a, b)) is not None]


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return (start, end) without white space, commas, dashes and bullets at the edges.

    Returns:
        None if the span [start, end) has no letter or digit.
    """
    if _UNIT.search(text, start, end) is None:
        return None
    while text[start] in _EDGE or text[start].isspace():
        start += 1
    while text[end - 1] in _EDGE or text[end - 1].isspace():
        end -= 1
    return start, end


def _units(part: str) -> int:
    """Return the number of words in a part; each Han character, kana or hangul syllable counts as one word."""
    return sum(1 for _ in _UNIT.finditer(part))


def _is_han(character: str) -> bool:
    return bool(character) and "\u3400" <= character <= "\u9fff"


@dataclass(frozen=True)
class _Patterns:
    """The compiled content of `clauses.yaml`.

    Attributes:
        cut: Matches where a sentence may be cut: a punctuation mark (group `mark`) or a word (group `word`).
        abbreviations: Words in lower case whose final dot does not end a sentence, without that dot.
    """

    cut: re.Pattern[str]
    abbreviations: frozenset[str]


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    """Return the compiled patterns of `clauses.yaml`, which is read once per process."""
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
