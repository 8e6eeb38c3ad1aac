"""The phrases of generated reviews as Arrow arrays ("banks"), built from data/review_phrases.yaml.

A bank (openings, stories, details, ...) has 2^k different phrases per language and sentiment. `reviews` therefore lets
k bits of a row's number choose the phrase, and different rows get different texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from shopbatch.text.word_files import WordFile, read_words

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
SENTIMENTS = ("negative", "neutral", "positive")
LANGUAGES = ("en", "zh")
OPENING_BITS, STORY_BITS, DETAIL_BITS, CLOSING_BITS, TITLE_BITS, EXTRA_BITS = 10, 10, 10, 4, 6, 6
TEXT_BITS = OPENING_BITS + STORY_BITS + DETAIL_BITS + CLOSING_BITS
_EXTRA_NUMBERS = (range(2, 18), range(3, 19), range(152, 184, 2), range(20, 52, 2))  # numbers in the extra sentences


class Phrases(WordFile):
    """The phrases of one language in review_phrases.yaml; the file explains the fields."""

    opening: str
    story: str
    detail: str
    titles: tuple[str, ...]
    extras: tuple[str, ...]
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    judgements: dict[str, tuple[str, ...]]
    whom: tuple[str, ...]
    when: tuple[str, ...]
    why: tuple[str, ...]
    tones: tuple[str, ...]
    parts: tuple[str, ...]
    findings: dict[str, tuple[str, ...]]
    closings: dict[str, tuple[str, ...]]


class _PhrasesFile(WordFile):
    en: Phrases
    zh: Phrases
    emoji: dict[str, tuple[str, ...]]
    blanks: tuple[str, ...]


@dataclass(frozen=True)
class Banks:
    """All phrases of reviews as Arrow string arrays, from which `reviews` takes phrases by index.

    Opening, detail, closing and title hold one block of phrases per (language, sentiment), in that order; story and
    extra hold one block per language.
    """

    opening: pa.Array
    story: pa.Array
    detail: pa.Array
    closing: pa.Array
    title: pa.Array
    extra: pa.Array  # 4 types of 16 sentences per language; the last entry is "": no extra sentence
    emoji: pa.Array  # by sentiment; the last entry is "": no emoji
    blank: pa.Array


@lru_cache(maxsize=1)
def _listed() -> _PhrasesFile:
    return read_words(_PhrasesFile, "shopbatch.sample", "data/review_phrases.yaml")


def phrases(language: str) -> Phrases:
    """Return the phrases of a language, "en" or "zh"."""
    return _listed().en if language == "en" else _listed().zh


@lru_cache(maxsize=1)
def banks() -> Banks:
    """Return the banks of review phrases (Arrow arrays), built once per process."""
    words = [phrases(language) for language in LANGUAGES]
    blocks = list(itertools.product(words, SENTIMENTS))
    return Banks(
        opening=_bank(OPENING_BITS, [_openings(w, sentiment) for w, sentiment in blocks]),
        story=_bank(STORY_BITS, [_stories(w) for w in words]),
        detail=_bank(DETAIL_BITS, [_details(w, sentiment) for w, sentiment in blocks]),
        closing=_bank(CLOSING_BITS, [list(w.closings[sentiment]) for w, sentiment in blocks]),
        title=_bank(TITLE_BITS, [_titles(w, sentiment) for w, sentiment in blocks]),
        extra=pa.array([*(extra for w in words for extra in _extras(w)), ""]),
        emoji=pa.array([*(emoji for sentiment in SENTIMENTS for emoji in _listed().emoji[sentiment]), ""]),
        blank=pa.array(_listed().blanks),
    )


def _bank(bits: int, blocks: list[list[str]]) -> pa.Array:
    for block in blocks:
        if len(block) != 2**bits or len(set(block)) != 2**bits:
            raise ValueError(f"a bank of 2**{bits} different phrases has {len(block)} ({len(set(block))} different)")
    return pa.array([phrase for block in blocks for phrase in block])


def _filled(template: str, lists: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return a template filled with every combination of words; the last list changes fastest.

    Args:
        template: A format string, such as "{noun} is {judgement}".
        lists: {placeholder: its words}.
    """
    return [template.format(**dict(zip(lists, words, strict=True))) for words in itertools.product(*lists.values())]


def _openings(words: Phrases, sentiment: str) -> list[str]:
    return _filled(words.opening, {"noun": words.nouns, "verb": words.verbs, "judgement": words.judgements[sentiment]})


def _stories(words: Phrases) -> list[str]:
    return _filled(words.story, {"whom": words.whom, "when": words.when, "why": words.why})


def _details(words: Phrases, sentiment: str) -> list[str]:
    return _filled(words.detail, {"tone": words.tones, "part": words.parts, "finding": words.findings[sentiment]})


def _titles(words: Phrases, sentiment: str) -> list[str]:
    titles = [title.format(judgement) for title in words.titles for judgement in words.judgements[sentiment]]
    return [title[0].upper() + title[1:] for title in titles]


def _extras(words: Phrases) -> list[str]:
    kinds = zip(words.extras, _EXTRA_NUMBERS, strict=True)
    return [extra.format(n=number) for extra, numbers in kinds for number in numbers]
