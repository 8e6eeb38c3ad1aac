"""The baseline of product copy: a fixed template that repeats the attributes and says nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping

from shopbatch.text.expand import expand, title_case
from shopbatch.text.sizes import size_phrases

_NAMES = ("title", "product_type", "category", "department", "division")  # the most specific first


def template(attributes: Mapping[str, str | None]) -> str:
    """Copy as JSON on one line; equal attributes (columns of `products`) give equal copy."""
    values = {column: " ".join((attributes.get(column) or "").split()) for column in _NAMES}
    words = {
        column: title_case(value) if column == "title" else expand(value, "or" if column == "product_type" else "and")
        for column, value in values.items()
    }
    names = [text for text in words.values() if text]
    name = names[0] if names else "this product"
    brand = _brand(" ".join((attributes.get("brand") or "").split()))
    amount = " ".join((attributes.get("package_size") or "").split())
    facts = {
        "Type": words["product_type"],
        "Category": words["category"],
        "Department": words["department"],
        "Division": words["division"],
        "Brand": brand,
        "Size": size_phrases(amount).shown[0] if amount else "",
    }
    lines = [f"{label}: {value}" for label, value in facts.items() if value]
    bullets = lines[:3] + ([", ".join(lines[3:])] if lines[3:] else [])
    headline = " ".join(name.split()[:12])
    copy = {
        "headline": headline[:1].upper() + headline[1:],
        "description": f"This is our page for {name}. Everything that we know about it is listed below.",
        "bullets": [*bullets, f"Product: {name}", "See the page for details"][: max(2, len(bullets))],
    }
    return json.dumps(copy, ensure_ascii=False)


def _brand(brand: str) -> str:
    return {"private": "our own label", "national": "a national brand"}.get(brand.lower(), brand)
