"""Whether a text has anything of an advert beside its tone: something to reach, to do or to get (advert_signs.yaml)."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.text.moderation.find import places_of
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the signs; raising it computes again


class _Signs(WordFile):
    """The fields are explained in advert_signs.yaml."""

    classes: tuple[str, ...]
    words: tuple[str, ...]


@lru_cache(maxsize=1)
def _signs() -> tuple[frozenset[str], re.Pattern[str]]:
    signs = read_words(_Signs, "shopbatch.capabilities.moderation", "advert_signs.yaml")
    return frozenset(signs.classes), re.compile("|".join(f"(?:{word})" for word in signs.words))


def may_advertise(text: str) -> bool:
    """Tell whether a folded text has a contact, a link, a code, an offer or a call to action.

    A complaint has none of them: the encoder is often sure of an advert where a short review only sounds like one.
    """
    classes, words = _signs()
    return bool(classes & places_of(text).starts.keys()) or words.search(text) is not None
