"""Which live models a run has looked at, so that it replaces no other one.

A gate compares a candidate with the model that is live. What another run publishes meanwhile was not compared with, and
may be made of newer rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from shopbatch.core.errors import Stopped
from shopbatch.models.errors import ModelError
from shopbatch.models.registry_files import live_version, place

_seen: ContextVar[dict[str, str] | None] = ContextVar("seen", default=None)  # digests by the models' folders


@contextmanager
def watched() -> Iterator[None]:
    """Remember inside the block which live models are looked at."""
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


def look(root: str, name: str) -> None:
    """Remember which model `name@live` means; what was seen first counts."""
    if (seen := _seen.get()) is not None:
        seen.setdefault(place(root, name), _digest(root, name))


def check(root: str, name: str, new: str) -> None:
    """Check that the live model is the one that was looked at, or the new one; from now on that is the new one.

    Raises:
        Stopped: Another run has published a model of that name meanwhile.
    """
    key, seen = place(root, name), _seen.get()
    if seen is None or key not in seen:
        return
    if _digest(root, name) not in (seen[key], new):
        raise Stopped(f"another run has published {name} meanwhile; start this run again")
    seen[key] = new


def _digest(root: str, name: str) -> str:
    """The digest of the live model; "" if there is none, or its file is damaged."""
    with suppress(ModelError):
        return live_version(root, name)
    return ""
