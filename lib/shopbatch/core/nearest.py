"""The hint of a message about an unknown name: the nearest known one, or all of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], similarity: float = 0.6) -> str | None:
    """Return the known name that is most similar, None if none is similar enough (0 to 1; 1 is equal)."""
    near = difflib.get_close_matches(name, list(known), 1, similarity)
    return near[0] if near else None


def hint(name: str, known: Iterable[str], otherwise: str = "there are") -> str:
    """Return `did you mean 'x'?`, or, if no known name is similar, `<otherwise>: a, b, c`."""
    names = list(known)
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"{otherwise}: {', '.join(names) or 'none'}"
