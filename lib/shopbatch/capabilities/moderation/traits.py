"""What the lists see in a passage, as numbers beside its vector: classes of words and details, and what was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shopbatch.text.moderation.find import find, places_of


def traits(text: str) -> frozenset[str]:
    """Return the classes of the lexicon that occur in a passage, and `rule.KIND` for what the rules find."""
    return frozenset(places_of(text).starts) | {f"rule.{finding.kind}" for finding in find(text)}


def table(passages: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Return which of the names each passage has, float32 [n, names]."""
    column = {name: number for number, name in enumerate(names)}
    out = np.zeros((len(passages), len(column)), np.float32)
    for row, text in enumerate(passages):
        out[row, [column[name] for name in traits(text) if name in column]] = 1
    return out
