"""The words of product copy: frames of sentences, and ideas when and where a product is used (data/copy_*.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache

from shopbatch.text.word_files import WordFile, read_words


class _DoubleBullet(WordFile):
    facts: tuple[str, str]
    templates: tuple[str, ...]


class Frames(WordFile):
    """Templates of headlines, sentences and bullets; copy_frames.yaml explains the fields."""

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
    """moments: when a product is thought of. places: where. Both are templates."""

    moments: tuple[str, ...]
    places: tuple[str, ...]


class IdeasFile(WordFile):
    """Ideas by group of products."""

    food: dict[str, Ideas]
    things: dict[str, Ideas]

    @cached_property
    def by_group(self) -> Mapping[str, Ideas]:
        """The ideas of all groups."""
        return {**self.food, **self.things}


@lru_cache(maxsize=1)
def frames() -> Frames:
    """The templates, read once per process."""
    return read_words(Frames, "shopbatch.sample", "data/copy_frames.yaml")


@lru_cache(maxsize=1)
def ideas() -> IdeasFile:
    """The ideas, read once per process."""
    return read_words(IdeasFile, "shopbatch.sample", "data/copy_ideas.yaml")
