"""Reads the words of product copy: sentence templates, and occasions and places of use (data/copy_*.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache

from shopbatch.text.word_files import WordFile, read_words


class _DoubleBullet(WordFile):
    facts: tuple[str, str]
    templates: tuple[str, ...]


class Frames(WordFile):
    """The templates of headlines, sentences and bullets in copy_frames.yaml; the file explains the fields."""

    headlines: tuple[str, ...]
    openings: tuple[str, ...]
    middles: tuple[str, ...]
    closings: tuple[str, ...]
    plain_closings: tuple[str, ...]
    bullets: dict[str, tuple[str, ...]]
    double_bullets: tuple[_DoubleBullet, ...]
    food_only: tuple[str, ...]
    warm: tuple[str, ...]
    sober_groups: frozenset[str]
    brands: dict[str, tuple[tuple[str, str], ...]]
    vague_kinds: frozenset[str]


class Ideas(WordFile):
    """When and where products of a group are used, as templates.

    Attributes:
        moments: Occasions of use.
        places: Places of use.
    """

    moments: tuple[str, ...]
    places: tuple[str, ...]


class IdeasFile(WordFile):
    """The content of copy_ideas.yaml: occasions and places of use by group of products."""

    food: dict[str, Ideas]
    things: dict[str, Ideas]

    @cached_property
    def by_group(self) -> Mapping[str, Ideas]:
        """The occasions and places of use by group of products, for foods and other things in one mapping."""
        return {**self.food, **self.things}


@lru_cache(maxsize=1)
def frames() -> Frames:
    """Return the content of copy_frames.yaml, read once per process."""
    return read_words(Frames, "shopbatch.sample", "data/copy_frames.yaml")


@lru_cache(maxsize=1)
def ideas() -> IdeasFile:
    """Return the content of copy_ideas.yaml, read once per process."""
    return read_words(IdeasFile, "shopbatch.sample", "data/copy_ideas.yaml")
