"""The attributes of a product as a model is given them: one per line, between fences that no value can close."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shopbatch.text.expand import expand

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
_MARKUP = re.compile(r"[<>{}|`\[\]]")  # signs of fences, chat templates and JSON, which no product name needs


def fenced(attributes: Mapping[str, str | None]) -> str:
    """The user's message: `<product>`, a line `name: value` for each attribute, `</product>`.

    attributes: columns of `products`. Columns that are not in SHOWN, and null or blank values, are left out.
    """
    shown = ((name, clean_value(attributes.get(column) or "")) for column, name in SHOWN.items())
    lines = [f"{name}: {value}" for name, value in shown if value]
    return "\n".join([OPEN, *lines, CLOSE])


def clean_value(value: str) -> str:
    """A value on one line, without control and direction marks, and without the signs that markup is made of.

    A value in capitals is written in small letters and its abbreviations are written out, because a small model garbles
    SHAMPOO and SFT DRNK.
    """
    text = _BLANK.sub(" ", _MARKUP.sub(" ", value)).strip()
    return expand(text) or text if text.isupper() and _SHOUTED.search(text) else text
