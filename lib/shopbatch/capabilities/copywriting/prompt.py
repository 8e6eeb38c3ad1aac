"""Formats a product's attributes for a model: one per line, between `<product>` tags that no value can close."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shopbatch.grounding.facts import DESCRIPTION, entry_name
from shopbatch.text.expand import expand
from shopbatch.text.markup import plain

# names in the prompt by column of `products`, in the order of the prompt
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
_MARKUP = re.compile(r"[<>{}|`\[\]]")  # characters of tags, chat templates and JSON, which no product name needs


def fenced(attributes: Mapping[str, str | None]) -> str:
    """Return the user message for a product: `<product>`, a line `name: value` for each attribute, `</product>`.

    The columns come first, in the order of SHOWN, then the entries of `attributes` by name, then the description. Empty
    values, other columns, and entries that repeat a column are left out.

    Args:
        attributes: The product's attributes, as `facts.known_facts` returns them.
    """
    columns = [(name, clean_value(attributes.get(column) or "")) for column, name in SHOWN.items()]
    entries = sorted((_entry_name(a), clean_value(v)) for a, v in attributes.items() if entry_name(a) and v)
    text = (DESCRIPTION, clean_value(attributes.get(DESCRIPTION) or ""))
    lines = [f"{name}: {value}" for name, value in dict.fromkeys([*columns, *entries, text]) if name and value]
    return "\n".join([OPEN, *lines, CLOSE])


def _entry_name(attribute: str) -> str:
    """Return the name of an entry of `attributes` as the prompt shows it ("attributes.pa_colour" -> "pa colour")."""
    return " ".join(re.sub(r"[_:]", " ", clean_value(entry_name(attribute))).split())


def clean_value(value: str) -> str:
    """Return a value for a prompt: as `one_line`, and without words in capitals ("SFT DRNK" -> "soft drink").

    A value in capitals is put into lower case and its abbreviations are written out, because a small model garbles
    SHAMPOO and SFT DRNK.
    """
    text = one_line(value)
    return expand(text) or text if text.isupper() and _SHOUTED.search(text) else text


def one_line(value: str) -> str:
    """Return a value on one line, without HTML, invisible characters and the characters of markup.

    Invisible are control and direction characters; markup is `<>{}|[]` and the backtick.
    """
    return _BLANK.sub(" ", _MARKUP.sub(" ", plain(value))).strip()
