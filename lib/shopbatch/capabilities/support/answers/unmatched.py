"""Finds intents that policies name but the model does not know; no ticket can ever get these policies."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence

_NEAR, _MOST = 0.55, 3  # least similarity (0 to 1) of a suggested name, and most suggestions


def unmatched(named: Iterable[str], known: Collection[str]) -> dict[str, list[str]]:
    """Return the intents that the model does not know, each with up to three similar known ones, the best first.

    Args:
        named: The intents that policies name.
        known: The intents of the model.
    """
    return {name: _near(name, known) for name in sorted(set(named) - set(known))}


def _near(name: str, known: Collection[str]) -> list[str]:
    """Return the known names that are most like a name, whatever the order of their words.

    For example, track_order is like order_tracking.
    """
    likeness = {other: (_alike(name, other) + _alike(other, name)) / 2 for other in sorted(known)}
    best = sorted((other for other, share in likeness.items() if share >= _NEAR), key=lambda o: -likeness[o])
    return best[:_MOST]


def _alike(name: str, other: str) -> float:
    """Return how far the words of one name are found in another, 0 to 1: the mean of each word's best similarity."""
    words, there = name.split("_"), other.split("_")
    return sum(max(difflib.SequenceMatcher(None, w, t).ratio() for t in there) for w in words) / len(words)


def sentence(names: Mapping[str, Sequence[str]]) -> str:
    """Return a warning for the report that names the unknown intents and similar known ones; "" if there are none.

    Args:
        names: {intent that a policy names but the model does not know: the most similar known intents}.
    """
    if not names:
        return ""
    said = ", ".join(f"{name} (near: {', '.join(near)})" if near else name for name, near in names.items())
    return f"policies name intents that the model does not know, so that no ticket meets them: {said}"
