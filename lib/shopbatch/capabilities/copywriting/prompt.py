"""The attributes of a product as a model is given them: one per line, between fences that no value can close."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shopbatch.grounding.facts import DESCRIPTION, entry_name
from shopbatch.text.expand import expand
from shopbatch.text.markup import plain

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

    Columns come first, in the order of SHOWN, then the entries of `attributes` by name, then the description. An entry
    that repeats a column is left out.

    attributes: as `facts.known_facts` returns them. Null and blank ones are left out, and columns that are not shown.
    """
    columns = [(name, clean_value(attributes.get(column) or "")) for column, name in SHOWN.items()]
    entries = sorted((_entry_name(a), clean_value(v)) for a, v in attributes.items() if entry_name(a) and v)
    text = (DESCRIPTION, clean_value(attributes.get(DESCRIPTION) or ""))
    lines = [f"{name}: {value}" for name, value in dict.fromkeys([*columns, *entries, text]) if name and value]
    return "\n".join([OPEN, *lines, CLOSE])


def _entry_name(attribute: str) -> str:
    """The name of an entry of `attributes` on one line: `pa_colour` is "pa colour"."""
    return " ".join(re.sub(r"[_:]", " ", clean_value(entry_name(attribute))).split())


def clean_value(value: str) -> str:
    """A value on one line, without HTML, control and direction marks, and the signs that markup is made of.

    A value in capitals is written in small letters and its abbreviations are written out, because a small model garbles
    SHAMPOO and SFT DRNK.
    """
    text = one_line(value)
    return expand(text) or text if text.isupper() and _SHOUTED.search(text) else text


def one_line(value: str) -> str:
    """A value on one line, without HTML, control and direction marks, and the signs that markup is made of."""
    return _BLANK.sub(" ", _MARKUP.sub(" ", plain(value))).strip()
