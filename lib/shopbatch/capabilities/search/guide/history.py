"""What a shopper bought before, as soft preferences: they reorder products that fit equally well, and never filter."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from shopbatch.capabilities.search.filters import price_of
from shopbatch.capabilities.search.guide.reasons import Evidence
from shopbatch.capabilities.search.statements import Statement, phrase_pattern, value_of
from shopbatch.capabilities.search.understanding.need import Need
from shopbatch.capabilities.search.understanding.vocabulary import fold, key_of
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of what is read from a history, of what it prefers, and of its sentences
NEAR = math.log(1.25)  # how far a price may be from the usual level
ANY_TYPE = "*"  # letters of sizes mean the same for all types of clothes; numbers do not
_LETTERS = re.compile(r"(?:\d?X*[SML]|X{2,}|XXS|F)", re.IGNORECASE)
_Item = TypeVar("_Item")


class _Words(WordFile):
    size: str
    brand: str
    price: str
    for_others: list[str]


class _Languages(WordFile):
    en: _Words
    zh: _Words


@lru_cache(maxsize=1)
def _languages() -> _Languages:
    return read_words(_Languages, "shopbatch.capabilities.search.guide", "history.yaml")


@dataclass(frozen=True)
class History:
    """What one shopper bought.

    Attributes:
        sizes: (type of product, size): a size of letters is of ANY_TYPE.
        brands: Folded names of brands.
        price_level: Money paid over what the same would have cost at the mean prices; None where unknown.
    """

    sizes: frozenset[tuple[str, str]] = frozenset()
    brands: frozenset[str] = frozenset()
    price_level: float | None = None

    @classmethod
    def of(cls, text: str | None) -> History:
        """Read what `text` of another history wrote."""
        tree = json.loads(text) if text else {}
        sizes = frozenset((kind, size) for kind, size in tree.get("sizes", ()))
        return cls(sizes, frozenset(tree.get("brands", ())), tree.get("price_level"))

    @property
    def text(self) -> str | None:
        """The history as one text, the same for the same history; None if there is none."""
        tree: dict[str, Any] = {}
        if self.sizes:
            tree["sizes"] = sorted(map(list, self.sizes))
        if self.brands:
            tree["brands"] = sorted(self.brands)
        if self.price_level is not None:
            tree["price_level"] = self.price_level
        return json.dumps(tree, ensure_ascii=False, sort_keys=True) if tree else None


NONE = History()


def size_name(kind: str, size: str) -> tuple[str, str]:
    """Return a size as a history keeps it."""
    return (ANY_TYPE if _LETTERS.fullmatch(size) else key_of(kind), size)


@dataclass(frozen=True)
class Preferences:
    """The preferences of one shopper for one request.

    Attributes:
        history: What counts of the history.
        language: Of the reason.
        mean_prices: The mean price by (type, currency).
    """

    history: History
    language: str
    mean_prices: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, history: History, need: Need, text: str, mean_prices: Mapping[tuple[str, str], float]
    ) -> Preferences | None:
        """Return what counts for a request; None if nothing does.

        What the request itself says goes before the history: a size that it names, a brand, a price. A request for a
        child, or that may be for somebody else, is not the shopper's own.
        """
        asked = {constraint.kind for constraint in need.constraints}
        if "age" in asked or for_others(text):
            return None
        left = History(
            frozenset() if "size" in asked else history.sizes,
            frozenset() if "brand" in asked else history.brands,
            None if "price" in asked else history.price_level,
        )
        return cls(left, need.language, mean_prices) if left.text else None

    def claims(self, row: Mapping[str, Any], stated: Sequence[Statement]) -> dict[str, Evidence]:
        """Return what a product shares with the history, by size, brand and price, each with its place in the row.

        Args:
            row: The product's row.
            stated: What it states.
        """
        words = _languages().zh if self.language == "zh" else _languages().en
        out: dict[str, Evidence] = {}
        for kind, column, start, end in self._spans(row, stated):
            text = value_of(row, column)[start:end]
            out.setdefault(kind, Evidence(getattr(words, kind).format(text=text), column, start, end, text))
        return out

    def _spans(self, row: Mapping[str, Any], stated: Sequence[Statement]) -> list[tuple[str, str, int, int]]:
        spans = []
        of_type = str(row.get("product_type") or "")
        for s in stated:
            if s.kind == "size" and s.is_main and size_name(of_type, s.value) in self.history.sizes:
                spans.append(("size", s.column, s.start, s.end))
        brand = value_of(row, "brand")
        if brand and key_of(brand) in self.history.brands:
            spans.append(("brand", "brand", 0, len(brand)))
        price, column = price_of(row)
        mean = self.mean_prices.get((key_of(of_type), str(row.get("currency") or "")), 0.0)
        level = self.history.price_level
        if level and mean > 0 and price > 0 and abs(math.log(price / mean / level)) <= NEAR:
            spans.append(("price", column, 0, len(re.sub(r"(\.\d\d)0$", r"\1", value_of(row, column)))))
        return spans


def for_others(text: str) -> bool:
    """Whether a request may be for somebody else."""
    folded = fold(text)
    languages = _languages()
    return any(re.search(phrase_pattern(p), folded) for p in (*languages.en.for_others, *languages.zh.for_others))


def reordered(
    items: Sequence[_Item],
    fits: Callable[[_Item], object],
    score: Callable[[_Item], float],
    liked: Callable[[_Item], tuple[bool, ...]],
    margin: float,
) -> list[_Item]:
    """Reorder items that fit equally well by what is liked; all others stay where they are.

    Args:
        items: Best first.
        fits: What must be equal.
        score: What they are ranked by; equal means less than `margin` below the first one of the group, as a share.
        liked: What is liked of an item, the most important first.
        margin: 0 to 1.
    """
    groups: list[list[_Item]] = []
    for item in items:
        first = groups[-1][0] if groups else None
        if first is not None and fits(first) == fits(item) and score(item) >= score(first) * (1 - margin):
            groups[-1].append(item)
        else:
            groups.append([item])
    return [item for group in groups for item in sorted(group, key=lambda i: [not like for like in liked(i)])]
