"""Attributes of a product as a model is given them: fenced, one a line, nothing in them that could end the fence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shopbatch.text.spoken import spoken

# column of `products` -> its name in the prompt, in the order of the prompt
SHOWN = {
    "title": "title",
    "division": "division",
    "department": "department",
    "category": "category",
    "product_type": "type",
    "brand": "brand",
    "package_size": "size",
}
OPEN, CLOSE = "<product>", "</product>"
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_SHOUTED = re.compile(r"[A-Z]{3}")
_MARKUP = re.compile(r"[<>{}|`\[\]]")  # of fences, chat templates and JSON: no shop's name needs them


def fenced(attributes: Mapping[str, str | None]) -> str:
    """What stands after the instruction: `<product>`, a line `name: value` for each attribute there is, `</product>`.

    attributes: columns of `products`; others than those of SHOWN are left out, and so are null and blank ones.
    """
    shown = ((name, plain(attributes.get(column) or "")) for column, name in SHOWN.items())
    lines = [f"{name}: {value}" for name, value in shown if value]
    return "\n".join([OPEN, *lines, CLOSE])


def plain(value: str) -> str:
    """A value on one line, without control and direction marks, and without the signs that mark-up is made of.

    What a catalogue shouts is said calmly, its abbreviations written out: a small model garbles SHAMPOO and SFT DRNK.
    """
    said = _BLANK.sub(" ", _MARKUP.sub(" ", value)).strip()
    return spoken(said) or said if said.isupper() and _SHOUTED.search(said) else said
