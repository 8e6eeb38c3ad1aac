"""Checks whether a text has a concrete sign of an advert, such as a link, an offer or a call to action.

The signs are listed in advert_signs.yaml.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.text.moderation.find import places_of
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the signs; a change makes all reviews be computed again


class _Signs(WordFile):
    """Structure of advert_signs.yaml; the file itself explains its fields."""

    classes: tuple[str, ...]
    words: tuple[str, ...]


@lru_cache(maxsize=1)
def _signs() -> tuple[frozenset[str], re.Pattern[str]]:
    """Return the word classes and the pattern that mark an advert, from advert_signs.yaml; cached.

    A word class is a list of the moderation lexicon, such as "en.offer", or a sort of contact detail, such as "email".
    """
    signs = read_words(_Signs, "shopbatch.capabilities.moderation", "advert_signs.yaml")
    return frozenset(signs.classes), re.compile("|".join(f"(?:{word})" for word in signs.words))


def may_advertise(text: str) -> bool:
    """Return True if a text has a contact, a link, a code, an offer or a call to action.

    Where it returns False, `Moderator` drops the adverts that the model has found, because the encoder often takes a
    short review for an advert. A complaint has none of these signs.

    Args:
        text: A text as `passages.read` makes it.
    """
    classes, words = _signs()
    return bool(classes & places_of(text).starts.keys()) or words.search(text) is not None
