"""Makes the hint in a message about an unknown name: the most similar known name, or the list of all known names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], similarity: float = 0.6) -> str | None:
    """Return the known name that is most similar to `name`, or None if no known name is similar enough.

    Args:
        name: The unknown name.
        known: The known names.
        similarity: Least similarity from 0 to 1 (1: the names are equal).
    """
    near = difflib.get_close_matches(name, list(known), 1, similarity)
    return near[0] if near else None


def hint(name: str, known: Iterable[str], otherwise: str = "there are") -> str:
    """Return `did you mean 'x'?`, or, if no known name is similar, `<otherwise>: a, b, c`.

    Args:
        name: The unknown name.
        known: The known names.
        otherwise: Words in front of the list of all known names.
    """
    names = list(known)
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"{otherwise}: {', '.join(names) or 'none'}"
