"""Calls functions as Ray tasks or in this process, and handles references to what they return.

A function that splits its rows returns a list: first a summary, then one piece per shard (or per part). By
`num_returns` each element of the list is an object of its own in Ray's store, so that a later task fetches only the
pieces that it reads.

As long as Ray has not started because nothing needed it yet (`core.sessions.late_ray_session`), the functions are
called in this process, and the returned objects stand in the place of references. So a run that has nothing to compute
ends without Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from shopbatch.core.sessions import ray_is_due

ObjectRef = Any  # a ray.ObjectRef (without the type of the object) or, if Ray has not started, the object itself
ObjectRefs = list[ObjectRef]


class Scattered(NamedTuple):
    """References to the values of a splitting function: one to its summary, and one to each piece."""

    summary: ObjectRef
    pieces: ObjectRefs


def scatter(function: Callable[..., list[Any]], pieces: int, *arguments: Any) -> Scattered:
    """Start a function that returns [summary, piece 0, ...] as a Ray task, and return a reference to each element.

    If Ray has not started, the function is called here, and the elements themselves are returned.

    Args:
        function: The function, defined at the top level of a module.
        pieces: Number of pieces that it returns, at least one.
        arguments: Arguments of the call: values, or references to values.
    """
    if ray_is_due():
        summary, *rest = function(*arguments)
    else:
        summary, *rest = _task(function).options(num_returns=1 + pieces).remote(*arguments)
    return Scattered(summary, rest)


def start(function: Callable[..., Any], *arguments: Any) -> ObjectRef:
    """Start a function that returns one object as a Ray task, and return a reference to the object.

    If Ray has not started, the function is called here, and the object itself is returned.

    Args:
        function: The function, defined at the top level of a module.
        arguments: Arguments of the call: values, or references to values.
    """
    return function(*arguments) if ray_is_due() else _task(function).remote(*arguments)


def fetch(refs: Sequence[ObjectRef]) -> list[Any]:
    """Wait for the objects behind these references, and return them in the same order."""
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
    """Return the function as a Ray task."""
    import ray

    return ray.remote(function)
