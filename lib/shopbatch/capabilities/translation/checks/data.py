"""Computes a digest of the checks' word files, so that a changed word makes stored translations be judged again."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources

_OWN = ("anchors.yaml", "claims.yaml", "lengths.yaml", "names.yaml", "negation.yaml")
_SHARED = (
    "amounts.yaml",
    "function_words.yaml",
    "units.yaml",
    "numerals.yaml",
    "common_words.txt",
    "english_words.txt",
)


@lru_cache(maxsize=1)
def data_digest() -> str:
    """Return a digest (16 hex digits) of all word files that the checks read; part of `TranslationStage.checks`."""
    said = hashlib.sha256()
    for package, names in (("shopbatch.capabilities.translation.checks", _OWN), ("shopbatch.text", _SHARED)):
        for name in names:
            said.update(resources.files(package).joinpath(name).read_bytes())
    return said.hexdigest()[:16]
