"""The baseline of product copy: a fixed template that says what the attributes say, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping

from shopbatch.text.spoken import size, spoken, titled

_ORDER = ("title", "product_type", "category", "department", "division")


def template(attributes: Mapping[str, str | None]) -> str:
    """JSON on one line, {"headline", "description", "bullets"}, the same for the same attributes (of `products`)."""
    values = {column: " ".join((attributes.get(column) or "").split()) for column in _ORDER}
    said = {
        c: titled(v) if c == "title" else spoken(v, "or" if c == "product_type" else "and") for c, v in values.items()
    }
    named = [s for s in said.values() if s]
    name = named[0] if named else "this product"
    brand = _brand(" ".join((attributes.get("brand") or "").split()))
    amount = " ".join((attributes.get("package_size") or "").split())
    facts = {
        "Type": said["product_type"],
        "Category": said["category"],
        "Department": said["department"],
        "Division": said["division"],
        "Brand": brand,
        "Size": size(amount).shown[0] if amount else "",
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
