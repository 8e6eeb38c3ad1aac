"""Intents of policies that no question can meet, since the model of intents does not know them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence

_NEAR, _MOST = 0.55, 3  # least similarity of a name that is suggested, and how many are


def unmatched(named: Iterable[str], known: Collection[str]) -> dict[str, list[str]]:
    """Return the intents that the model does not know, each with the similar ones that it knows, best first.

    Args:
        named: The intents that policies name.
        known: The intents of the model.
    """
    return {name: _near(name, known) for name in sorted(set(named) - set(known))}


def _near(name: str, known: Collection[str]) -> list[str]:
    """The known names whose words are most like those of a name, in any order: track_order is order_tracking."""
    likeness = {other: (_alike(name, other) + _alike(other, name)) / 2 for other in sorted(known)}
    best = sorted((other for other, share in likeness.items() if share >= _NEAR), key=lambda o: -likeness[o])
    return best[:_MOST]


def _alike(name: str, other: str) -> float:
    """How much of the words of one name stand in another: the mean of the best likeness of each."""
    words, there = name.split("_"), other.split("_")
    return sum(max(difflib.SequenceMatcher(None, w, t).ratio() for t in there) for w in words) / len(words)


def sentence(names: Mapping[str, Sequence[str]]) -> str:
    """Say it in one line; "" if there is nothing to say."""
    if not names:
        return ""
    said = ", ".join(f"{name} (near: {', '.join(near)})" if near else name for name, near in names.items())
    return f"policies name intents that the model does not know, so that no ticket meets them: {said}"
