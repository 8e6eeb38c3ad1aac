from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from shopbatch.core.ahead import ahead


def test_the_items_come_in_order_and_one_is_made_ahead() -> None:
    made: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    taken = ahead(items())
    assert next(taken) == 0
    assert second.wait(10)  # made while the first one is used
    assert 2 not in made
    assert list(taken) == [1, 2, 3]


def test_an_error_is_raised_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="the second"):
        next(taken)


def test_no_thread_is_left_when_the_iterator_is_closed() -> None:
    taken = ahead(range(10))
    next(taken)
    taken.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
