"""Taxonomies: the aspects that are looked for in the reviews of a kind of shop, with their names and lexicons.

Five ship (`taxonomies/*.yaml`); a file of your own has the same form. A lexicon makes weak labels: a clause that one of
an aspect's patterns matches is taken to be about it. `train_aspects` learns from these and from people's labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import yaml
from pydantic import Field, ValidationError, field_validator

from shopbatch.core.errors import UserError
from shopbatch.tables.review_aspects import OTHER
from shopbatch.text.word_files import WordFile, read_words

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

    A pattern of ASCII characters matches whole words, or beginnings of words if it ends with `*`; others match
    anywhere, since Chinese does not mark words.

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
        if not each.isascii():
            others.append(each)
        else:
            words.append(f"(?:{each.removesuffix('*')})" + (r"[a-z0-9]*" if each.endswith("*") else ""))
    parts = ([rf"(?<![a-z0-9])(?:{'|'.join(words)})(?![a-z0-9])"] if words else []) + others
    return re.compile("|".join(parts), re.I) if parts else _NEVER


def shipped() -> tuple[str, ...]:
    """The names of the taxonomies that ship."""
    folder = resources.files(__package__).joinpath("taxonomies")
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def find(reference: str) -> tuple[str, Taxonomy]:
    """Find a taxonomy.

    Args:
        reference: The name of one that ships, or the path of a YAML file of that form.

    Returns:
        Its name (of a file: the stem), and the taxonomy.

    Raises:
        UserError: There is none of that name, or the file is not one.
    """
    if reference in shipped():
        return reference, _read(reference)
    path = Path(reference)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise UserError(
            f"taxonomy {reference[:100]!r}: name one of {', '.join(shipped())}, or a YAML file of that form"
        )
    try:
        return path.stem, Taxonomy.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"taxonomy {path.name}: it is not YAML ({type(error).__name__})") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"taxonomy {path.name}: {where}: {first['msg']}") from None


@lru_cache(maxsize=16)
def _read(name: str) -> Taxonomy:
    return read_words(Taxonomy, __package__, f"taxonomies/{name}.yaml")
