"""Computes the traits of a passage: inputs of the model `moderation` besides the encoder's vector.

A trait is a word class that occurs in the passage (a list of the moderation lexicon, such as "en.offer", or a sort of
contact detail, such as "email"), or a kind of harm that the rules find in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shopbatch.text.moderation.find import find, places_of


def traits(text: str) -> frozenset[str]:
    """Return the traits of a passage: its word classes, and "rule.KIND" for each kind of harm that the rules find.

    Args:
        text: A text as `passages.read` makes it.
    """
    return frozenset(places_of(text).starts) | {f"rule.{finding.kind}" for finding in find(text)}


def table(passages: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Return the traits of passages as numbers, float32 [n, names]: 1 where a passage has the trait, else 0.

    Args:
        passages: Texts as `passages.read` makes them.
        names: Traits, one per column.
    """
    column = {name: number for number, name in enumerate(names)}
    out = np.zeros((len(passages), len(column)), np.float32)
    for row, text in enumerate(passages):
        out[row, [column[name] for name in traits(text) if name in column]] = 1
    return out
