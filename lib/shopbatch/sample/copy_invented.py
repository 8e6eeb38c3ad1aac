"""Products that no shop has, with titles, brands and sizes: for a model that is to copy them, not to know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shopbatch.sample.copy_shops import BRAND_ENDS, BRAND_STARTS, BRAND_TAILS, HOSTILE, SHOPS, Shop
from shopbatch.sample.templates import Dice, choose, fill

_TITLES = (
    "{brand} {word} {noun}", "{word} {noun}", "{brand} {noun} {code}", "{noun} {after}", "{noun}, {after}",
    "{brand} {noun} - {after}", "{word} {noun} {size}", "{brand} {word} {noun} {after}", "{noun}", "{brand} {noun}",
    "{word} {noun} & {other}", "{noun} / {other}", "{code} {word} {noun}", "{brand} {noun} {size}",
    "{word} {noun} ({after})",
)  # fmt: skip
_BOOKS = ("{noun}", "{noun}", "{noun}: {after}", "{noun} ({after})", "{noun}, {after}")


@dataclass(frozen=True)
class Invented:
    """shown: all attributes. told: those that copy is written of (without a title that gives orders)."""

    shown: Mapping[str, str | None]
    told: Mapping[str, str | None]


def invented(dice: Dice, hostile: bool) -> Invented:
    """A product with a title; if hostile, the title gives orders and other attributes say what the product is."""
    shop = dice.one(SHOPS)
    category, kind, nouns = dice.one(shop.kinds).split("; ")
    brand = "" if dice.chance(30) else _brand(dice)
    size = fill(choose(dice, (dice.one(shop.sizes),), _numbers(dice)), _numbers(dice))
    noun, other = dice.one(nouns.split(", ")), dice.one(nouns.split(", "))
    known = {
        "noun": noun,
        "other": other,
        "brand": brand,
        "word": dice.one(shop.words),
        "after": dice.one(shop.after),
        "size": size,
        "code": f"{dice.one('XJKRTMV')}{dice.one('JQXLTE')}-{dice.between(10, 999)}",
    }
    if hostile:
        title = fill(choose(dice, HOSTILE, known), known)
    else:
        title = _title(dice, shop, {k: v for k, v in known.items() if v and not (k == "other" and other == noun)})
    shouted = dice.chance(15)
    told = {
        "title": title,
        "division": dice.one(shop.divisions) if dice.chance(15) else None,
        "department": _maybe(dice, 60, dice.one(shop.departments), shouted),
        "category": _maybe(dice, 100 if hostile else 80, category, shouted),
        "product_type": _maybe(dice, 45, kind, shouted),
        "brand": (brand or dice.one(("Private", "National", None, None))) if hostile or dice.chance(75) else None,
        "package_size": size if dice.chance(80 if hostile else 55) else None,
    }
    return Invented(told, {**told, "title": None} if hostile else told)


def _title(dice: Dice, shop: Shop, known: Mapping[str, str]) -> str:
    frames = _BOOKS if "word" not in known else _TITLES
    title = fill(choose(dice, frames, known), known)
    noise = dice.below(100)
    if noise < 10:
        return title.upper()
    if noise < 15:
        return title.lower()
    if noise < 20:
        return f"{title} {dice.one(('!!', '*', '-', '##', '(NEW)', '//'))}"
    return title


def _brand(dice: Dice) -> str:
    return dice.one(BRAND_STARTS) + dice.one(BRAND_ENDS) + dice.one(BRAND_TAILS)


def _maybe(dice: Dice, percent: int, value: str, shouted: bool) -> str | None:
    return (value.upper() if shouted else value) if dice.chance(percent) else None


def _numbers(dice: Dice) -> dict[str, str]:
    return {
        "n": str(dice.one((25, 30, 40, 50, 75, 80, 100, 120, 150, 175, 200, 250, 300, 330, 400, 500, 750))),
        "k": str(dice.between(2, 24)),
        "shoe": str(dice.between(34, 47)),
    }
