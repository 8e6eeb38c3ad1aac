"""The baseline of product copy: a fixed template that repeats the attributes and says nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping

from shopbatch.capabilities.copywriting.prompt import clean_value
from shopbatch.grounding.facts import entry_name, said
from shopbatch.text.expand import expand, title_case
from shopbatch.text.sizes import size_phrases

_BULLET = 200  # letters of a bullet, as `rules.bullet` has it
_NAMES = ("title", "product_type", "category", "department", "division")  # the most specific first


def template(attributes: Mapping[str, str | None]) -> str:
    """Copy as JSON on one line; equal attributes give equal copy."""
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
    """(name, value) of the entries of `attributes` that say something."""
    shown = {clean_value(entry_name(a)): clean_value(v) for a, v in attributes.items() if v and said(a, v)}
    return [(name[:1].upper() + name[1:], value) for name, value in shown.items() if name]


def _joined(lines: list[str]) -> str:
    """As many of the lines as a bullet has room for, at least one."""
    joined = lines[0]
    for line in lines[1:]:
        if len(joined) + len(line) + 2 <= _BULLET:
            joined = f"{joined}, {line}"
    return joined


def _brand(brand: str) -> str:
    return {"private": "our own label", "national": "a national brand"}.get(brand.lower(), brand)
