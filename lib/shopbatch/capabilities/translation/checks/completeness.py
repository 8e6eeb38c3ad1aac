"""Checks that a translation is complete: expected length, right language, nothing left untranslated or repeated.

In this file, "text" is the original that was translated. Words that the translation repeats are a fault only if the
text repeats none. `check.check` runs these checks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

from shopbatch.capabilities.translation.atoms import atoms
from shopbatch.grounding.sentences import sentences
from shopbatch.text.clauses import (
    clause_language,
    clauses,
    foreign_language,
    foreign_part,
    han_share,
    likeliest,
    surely_foreign,
    words_of,
)
from shopbatch.text.vocabulary import is_english
from shopbatch.text.word_files import WordFile, read_words

VERSION = 3
_RUN = 4  # so many equal words in a row in text and translation count as not translated
_RUN_LETTERS = 14
_TELLING, _FEW, _SAME = 4, 3, 0.7  # least letters of a word, least words, share of words that the text has
# a full stop that does not end a sentence: excl. tax, am 9. November
_POINTED = re.compile(
    r"\b(?:std|min|max|m[íi]n|m[áa]x|excl|incl|inkl|exkl|zzgl|ca|nr|vol|approx|aprox|bzw|t[ée]l|art|ref|z\.b|p\.ej|uds?|sra?|st)\."
    r"|(?<![:.,\d])\b\d{1,2}\.(?=\s(?-i:[a-zà-ÿ]))"
    r"|\b(?:am|im|der|die|das|den|dem|zum|zur|vom|bis|ab|seit) \d{1,2}\.(?=\s(?!\d)\w)",
    re.I,
)
_LATIN_WORD = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff]+(?:[-'’][^\W\d_\u3400-\u9fff]+)*")
_PARTS = re.compile(r"[.!?;:。！？；：，、,\n()（）\d]|[\u3400-\u9fff]+")
_LEFT, _LEFT_LIKELY, _LEFT_PAIR = 11, 0.5, 0.85  # least letters of an untranslated part, least probabilities
_LETTERS = re.compile(r"[^\W\d_]")
_SHORTER, _LONGER = 0.1, 0.25  # log length ratios that count if the numbers of sentences differ
_WORDS = 12  # texts with fewer letters are too short to compare
_FEW_LETTERS, _FEW_ROOM, _A_SIGN = 24, 0.3, 2  # a few words may become a single word or sign
_TERSE_LETTERS, _TERSE = 70, 0.08  # more tolerance for short texts from or into Chinese
_LONG = 1.5  # longer translations are tolerated more: a title may need an explanation
_TITLE = 18  # a text with so many words or fewer is a headline
_TWICE = 5  # least letters of a word whose repetition counts
_DOUBLE = frozenset({"vous", "nous", "sich", "dass", "that", "very", "muy", "sehr"})  # may be doubled
_HAN = re.compile(r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]")
_LATIN_WORDS = re.compile(r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'’-]*(?:[ ,]+[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'’-]*){2,}")
_JOINTS = frozenset({"with", "for", "and", "of", "the", "in", "to", "from", "your"})
_LATIN_RUN = re.compile(r"(?:\b[a-zà-ÿ][a-zà-ÿ'’-]+\b[\s,]*){3,}")


class _Lengths(WordFile):
    density: dict[str, float]
    width: float
    short: float


@lru_cache(maxsize=1)
def _lengths() -> _Lengths:
    return read_words(_Lengths, "shopbatch.capabilities.translation.checks", "lengths.yaml")


def measured_languages() -> tuple[str, ...]:
    """Return the ISO 639-1 codes of the languages whose usual text length is known (lengths.yaml)."""
    return tuple(_lengths().density)


def bare(text: str) -> str:
    """Return a text with a blank in place of each atom (placeholder, tag, URL, code, size)."""
    out, last = [], 0
    for atom in atoms(text):
        out.append(text[last : atom.start])
        last = atom.end
    return " ".join([*out, text[last:]])


def _letters(text: str, language: str) -> float:
    """Return the length of a text as the number of letters that an English text of the same meaning usually has."""
    counted = bare(text)
    han = len(_HAN.findall(counted))
    others = sum(c.isalnum() for c in counted) - han
    density = _lengths().density.get(language, 1.0)
    if language in ("zh", "ja", "ko"):
        return han / density + others
    return others / density + han / _lengths().density["zh"]


def length_ratio(one: str, other: str, languages: tuple[str, str]) -> tuple[float, float]:
    """Compare the length of a translation with the length expected from its text.

    Atoms (placeholders, codes, ...) and words that both texts share, such as names, are not measured.

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation.

    Returns:
        (ratio, tolerance). The ratio is the natural logarithm of actual divided by expected length. `length_fault`
        accepts ratios from -tolerance to 1.5 times the tolerance. Texts that are too short to compare give (0, 1).
    """
    shared = set(re.findall(r"[A-Za-z0-9]{2,}", one)) & set(re.findall(r"[A-Za-z0-9]{2,}", other))
    a, b = (
        _letters(re.sub(r"[A-Za-z0-9]{2,}", lambda m: "" if m[0] in shared else m[0], t), c)
        for t, c in zip((one, other), languages, strict=True)
    )
    if max(a, b) < _WORDS:  # only a few letters are left besides numbers and names
        return 0.0, 1.0
    if min(a, b) <= _A_SIGN and max(a, b) < _FEW_LETTERS:  # words became a sign: 0.5 square metres -> 0,5 m²
        return 0.0, 1.0
    if not a or not b:
        return math.copysign(9.0, b - a), 1.0
    few = _FEW_ROOM if min(a, b) < _FEW_LETTERS else _TERSE if "zh" in languages and a < _TERSE_LETTERS else 0.0
    return math.log(b / a), _lengths().width + _lengths().short / math.sqrt(a) + few


def length_fault(one: str, other: str, languages: tuple[str, str]) -> tuple[str, str] | None:
    """Return the fault of a translation that is too short or too long; None if its length is right.

    A translation that is shorter than expected and also has fewer sentences than the text is a fault at a smaller
    difference in length; so is one that is longer and has more sentences.

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation.

    Returns:
        ("missing" or "added", a phrase with the measured numbers).
    """
    ratio, room = length_ratio(one, other, languages)
    if ratio < -room or ratio > _LONG * room:
        factor = f"{math.exp(ratio):.2f} times the expected length"
        return ("missing", factor) if ratio < 0 else ("added", factor)
    before, after = sentences_of(one, parted=False), sentences_of(other)
    chinese = bool({"zh", "ja"} & set(languages))  # commas may separate sentences, so their number says little
    if before > after and ratio < -_least_shorter(languages, room):
        return "missing", f"{after} of {before} sentences, {math.exp(ratio):.2f} times the expected length"
    before, after = sentences_of(one, 2), sentences_of(other, 2, parted=False)
    if not chinese and after > before and ratio > max(_LONGER, 0.5 * room):
        return "added", f"{after} sentences for {before}, {math.exp(ratio):.2f} times the expected length"
    return None


def _least_shorter(languages: tuple[str, str], room: float) -> float:
    """Return how much shorter than expected a translation with fewer sentences than its text may be.

    Args:
        languages: ISO 639-1 codes of text and translation.
        room: The tolerance that `length_ratio` returned.

    Returns:
        Natural logarithm of expected divided by actual length, at least 0.1.
    """
    share = 0.4 if languages[0] == "zh" else 0.5 if languages[1] in ("zh", "ja") else 0.3
    return max(_SHORTER, share * room)


def _letters_of(text: str) -> int:
    """Count the letters of a text, where each Han character is worth three letters."""
    return len(_LETTERS.findall(text)) + 2 * len(_HAN.findall(text))


def sentences_of(text: str, least: int = 12, parted: bool = True) -> int:
    """Count the sentences of a text that have at least `least` letters; the result is at least 1.

    A tag ends a sentence; the point of an abbreviation ("excl.") or of a German ordinal ("9. November") does not.

    Args:
        text: The text.
        least: Least number of letters of a sentence; shorter ones are not counted. A Han character is worth three
            letters.
        parted: Whether a semicolon ends a sentence.
    """
    text = _POINTED.sub(lambda m: m[0][:-1] + " ", re.sub(r"<[^<>]+>", "\n", text))
    pieces = [part for a, b in sentences(text) for part in (re.split(r"[;；]", text[a:b]) if parted else [text[a:b]])]
    return max(1, sum(_letters_of(piece) >= least for piece in pieces))


def language_fault(text: str, language: str, one: str = "") -> str:
    """Return the wrong language that a translation, or a part of it, is written in; "" if the language is right.

    Args:
        text: The translation.
        language: The expected language, ISO 639-1.
        one: The text; words that it shares with the translation, such as names, are ignored.
    """
    shared = set(words_of(one))
    own = " ".join(word for word in words_of(bare(text)) if word not in shared)
    whole = foreign_language(bare(text), language) or surely_foreign(own, language)
    return whole or foreign_part(bare(text), language, one)


def untranslated(one: str, other: str, languages: tuple[str, str], kept: tuple[str, ...] = ()) -> str:
    """Return the first part of a translation that was left in the language of the text; "" for none.

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation.
        kept: Words that may stay untranslated, such as names.
    """
    if languages[0] == "zh":
        han = [run for run in re.findall(r"[\u3400-\u9fff]{2,}", bare(other)) if not any(run in k for k in kept)]
        return han[0] if han else ""
    stays = {word for text in kept for word in words_of(text)}
    if left := _left_clause(one, other, languages, stays):
        return left
    if languages[1] in ("zh", "ja"):
        for m in _LATIN_RUN.finditer(bare(other)):
            words = [w for w in words_of(m[0]) if w not in stays]
            if len(words) >= 3:
                return m[0].strip()
        if run := _left_latin(one, other, stays):
            return run
        return (
            ""
            if han_share(other) > 0.25 or not words_of(other)
            else other[:40]
            if _HAN.search(other) is None and len(words_of(other)) > 3
            else ""
        )
    before, after = words_of(bare(one)), words_of(bare(other))
    if run := _shared_run(before, after, stays):
        return run
    telling = [word for word in after if word not in stays and len(word) >= _TELLING]
    if telling and (
        before == after or (len(telling) >= _FEW and sum(w in before for w in telling) > _SAME * len(telling))
    ):
        return other[:60]
    for clause in clauses(other):
        words = words_of(clause)
        if len(words) >= 3 and clause_language(clause, (languages[0], languages[1])) == languages[0]:
            return clause
    return ""


def _left_clause(one: str, other: str, languages: tuple[str, str], stays: set[str]) -> str:
    """Return a clause of a translation that also stands in the text and is in the text's language; "" for none.

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation.
        stays: Words, in lower case, that may stay untranslated.
    """
    small = f" {' '.join(w.lower() for w in _LATIN_WORD.findall(bare(one)))} "
    bared = bare(other)
    for part in (*_PARTS.split(bared), *(bared[a:b] for a, b in sentences(bared))):
        words = _LATIN_WORD.findall(part)
        telling = [w for w in words if w.lower() not in stays and len(w) > 2]
        if len(telling) < 2 or sum(map(len, words)) < _LEFT or f" {' '.join(words).lower()} " not in small:
            continue
        best, likely, _ = likeliest(" ".join(words))
        if best == languages[0] and likely >= (_LEFT_PAIR if languages[1] == "zh" and len(words) < 3 else _LEFT_LIKELY):
            return part.strip()
    return ""


def _left_latin(one: str, other: str, stays: set[str]) -> str:
    """Return a run of English words that a Chinese or Japanese translation copies from the text; "" for none.

    Runs that consist of names are ignored.

    Args:
        one: The text.
        other: Its translation.
        stays: Words, in lower case, that may stay untranslated.
    """
    small = " ".join(words_of(bare(one)))
    for m in _LATIN_WORDS.finditer(bare(other)):
        words = words_of(m[0])
        telling = [w for w in words if w not in stays and len(w) > 2 and is_english(w)]
        joined = any(w in _JOINTS for w in words[1:-1])
        least = 2 if m[0].islower() else 2 if joined else 4
        if len(telling) >= least and len(words) >= 3 and " ".join(words) in small:
            return m[0].strip()
    return ""


def _shared_run(before: list[str], after: list[str], stays: set[str]) -> str:
    """Return the first four consecutive words that are the same in text and translation; "" for none.

    Four such words are returned only if at least three of them had to be translated, and these have at least 14 letters
    together.

    Args:
        before: Words of the text.
        after: Words of the translation.
        stays: Words that may stay untranslated.
    """
    positions = {tuple(before[i : i + _RUN]) for i in range(len(before) - _RUN + 1)}
    for i in range(len(after) - _RUN + 1):
        run = after[i : i + _RUN]
        telling = [w for w in run if w not in stays]
        if tuple(run) in positions and len(telling) >= 3 and sum(map(len, telling)) >= _RUN_LETTERS:
            return " ".join(run)
    return ""


def repeated(one: str, other: str, languages: tuple[str, str]) -> str:
    """Return words that a translation repeats although its text repeats none; "" for none.

    Args:
        one: The text.
        other: Its translation.
        languages: ISO 639-1 codes of text and translation.
    """
    if doubled := _doubled(other, languages[1]):
        return "" if _doubled(one, languages[0]) else doubled
    longer = _says_twice(one, languages[0])
    again = _repeats(other, languages[1], longer)
    return "" if not again or _repeats(one, languages[0]) else again


def _says_twice(text: str, language: str) -> bool:
    """Return True if a text uses a word of at least 5 letters twice (Chinese, Japanese: 3 characters in a row).

    `repeated` then tolerates longer repetitions in the translation, because a repeated word may need several words
    there.
    """
    if language in ("zh", "ja"):
        pieces = re.findall(r"[\u3400-\u9fff]", text)
        pairs = Counter(zip(pieces, pieces[1:], pieces[2:], strict=False))
        return max(pairs.values(), default=0) > 1
    words = Counter(word for word in words_of(bare(text)) if len(word) >= _TWICE)
    return max(words.values(), default=0) > 1


def _doubled(text: str, language: str) -> str:
    """Return words that are repeated immediately ("super super"); "" for none.

    In Chinese and Japanese these are three to five repeated characters.
    """
    if language in ("zh", "ja"):
        m = re.search(r"([\u3400-\u9fff]{3,5})\s*\1", text)
        return m[0] if m else ""
    for m in re.finditer(r"\b([^\W\d_][\w'’-]*(?:\s+[^\W\d_]+){0,2})(?:\s+|,\s)\1\b", text, re.I):
        words = m[1].lower().split()
        if (len(words) > 1 and sum(map(len, words)) > _TWICE) or (
            len(words) == 1 and len(words[0]) > (4 if "," in m[0] else 3) and words[0] not in _DOUBLE
        ):
            return m[0]
    return ""


def _repeats(text: str, language: str, longer: bool = False) -> str:
    """Return a clause or some words in a row that a text has twice; "" for none.

    Args:
        text: The text.
        language: ISO 639-1 code.
        longer: True to look only for longer repetitions: 6 words in a row instead of 4, or 7 Chinese characters instead
            of 5.
    """
    chinese = language in ("zh", "ja")
    pieces = (
        [c for c in re.findall(r"[\u3400-\u9fff\u3040-\u30ff]|[A-Za-z0-9]+", text)]
        if chinese
        else re.findall(r"[^\W_]+", text.lower())
    )
    least = (7 if longer else 5) if chinese else (6 if longer else 4)
    seen = Counter(tuple(pieces[i : i + least]) for i in range(len(pieces) - least + 1))
    for run, times in seen.items():
        if times > 1 and len(set(run)) > 2:
            return ("" if chinese else " ").join(run)
    if not longer and not chinese and len(pieces) <= _TITLE:  # a headline: two words count (wool coat)
        long = [p if len(p) >= _TWICE and p.isalpha() else "" for p in pieces]
        pairs = Counter((a, b) for a, b in pairwise(long) if a and b)
        if again := [pair for pair, times in pairs.items() if times > 1]:
            return " ".join(again[0])
    said = [re.sub(r"\W", "", c).lower() for c in clauses(text)]
    twice = [c for c, n in Counter(said).items() if n > 1 and len(c) > (3 if chinese else 8)]
    return twice[0] if twice else ""
