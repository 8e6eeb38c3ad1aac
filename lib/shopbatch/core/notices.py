"""Collects notices about repairs that a run has made on its way, so that its final message names them.

An example is a damaged file that was set aside and made anew. A run that is refused, stopped, superseded or fails has
its own final message. The notices must be in that message too, because the repair is done and no later run would report
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_noted: ContextVar[list[str] | None] = ContextVar("noted", default=None)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect the sentences that `note` gets inside the block; `runs.job` wraps every run in it.

    Yields:
        The list to which the sentences are appended.
    """
    notices: list[str] = []
    token = _noted.set(notices)
    try:
        yield notices
    finally:
        _noted.reset(token)


def note(sentence: str) -> str:
    """Add a sentence to the notices of the run under way, and return the sentence unchanged.

    An empty sentence, or one that is there already, is not added. Outside of `collected` nothing is recorded.
    """
    notices = _noted.get()
    if sentence and notices is not None and sentence not in notices:
        notices.append(sentence)
    return sentence


def with_notices(message: str, notices: list[str]) -> str:
    """Put the notices in front of a message, separated by "; ", without those that the message already contains."""
    return "; ".join(filter(None, [*(sentence for sentence in notices if sentence not in message), message]))
