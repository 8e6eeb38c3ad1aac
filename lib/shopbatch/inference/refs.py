"""Ray tasks that return several objects, and the references to them.

A task that splits its rows returns a list: first a summary, then one piece per shard (or per part). With `num_returns`
each of these is an object of its own, so that a later task fetches only the pieces it reads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

ObjectRef = Any  # a reference to an object of Ray's store; ray.ObjectRef names no type of the object
ObjectRefs = list[ObjectRef]


class Scattered(NamedTuple):
    """What a splitting task returned: a reference to its summary, and one to each piece."""

    summary: ObjectRef
    pieces: ObjectRefs


def scatter(task: Any, pieces: int, *arguments: Any) -> Scattered:
    """Start a remote function that returns [summary, piece 0, piece 1, ...].

    Args:
        task: The remote function.
        pieces: How many pieces it returns, at least one.
        arguments: What it is called with.
    """
    summary, *rest = task.options(num_returns=1 + pieces).remote(*arguments)
    return Scattered(summary, rest)
