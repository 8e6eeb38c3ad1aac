"""Functions that run as Ray tasks or in this process, and the references to what they return.

A function that splits its rows returns a list: first a summary, then one piece per shard (or per part). With
`num_returns` each of these is an object of its own, so that a later task fetches only the pieces it reads.

As long as Ray has not started because nothing needed it yet (`core.sessions.late_ray_session`), the functions are
called in this process, and what they return stands where a reference would: a run that has nothing to compute ends
without Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from shopbatch.core.sessions import ray_is_due

ObjectRef = Any  # a reference to an object of Ray's store (ray.ObjectRef names no type of it), or the object itself
ObjectRefs = list[ObjectRef]


class Scattered(NamedTuple):
    """What a splitting function returned: a reference to its summary, and one to each piece."""

    summary: ObjectRef
    pieces: ObjectRefs


def scatter(function: Callable[..., list[Any]], pieces: int, *arguments: Any) -> Scattered:
    """Start a function that returns [summary, piece 0, piece 1, ...].

    Args:
        function: The function, of a module.
        pieces: How many pieces it returns, at least one.
        arguments: What it is called with: values, and references to them.
    """
    if ray_is_due():
        summary, *rest = function(*arguments)
    else:
        summary, *rest = _task(function).options(num_returns=1 + pieces).remote(*arguments)
    return Scattered(summary, rest)


def start(function: Callable[..., Any], *arguments: Any) -> ObjectRef:
    """Start a function that returns one object. Arguments are those of `scatter`."""
    return function(*arguments) if ray_is_due() else _task(function).remote(*arguments)


def fetch(refs: Sequence[ObjectRef]) -> list[Any]:
    """Return the objects that these references stand for, in their order."""
    if ray_is_due():
        return list(refs)
    import ray

    where = [i for i, ref in enumerate(refs) if isinstance(ref, ray.ObjectRef)]
    objects = list(refs)
    for i, fetched in zip(where, ray.get([refs[i] for i in where]), strict=True):
        objects[i] = fetched
    return objects


@cache
def _task(function: Callable[..., Any]) -> Any:
    """The function as a Ray task."""
    import ray

    return ray.remote(function)
