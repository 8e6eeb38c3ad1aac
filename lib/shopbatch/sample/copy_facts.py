"""What copy may say about a product: its name, its facts in words, its brand and size in several ways."""

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
    """What copy may say about a product.

    name: the product. this: the name with an article, in several ways. facts: kind, category and so on, in words.
    brand: (noun, words before a noun) for each way to say it. size: None if it is not known.
    in_title: whether the title holds the brand. barred: parts of templates that are not said of this product.
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
    """What copy may say about a product. Facts that the name states already are left out."""
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
    """(name, name with its article in several ways, whether it is of several things)."""
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
    """(noun, words before a noun) for each way to say a brand."""
    return frames().brands.get(brand.lower(), ((brand, brand),)) if brand else ()
