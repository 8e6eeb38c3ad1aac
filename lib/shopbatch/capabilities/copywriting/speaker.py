"""What says the facts of a product in a language: what `english.py` and `chinese.py` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shopbatch.capabilities.copywriting.fact import Fact
from shopbatch.capabilities.copywriting.patterns import Patterns
from shopbatch.capabilities.copywriting.product import Goods


@dataclass
class Speaker:
    """Says the facts of one product.

    Attributes:
        goods: The product.
        speech: The patterns of the language.
        draw: Chooses one of several patterns, by a topic.
        chance: A number from 0 to 1, by a topic.
        brand: What the sentences name as brand, "" if they name none.
        stated: The facts that the last `sentences` state.
    """

    goods: Goods
    speech: Patterns
    draw: Callable[[str, Sequence[str]], str]
    chance: Callable[[str], float]
    brand: str = ""
    stated: list[Fact] = field(default_factory=list)
