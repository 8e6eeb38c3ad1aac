"""Prevents a run from replacing a live model that is newer than the live model with which its candidate was compared.

The live model is the version that `name@live` refers to. A gate compares a run's candidate with it. If another run
publishes a model meanwhile, that model was not compared with the candidate, and may be trained on newer rows. So the
registry records the live model that a run reads first (`look`), and checks that it is still the same before the
candidate becomes live (`check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from shopbatch.core.errors import Stopped
from shopbatch.models.errors import ModelError
from shopbatch.models.registry_files import live_version, place

_seen: ContextVar[dict[str, str] | None] = ContextVar("seen", default=None)  # model folder -> live digest


@contextmanager
def watched() -> Iterator[None]:
    """Record, inside this block, which live models `look` is called for; the job runner wraps each run in it."""
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


def look(root: str, name: str) -> None:
    """Record which digest `name@live` means when a run first reads the live model; later calls change nothing.

    Outside `watched` nothing is recorded. `registry.find_live` calls this.
    """
    if (seen := _seen.get()) is not None:
        seen.setdefault(place(root, name), _digest(root, name))


def check(root: str, name: str, new: str) -> None:
    """Check, before a model becomes live, that no other run has replaced the live model since this run read it.

    Afterwards the new model counts as the one that this run read. If this run never called `look` for the name, nothing
    is checked.

    Args:
        root: The registry's folder or URI.
        name: Name of the model.
        new: Digest of the model that will become live.

    Raises:
        Stopped: Another run has published another model of that name.
    """
    key, seen = place(root, name), _seen.get()
    if seen is None or key not in seen:
        return
    if _digest(root, name) not in (seen[key], new):
        raise Stopped(f"another run has published {name} meanwhile; start this run again")
    seen[key] = new


def _digest(root: str, name: str) -> str:
    """Return the digest of the live model; "" if there is none, or `live.json` is damaged."""
    with suppress(ModelError):
        return live_version(root, name)
    return ""
