"""Converts HTML into the text that a browser would show: entities become characters, tags are removed.

Shops export names and descriptions as their pages contain them: `Women&#39;s Shoes &amp; Socks`,
`<p>Soft.<br>Warm.</p>`, sometimes escaped twice. Only text that surely is HTML is converted: `a < b`, `<3`, `<NEW>` and
`AT&T` stay. The names of the HTML elements are in markup.yaml.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5
from typing import TYPE_CHECKING

from shopbatch.text.word_files import WordFile, read_words

if TYPE_CHECKING:
    import pyarrow as pa

_ROUNDS = 4  # most rounds of unescaping; no shop escapes a text more than three times
_MAYBE = r"&(?:#|[A-Za-z])|<[/!?A-Za-z]"  # RE2: matches in every text with an entity or a tag
_SOFT_HYPHEN = "\u00ad"
# "a <b and c> d" is no tag: only attributes may follow the name of the element
_NAME = r"([A-Za-z][\w:.@-]*+)"
_VALUES = r"(?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+')*+>|[^<>]*+>"
_TAG = re.compile(rf"<(?:/{_NAME}[^<>]*+>|{_NAME}(?:\s*+/?>|\s[^<>=]++=(?=([\"']?))(?:{_VALUES})))")
# placeholders for tags inside a line: noncharacters, which no text contains
_OPENED, _CLOSED = "\ufdd0", "\ufdd1"
_BETWEEN = re.compile(f"{_CLOSED}{_OPENED}")  # <i>red</i><i>blue</i> are two words


class _Elements(WordFile):
    """The names of HTML elements from markup.yaml; the comments there explain the fields."""

    block: frozenset[str]
    inline: frozenset[str]
    hidden: frozenset[str]
    open_ended: tuple[str, ...]


@dataclass(frozen=True)
class _Patterns:
    """The names of HTML elements and the patterns made of them.

    Attributes:
        block: Elements that begin a new line.
        elements: All known elements.
        entity: Matches an entity such as `&amp;`.
        hidden: Matches scripts, styles, comments and declarations with their content.
    """

    block: frozenset[str]
    elements: frozenset[str]
    entity: re.Pattern[str]
    hidden: re.Pattern[str]


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    words = read_words(_Elements, "shopbatch.text", "markup.yaml")
    numbered = r"#[0-9]{1,7}(?:;|(?![0-9]))|#x[0-9a-f]{1,6}(?:;|(?![0-9a-f]))"
    named = rf"[a-z][a-z0-9]{{1,31}};|(?:{'|'.join(words.open_ended)})(?![a-z0-9=])"
    return _Patterns(
        block=words.block,
        elements=words.block | words.inline | words.hidden,
        entity=re.compile(rf"&(?:{numbered}|{named})", re.I),
        hidden=re.compile(
            rf"<({'|'.join(sorted(words.hidden))})(?=[\s>])[^<>]*+>.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)"
            r"|<!doctype[^<>]*+>|<\?xml[^<>]*+>|<!\[CDATA\[|\]\]>",
            re.I | re.S,
        ),
    )


def plain(text: str) -> str:
    r"""Return the text that a reader sees of a text that may contain HTML.

    Entities are unescaped, also those that were escaped several times. Tags that begin a new line become line breaks,
    other tags are removed; scripts, styles and comments are removed with their content. If any of these was found,
    white space is collapsed too.

    Args:
        text: The text, such as `Caf&eacute; <b>Cr&egrave;me</b><br/>Cup`.

    Returns:
        The readable text, such as "Café Crème\nCup". A text without entities and tags is returned unchanged.
    """
    read = text
    for _ in range(_ROUNDS):
        before = read
        read = _without_tags(_unescaped(read))
        if read == before:
            break
    if read == text:
        return text
    read = re.sub(r"[^\S\n]+", " ", read)
    return re.sub(r" ?\n[ \n]*", "\n", read).strip()


def plain_text(values: pa.Array) -> pa.Array:
    """Apply `plain` to a column of texts; fast, because rows without an entity or a tag are skipped.

    Args:
        values: string or large_string [n]; null stays null.

    Returns:
        The texts that a reader sees, of the same type [n].
    """
    import pyarrow as pa  # here, because the configuration of a job reads single texts and must load fast
    import pyarrow.compute as pc

    marked = pc.fill_null(_may_have_markup(values), False)
    if not pc.any(marked).as_py():
        return values
    texts = [plain(text) for text in values.filter(marked).to_pylist()]
    return pc.replace_with_mask(values, marked, pa.array(texts, values.type))


def _may_have_markup(values: pa.Array) -> pa.Array:
    """Return a mask of the rows that may contain an entity or a tag, bool [n]."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(values):
        return pa.array([], pa.bool_())
    offsets = np.frombuffer(values.buffers()[1], np.int64 if pa.types.is_large_string(values.type) else np.int32)
    first, last = offsets[values.offset], offsets[values.offset + len(values)]
    letters = np.frombuffer(values.buffers()[2] or b"", np.uint8)[first:last]
    if not (letters == ord("&")).any() and not (letters == ord("<")).any():  # much faster than row by row
        return pa.repeat(False, len(values))
    return pc.match_substring_regex(values, _MAYBE)


def _unescaped(text: str) -> str:
    """Return a text with each entity replaced by its character."""
    return _patterns().entity.sub(lambda m: _character(m[0]), text) if "&" in text else text


@lru_cache(maxsize=4096)
def _character(entity: str) -> str:
    """Return the character of an entity; entities in capitals are read too, unknown names stay as they are."""
    name = entity[1:].rstrip(";") + ";"
    if name[0] == "#":
        character = html.unescape(f"&{name}")
    else:
        names = (name, name.capitalize(), name.lower()) if name.isupper() else (name,)
        character = next((html5[n] for n in names if n in html5), entity)
    return "" if character == _SOFT_HYPHEN else character


def _without_tags(text: str) -> str:
    """Return a text without tags and hidden content; neighbouring elements are separated by a blank."""
    if "<" not in text and "]]>" not in text:
        return text
    marked = _TAG.sub(_mark, _patterns().hidden.sub("", text))
    return _BETWEEN.sub(" ", marked).replace(_OPENED, "").replace(_CLOSED, "")


def _mark(tag: re.Match[str]) -> str:
    """Return the text that replaces a matched tag.

    It is a line break for an element that begins a new line, a marker character for other elements, and the match
    itself if it is no HTML tag.
    """
    closing, opening, value = tag.groups()
    name = (closing or opening).lower()
    patterns = _patterns()
    # <o:p> and <my-box> count as elements by their form, <new class="x"> by its attribute
    if (name not in patterns.elements and not (":" in name or "-" in name or value)) or "@" in name:
        return tag[0]
    return "\n" if name in patterns.block else _CLOSED if closing else _OPENED
