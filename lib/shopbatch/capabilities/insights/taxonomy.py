"""Taxonomies: the aspects that are looked for in the reviews of a kind of shop, with their names and lexicons.

Five ship (`taxonomies/*.yaml`); a file of your own has the same form. A lexicon makes weak labels: a clause that one of
an aspect's patterns matches is taken to be about it. `train_aspects` learns from these and from people's labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from pydantic import Field, field_validator

from shopbatch.tables.review_aspects import OTHER
from shopbatch.text.letters import LATIN
from shopbatch.text.word_files import Collection, WordFile

_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)  # scripts without spaces between words
_NEVER = re.compile(r"(?!)")


class AspectWords(WordFile):
    """One aspect: what people call it, and the patterns of its lexicon, by language."""

    name: Mapping[str, str]
    """What readers of a language call it."""
    lexicon: Mapping[str, str] = Field(default_factory=dict)
    """Patterns of a language, separated by commas. A language without them is served by what the model learnt."""

    @field_validator("lexicon")
    @classmethod
    def _compiles(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        pattern(value.values())
        return value


class Taxonomy(WordFile):
    """The aspects of one kind of shop, in the order of their columns in a model."""

    about: Mapping[str, str] = Field(default_factory=dict)
    """Patterns of words that show that a text is about goods of this kind, by language."""
    aspects: dict[str, AspectWords] = Field(min_length=1)
    """The aspects by name."""

    @field_validator("aspects")
    @classmethod
    def _named(cls, value: dict[str, AspectWords]) -> dict[str, AspectWords]:
        if wrong := [name for name in value if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or name == OTHER]:
            raise ValueError(
                f"an aspect's name has small letters, digits and _, and is not {OTHER!r}: {wrong[0][:40]!r}"
            )
        return value

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the aspects."""
        return tuple(self.aspects)

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """The lexicon of each aspect, all languages together."""
        return tuple(pattern(aspect.lexicon.values()) for aspect in self.aspects.values())

    @cached_property
    def kind(self) -> re.Pattern[str]:
        """What shows that a text is about goods of this kind: the words of `about`."""
        return pattern(self.about.values())

    def hits(self, texts: Sequence[str]) -> np.ndarray:
        """Whether each text has a word of each aspect's lexicon, bool [n, aspects]."""
        rows = [[each.search(text) is not None for each in self.patterns] for text in texts]
        return np.asarray(rows, bool).reshape(len(texts), len(self.aspects))

    def evidence(self, text: str) -> int:
        """How many different words show that a text is about goods of this kind."""
        return len({match.group().lower() for match in self.kind.finditer(text)})


def pattern(lists: Iterable[str]) -> re.Pattern[str]:
    """Compile lists of patterns, each separated by a comma and white space, into one; no pattern matches nothing.

    A pattern matches whole words, or the beginnings of words if it ends with `*`. One with Chinese, Japanese, Korean or
    Thai characters matches anywhere, since these scripts put no spaces between words.

    Raises:
        ValueError: A pattern is not a regular expression.
    """
    words, others = [], []
    for each in (p.strip() for text in lists for p in re.split(r",\s+", text)):
        if not each:
            continue
        try:
            re.compile(each.removesuffix("*"))
        except re.error as error:
            raise ValueError(f"{each[:60]!r} is not a regular expression: {error}") from None
        if _UNSPACED.search(each):
            others.append(each)
        else:
            words.append(f"(?:{each.removesuffix('*')})" + (rf"[{LATIN}0-9]*" if each.endswith("*") else ""))
    parts = ([rf"(?<![{LATIN}0-9])(?:{'|'.join(words)})(?![{LATIN}0-9])"] if words else []) + others
    return re.compile("|".join(parts), re.I) if parts else _NEVER


_TAXONOMIES = Collection(Taxonomy, __package__ or "", "taxonomies", "taxonomy")
find = _TAXONOMIES.find  # by the name of one that ships, or by the path of a file
shipped = _TAXONOMIES.shipped
