"""The base class of `English` and `Chinese`, which put the facts of a product into sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shopbatch.capabilities.copywriting.fact import Fact
from shopbatch.capabilities.copywriting.patterns import Patterns
from shopbatch.capabilities.copywriting.product import Goods


@dataclass
class Speaker:
    """State that is needed to write sentences about one product, in any language.

    Attributes:
        goods: The product.
        speech: The patterns of the language.
        draw: Function that chooses one of several patterns for an occasion (its first argument); equal facts choose
            equally.
        chance: Returns a pseudo-random number from 0 to 1 for an occasion.
        brand: The brand that sentences name; "" if they name none.
        stated: The facts that the sentences of the last call of `sentences` state.
    """

    goods: Goods
    speech: Patterns
    draw: Callable[[str, Sequence[str]], str]
    chance: Callable[[str], float]
    brand: str = ""
    stated: list[Fact] = field(default_factory=list)
