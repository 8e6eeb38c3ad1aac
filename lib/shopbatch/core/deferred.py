"""Keeps an error of an actor's constructor, so that the actor can raise it later, when it is first called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from shopbatch.core.errors import UserError

T = TypeVar("T")


class Deferred(Generic[T]):
    """The result of a function call, or the UserError that the call raised.

    If the constructor of a Ray actor raises an error, Ray passes on only its message. So an actor's constructor wraps
    the call that may fail in a `Deferred`, and the actor's methods call `get`, which raises the error itself.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._value: T
        self._error: UserError | None = None
        try:
            self._value = make()
        except UserError as error:
            self._error = error

    def get(self) -> T:
        """Return the result of the call.

        Raises:
            UserError: The error that the call raised.
        """
        if self._error is not None:
            raise self._error
        return self._value
