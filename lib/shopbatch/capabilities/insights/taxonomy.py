"""Taxonomies: for each kind of shop, the aspects (topics of reviews) with their names and lexicons.

Five taxonomies ship (`taxonomies/*.yaml`); a shop's own YAML file has the same form. A lexicon gives weak labels: a
clause that matches one of an aspect's patterns is assumed to be about that aspect. `train_aspects` learns from these
weak labels and from people's labels. `find` loads a taxonomy by name or path; `shipped` lists the names that ship.
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
    """One aspect of a taxonomy, as its YAML file describes it: the display name and the lexicon, each by language."""

    name: Mapping[str, str]
    """Name of the aspect that is shown to readers, by language code (en: "Size and fit")."""
    lexicon: Mapping[str, str] = Field(default_factory=dict)
    """Patterns by language code, separated by commas (see `pattern`). For a language without patterns, the model relies
    on its classifiers alone."""

    @field_validator("lexicon")
    @classmethod
    def _compiles(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        pattern(value.values())
        return value


class Taxonomy(WordFile):
    """The aspects of one kind of shop (clothing, hotels, ...), in the order of their columns in a model."""

    about: Mapping[str, str] = Field(default_factory=dict)
    """Patterns, by language code, of words that show that a text is about products of this kind of shop (see
    `pattern`)."""
    aspects: dict[str, AspectWords] = Field(min_length=1)
    """The aspects by name, such as `size_fit`."""

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
        """Return the names of the aspects, in the order of the model's columns."""
        return tuple(self.aspects)

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """Return one compiled pattern per aspect, which matches the words of its lexicon in any language."""
        return tuple(pattern(aspect.lexicon.values()) for aspect in self.aspects.values())

    @cached_property
    def kind(self) -> re.Pattern[str]:
        """Return the compiled pattern of the words in `about`, which are typical of this kind of shop's products."""
        return pattern(self.about.values())

    def hits(self, texts: Sequence[str]) -> np.ndarray:
        """Return a boolean array [n, aspects]: True where a text has a word of the aspect's lexicon."""
        rows = [[each.search(text) is not None for each in self.patterns] for text in texts]
        return np.asarray(rows, bool).reshape(len(texts), len(self.aspects))

    def evidence(self, text: str) -> int:
        """Return how many different words of a text match `about` (words typical of this kind of shop).

        Case is ignored. 0 means that the text does not show to which kind of shop it belongs.
        """
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
find = _TAXONOMIES.find  # takes the name of a taxonomy that ships, or the path of a YAML file
shipped = _TAXONOMIES.shipped
