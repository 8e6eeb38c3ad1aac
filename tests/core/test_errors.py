"""A message is of bounded length, whatever it quotes, and is not cut where that would show what is to be masked."""

from __future__ import annotations

import time

import pytest

from shopbatch.core.errors import LONGEST_MESSAGE, GateRefused, Stopped, UserError, bounded, bounded_lines
from shopbatch.core.privacy import mask
from shopbatch.warehouse.gates import Gate


@pytest.mark.parametrize("kind", [UserError, GateRefused, Stopped])
def test_each_way_to_end_has_a_bounded_message(kind: type[Exception]) -> None:
    assert str(kind("what is wrong")) == "what is wrong"
    text = str(kind("what is wrong: " + "x" * 10**6))
    assert text.startswith("what is wrong: xxx") and text.endswith(" ...") and len(text) <= LONGEST_MESSAGE


def test_a_text_of_the_greatest_length_is_whole() -> None:
    text = "x" * LONGEST_MESSAGE
    assert bounded(text) == text and len(bounded(text + "x")) < LONGEST_MESSAGE
    assert bounded_lines(f"a\n{text}x\nb").split("\n") == ["a", bounded(text + "x"), "b"]


@pytest.mark.parametrize("item", ["ann.miller@example.com", "+49 (171) 123-45 67", "4111 1111 1111 1111"])
def test_no_cut_leaves_half_of_what_is_masked(item: str) -> None:
    for first in range(LONGEST_MESSAGE - 40, LONGEST_MESSAGE + 1):
        text = mask(bounded("a" * (first - 1) + " " + item + " " + "b" * 100))
        assert not any(part in text for part in ("ann", "exam", "49", "171", "4111")), text[-60:]


def test_a_gate_keeps_no_value_of_any_length() -> None:
    gate = Gate("g" * 10**5, "v" * 10**5, "l" * 10**5, False, "d" * 10**5)
    assert all(len(str(value)) <= LONGEST_MESSAGE for value in vars(gate).values())
    assert Gate("rows", 3, 4.5, True).value == 3


@pytest.mark.parametrize("text", ["9" * 10**7, "1 " * 10**7, "(" * 10**7, "a b " * 10**7], ids=range(4))
def test_cutting_takes_no_time(text: str) -> None:
    began = time.process_time()
    bounded(text)
    assert time.process_time() - began < 0.1
