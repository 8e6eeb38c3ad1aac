"""Makes the next item of an iterator in a thread while the one before is used, so that two cores share the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def ahead(items: Iterable[_T]) -> Iterator[_T]:
    """Yield the same items in the same order; one more than is used is held in memory.

    All items are made in one thread, which is gone when the iterator is exhausted or closed. What the making of an item
    raises is raised here, in its place.
    """
    iterator = iter(items)
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        following = thread.submit(next, iterator, end)
        while (item := following.result()) is not end:
            following = thread.submit(next, iterator, end)
            yield item  # type: ignore[misc]  # not the end
