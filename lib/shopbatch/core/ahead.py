"""Produces the next item of an iterator in a thread while the current one is used, so that two cores are busy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def ahead(items: Iterable[_T]) -> Iterator[_T]:
    """Yield the same items in the same order, while a thread already produces the next item.

    One item more than without this function is in memory. All items are produced in one thread, which ends when the
    iterator is exhausted or closed. An error in the thread is raised to the caller at the place of the item.
    """
    iterator = iter(items)
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        following = thread.submit(next, iterator, end)
        while (item := following.result()) is not end:
            following = thread.submit(next, iterator, end)
            yield item  # type: ignore[misc]  # not the end
