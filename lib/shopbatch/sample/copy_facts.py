"""Collects the words that generated product copy may use: a product's name, facts, and wordings of brand and size.

`copy_writing` puts them into sentence templates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shopbatch.sample.copy_groups import group_of
from shopbatch.sample.copy_words import frames, ideas
from shopbatch.text.expand import expand, is_plural, title_case
from shopbatch.text.sizes import SizePhrases, size_phrases


@dataclass(frozen=True)
class ProductWords:
    """The words that copy may use about one product.

    Attributes:
        name: Name of the product.
        this: The name with an article, in several wordings ("this cheese", "our cheese").
        plural: Whether the name is a plural.
        facts: {name of the fact: its text}; the names are kind, category, department, division, brand and size.
        brand: Ways to name the brand, each as (noun, form before a noun), such as ("our own label", "own-label").
        size: The size in several wordings; None if it is not known.
        in_title: Whether the title contains the brand.
        barred: Words that templates must not contain for this product ("tasty" if it is not food).
    """

    name: str
    this: tuple[str, ...]
    plural: bool
    facts: Mapping[str, str]
    brand: tuple[tuple[str, str], ...]
    size: SizePhrases | None
    in_title: bool
    barred: tuple[str, ...]


def product_words(attributes: Mapping[str, str | None]) -> ProductWords:
    """Return the words that copy may use about a product.

    Facts are left out if all their words occur in an earlier fact (or in the name, if the product has no title).

    Args:
        attributes: Values of the product's columns by name (title, brand, package_size, category, ...).
    """
    value = {column: (attributes.get(column) or "").strip() for column in ("title", "brand", "package_size")}
    title = title_case(value["title"])
    facts = {
        "kind": expand(attributes.get("product_type") or "", "or"),
        "category": expand(attributes.get("category") or ""),
        "department": expand(attributes.get("department") or ""),
        "division": expand(attributes.get("division") or ""),
    }
    name, this, plural = _name(title, facts)
    kept: dict[str, str] = {}
    for fact, words in facts.items():
        known = kept.values() if title else (name, *kept.values())
        if words and not any(_words(words) <= _words(other) for other in known):
            kept[fact] = words
    brand = _brand(value["brand"])
    size = size_phrases(value["package_size"]) if value["package_size"] else None
    if brand:
        kept["brand"] = brand[0][0]
    if size:
        kept["size"] = size.shown[0]
    in_title = bool(value["brand"]) and value["brand"].lower() in title.lower()
    return ProductWords(name, this, plural, kept, brand, size, in_title, _barred(group_of(attributes)))


def _barred(group: str) -> tuple[str, ...]:
    if group in frames().sober_groups:
        return frames().warm
    return () if group in ideas().food else frames().food_only


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _name(title: str, facts: Mapping[str, str]) -> tuple[str, tuple[str, ...], bool]:
    """Return the name that copy uses for a product.

    Args:
        title: Title of the product; if it is empty, the name is made of the facts.
        facts: Texts of kind, category, department and division; "" if missing.

    Returns:
        (name, the name with an article in several wordings, whether the name is a plural).
    """
    if title:
        has_article = re.match(r"(?:The|A|An|My|Your|Our|How) ", title)
        return title, (title,) if has_article else (title, title, f"the {title}"), is_plural(title)
    kind, category = facts["kind"], facts["category"]
    vague = frames().vague_kinds
    head = re.split(r"[ (,]+", kind.split(" (")[0])[-1] if kind else ""
    if kind and category and head in vague and kind.lower() not in category.lower():
        inside = kind.replace("(", "").replace(")", "")
        outside = category.replace("(", "").replace(")", "")
        return f"{outside} ({inside})", *_with_article(f"{outside} ({inside})")
    if kind and head not in vague:
        return kind, *_with_article(kind)
    thing = category or kind or facts["department"] or facts["division"]
    if category and is_plural(category):
        return category, *_with_article(category)
    name = f"{thing.replace('(', '').replace(')', '')} items" if thing else "items"
    return name, *_with_article(name)


def _with_article(name: str) -> tuple[tuple[str, ...], bool]:
    plural = is_plural(name)
    word = "these" if plural else "this"
    return (f"{word} {name}", f"{word} {name}", f"our {name}", f"the {name}"), plural


def _brand(brand: str) -> tuple[tuple[str, str], ...]:
    """Return the ways to name a brand, each as (noun, form before a noun); () without a brand.

    Private labels have several ways, such as ("our own label", "own-label"); any other brand has only (name, name).
    """
    return frames().brands.get(brand.lower(), ((brand, brand),)) if brand else ()
