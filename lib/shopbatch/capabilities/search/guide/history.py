"""A shopper's earlier purchases as soft preferences for sizes, brands and prices.

They reorder products that match a request equally well; they never filter.
"""

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

VERSION = 1  # of reading histories, of preferences, and of their sentences
NEAR = math.log(1.25)  # tolerance (log ratio): a price within 25 % of the usual level
ANY_TYPE = "*"  # sizes in letters mean the same for all types of clothes; sizes in numbers do not
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
    """The sizes, brands and price level that one shopper bought.

    Attributes:
        sizes: (type of product, size); for a size in letters ("XL") the type is ANY_TYPE.
        brands: Names of brands, normalised by `key_of`.
        price_level: Money paid, divided by the cost of as many units at the mean prices of their categories (1.0 is
            average), from `user_profiles`; None if unknown.
    """

    sizes: frozenset[tuple[str, str]] = frozenset()
    brands: frozenset[str] = frozenset()
    price_level: float | None = None

    @classmethod
    def of(cls, text: str | None) -> History:
        """Decode a history from the JSON text that `History.text` made; None or "" is an empty history."""
        tree = json.loads(text) if text else {}
        sizes = frozenset((kind, size) for kind, size in tree.get("sizes", ()))
        return cls(sizes, frozenset(tree.get("brands", ())), tree.get("price_level"))

    @property
    def text(self) -> str | None:
        """The history encoded as JSON, always the same text for equal histories; None if it is empty."""
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
    """Return the pair under which a history stores a size: (type, size), or (ANY_TYPE, size) for a size in letters."""
    return (ANY_TYPE if _LETTERS.fullmatch(size) else key_of(kind), size)


@dataclass(frozen=True)
class Preferences:
    """A shopper's preferences that apply to one request.

    Attributes:
        history: The part of the history that applies.
        language: Language of the reason.
        mean_prices: Mean price by (type of product, currency).
    """

    history: History
    language: str
    mean_prices: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, history: History, need: Need, text: str, mean_prices: Mapping[tuple[str, str], float]
    ) -> Preferences | None:
        """Return the preferences that apply to a request; None if none does.

        What the request itself says takes precedence: if it names a size, a brand or a price, that part of the history
        is dropped. A request for a child, or one that may be for somebody else, gets no preferences.

        Args:
            history: The shopper's earlier purchases.
            need: The request as it was understood.
            text: The request.
            mean_prices: Mean price by (type of product, currency).
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
        """Return the points in which a product suits the history, each as a claim with its proof in the row.

        Args:
            row: The product's row.
            stated: The values that the row states.

        Returns:
            Evidence by "size", "brand" and "price"; a point in which the product does not suit the history is missing.
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
    """Return True if a request may be for somebody else ("gift", "for my", 礼物)."""
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
    """Move preferred items up, but only among neighbours that match the request equally well.

    The ranking is cut into groups of neighbours. A group ends where `fits` returns another value, or where the score is
    more than the share `margin` below that of the group's first item. Each group is sorted by `liked`; items with equal
    preferences keep their order.

    Args:
        items: The items, best first.
        fits: Returns how an item meets the request, as a value that is equal for all items of a group.
        score: Returns the score that the items are ranked by.
        liked: Returns whether an item meets each preference, the most important preference first.
        margin: Greatest difference of the scores in a group, as a share of the first item's score, 0 to 1.
    """
    groups: list[list[_Item]] = []
    for item in items:
        first = groups[-1][0] if groups else None
        if first is not None and fits(first) == fits(item) and score(item) >= score(first) * (1 - margin):
            groups[-1].append(item)
        else:
            groups.append([item])
    return [item for group in groups for item in sorted(group, key=lambda i: [not like for like in liked(i)])]
