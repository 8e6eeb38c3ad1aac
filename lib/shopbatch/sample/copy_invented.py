"""Invents products that no shop sells (data/copy_shops.yaml), for the training examples in `product_copy`.

Since a model cannot know these products by heart, it must learn to take titles, brands and sizes from the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.sample.templates import Dice, choose, fill
from shopbatch.text.word_files import WordFile, read_words


class _Kind(WordFile):
    category: str
    type: str
    nouns: tuple[str, ...]


class _Shop(WordFile):
    departments: tuple[str, ...]
    divisions: tuple[str, ...]
    kinds: tuple[_Kind, ...]
    words: tuple[str, ...]
    after: tuple[str, ...]
    sizes: tuple[str, ...]


class _ShopsFile(WordFile):
    titles: tuple[str, ...]
    book_titles: tuple[str, ...]
    injections: tuple[str, ...]
    brand_starts: tuple[str, ...]
    brand_ends: tuple[str, ...]
    brand_tails: tuple[str, ...]
    noise: tuple[str, ...]
    numbers: tuple[int, ...]
    shops: tuple[_Shop, ...]


@lru_cache(maxsize=1)
def _listed() -> _ShopsFile:
    return read_words(_ShopsFile, "shopbatch.sample", "data/copy_shops.yaml")


@dataclass(frozen=True)
class Invented:
    """An invented product.

    Attributes:
        shown: {column: value} of all attributes, which the prompt contains.
        described: {column: value} of the attributes that the copy states: the same, but the title is None if it is a
            prompt injection.
    """

    shown: Mapping[str, str | None]
    described: Mapping[str, str | None]


def invented(dice: Dice, injection: bool) -> Invented:
    """Invent a product with a title.

    Args:
        dice: Source of all random draws.
        injection: Whether the title is a prompt injection (orders to the model); other attributes then name the
            product.
    """
    shop = dice.one(_listed().shops)
    kind = dice.one(shop.kinds)
    brand = "" if dice.chance(30) else _brand(dice)
    size = fill(choose(dice, (dice.one(shop.sizes),), _numbers(dice)), _numbers(dice))
    noun, other = dice.one(kind.nouns), dice.one(kind.nouns)
    known = {
        "noun": noun,
        "other": other,
        "brand": brand,
        "word": dice.one(shop.words),
        "after": dice.one(shop.after),
        "size": size,
        "code": f"{dice.one('XJKRTMV')}{dice.one('JQXLTE')}-{dice.between(10, 999)}",
    }
    if injection:
        title = fill(choose(dice, _listed().injections, known), known)
    else:
        title = _title(dice, {k: v for k, v in known.items() if v and not (k == "other" and other == noun)})
    capitals = dice.chance(15)
    attributes = {
        "title": title,
        "division": dice.one(shop.divisions) if dice.chance(15) else None,
        "department": _maybe(dice, 60, dice.one(shop.departments), capitals),
        "category": _maybe(dice, 100 if injection else 80, kind.category, capitals),
        "product_type": _maybe(dice, 45, kind.type, capitals),
        "brand": (brand or dice.one(("Private", "National", None, None))) if injection or dice.chance(75) else None,
        "package_size": size if dice.chance(80 if injection else 55) else None,
    }
    return Invented(attributes, {**attributes, "title": None} if injection else attributes)


def _title(dice: Dice, known: Mapping[str, str]) -> str:
    frames = _listed().book_titles if "word" not in known else _listed().titles
    title = fill(choose(dice, frames, known), known)
    noise = dice.below(100)
    if noise < 10:
        return title.upper()
    if noise < 15:
        return title.lower()
    if noise < 20:
        return f"{title} {dice.one(_listed().noise)}"
    return title


def _brand(dice: Dice) -> str:
    return dice.one(_listed().brand_starts) + dice.one(_listed().brand_ends) + dice.one(_listed().brand_tails)


def _maybe(dice: Dice, percent: int, value: str, capitals: bool) -> str | None:
    return (value.upper() if capitals else value) if dice.chance(percent) else None


def _numbers(dice: Dice) -> dict[str, str]:
    return {
        "n": str(dice.one(_listed().numbers)),
        "k": str(dice.between(2, 24)),
        "shoe": str(dice.between(34, 47)),
    }
