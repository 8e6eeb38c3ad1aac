"""The baseline for product copy: a fixed template that repeats the attributes and states nothing else.

The report compares the model's copy with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from shopbatch.capabilities.copywriting.prompt import clean_value
from shopbatch.grounding.facts import entry_name, said
from shopbatch.text.expand import expand, title_case
from shopbatch.text.sizes import size_phrases

_BULLET = 200  # maximum letters of a bullet, the default of `rules.bullet`
_NAMES = ("title", "product_type", "category", "department", "division")  # columns with names, the most specific first


def template(attributes: Mapping[str, str | None]) -> str:
    """Return the template's copy of a product as JSON on one line; equal attributes give equal copy.

    Args:
        attributes: The product's attributes, as `facts.known_facts` returns them.
    """
    values = {column: " ".join(said(column, attributes.get(column)).split()) for column in _NAMES}
    words = {
        column: title_case(value) if column == "title" else expand(value, "or" if column == "product_type" else "and")
        for column, value in values.items()
    }
    names = [text for text in words.values() if text]
    name = names[0] if names else "this product"
    brand = _brand(" ".join(said("brand", attributes.get("brand")).split()))
    amount = " ".join(said("package_size", attributes.get("package_size")).split())
    facts = {
        "Type": words["product_type"],
        "Category": words["category"],
        "Department": words["department"],
        "Division": words["division"],
        "Brand": brand,
        "Size": size_phrases(amount).shown[0] if amount else "",
    }
    lines = [f"{label}: {value}" for label, value in [*facts.items(), *_entries(attributes)] if value]
    bullets = lines[:3] + ([_joined(lines[3:])] if lines[3:] else [])
    headline = " ".join(name.split()[:12])
    copy = {
        "headline": headline[:1].upper() + headline[1:],
        "description": f"This is our page for {name}. Everything that we know about it is listed below.",
        "bullets": [*bullets, f"Product: {name}", "See the page for details"][: max(2, len(bullets))],
    }
    return json.dumps(copy, ensure_ascii=False)


def _entries(attributes: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """Return the (name, value) pairs of the non-empty entries of `attributes`; names begin with a capital."""
    shown = {clean_value(entry_name(a)): clean_value(v) for a, v in attributes.items() if v and said(a, v)}
    return [(name[:1].upper() + name[1:], value) for name, value in shown.items() if name]


def _joined(lines: list[str]) -> str:
    """Join the first of the lines, and as many of the others as fit into one bullet beside it."""
    joined = lines[0]
    for line in lines[1:]:
        if len(joined) + len(line) + 2 <= _BULLET:
            joined = f"{joined}, {line}"
    return joined


def _brand(brand: str) -> str:
    """Return the brand for a bullet; the values private and national are written out."""
    return {"private": "our own label", "national": "a national brand"}.get(brand.lower(), brand)
