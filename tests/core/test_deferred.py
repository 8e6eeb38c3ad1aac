"""An actor's constructor keeps the user's mistake until the actor is called; other errors pass."""

import pytest

from shopbatch.core.deferred import Deferred
from shopbatch.core.errors import UserError


def fail(error: Exception) -> None:
    raise error


def test_the_value_or_the_users_mistake_comes_later() -> None:
    assert Deferred(lambda: 3).get() == 3
    mistake = UserError("no such model")
    deferred = Deferred(lambda: fail(mistake))
    for _ in range(2):
        with pytest.raises(UserError) as raised:
            deferred.get()
        assert raised.value is mistake


def test_other_errors_are_raised_at_once() -> None:
    with pytest.raises(RuntimeError, match="defect"):
        Deferred(lambda: fail(RuntimeError("defect")))
