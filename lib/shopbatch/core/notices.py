"""What a run has put right on its way, so that it is named however the run ends.

A run that a gate refuses, that is stopped, superseded or fails says why in its message; what others had done to a table
is undone by then, and no later run would know of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_noted: ContextVar[list[str] | None] = ContextVar("noted", default=None)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect in a list what is noted inside the block."""
    notices: list[str] = []
    token = _noted.set(notices)
    try:
        yield notices
    finally:
        _noted.reset(token)


def note(sentence: str) -> str:
    """Note a sentence if it says something, and return it."""
    notices = _noted.get()
    if sentence and notices is not None and sentence not in notices:
        notices.append(sentence)
    return sentence


def with_notices(message: str, notices: list[str]) -> str:
    """Put in front of a message what it does not say already."""
    return "; ".join(filter(None, [*(sentence for sentence in notices if sentence not in message), message]))
