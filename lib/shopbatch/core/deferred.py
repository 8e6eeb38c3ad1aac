"""An error of an actor's constructor that is raised later, when the actor is first called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from shopbatch.core.errors import UserError

T = TypeVar("T")


class Deferred(Generic[T]):
    """The result of a call, or the UserError that it raised.

    Ray reports only the message of a failing constructor, so an actor's constructor keeps the error and its methods
    raise it.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._value: T
        self._error: UserError | None = None
        try:
            self._value = make()
        except UserError as error:
            self._error = error

    def get(self) -> T:
        """Return the result.

        Raises:
            UserError: The error that the call raised.
        """
        if self._error is not None:
            raise self._error
        return self._value
