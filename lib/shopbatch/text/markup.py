"""HTML read as the text that a browser would show: entities become characters, tags go (markup.yaml).

Shops export names and descriptions as their pages hold them: `Women&#39;s Shoes &amp; Socks`, `<p>Soft.<br>Warm.</p>`,
sometimes escaped twice. Only what is HTML for certain is read as such: `a < b`, `<3`, `<NEW>` and `AT&T` stay.
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

_ROUNDS = 4  # how often a text may be escaped; nobody means more than three
_MAYBE = r"&(?:#|[A-Za-z])|<[/!?A-Za-z]"  # RE2: what a text with an entity or a tag has
_SOFT_HYPHEN = "\u00ad"
# "a <b and c> d" is no element: what stands behind the name of one has to be attributes
_NAME = r"([A-Za-z][\w:.@-]*+)"
_VALUES = r"(?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+')*+>|[^<>]*+>"
_TAG = re.compile(rf"<(?:/{_NAME}[^<>]*+>|{_NAME}(?:\s*+/?>|\s[^<>=]++=(?=([\"']?))(?:{_VALUES})))")
# stand for tags inside a line; no text holds these characters
_OPENED, _CLOSED = "\ufdd0", "\ufdd1"
_BETWEEN = re.compile(f"{_CLOSED}{_OPENED}")  # <i>red</i><i>blue</i> are two words


class _Elements(WordFile):
    """The words of markup.yaml, where the fields are explained."""

    block: frozenset[str]
    inline: frozenset[str]
    hidden: frozenset[str]
    open_ended: tuple[str, ...]


@dataclass(frozen=True)
class _Patterns:
    """The elements, and the patterns that are made of them."""

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
    """Return what a reader sees of a text that may hold HTML.

    Entities are unescaped, also those that were escaped several times. A tag that begins a new line becomes a line
    break, others go; scripts, styles and comments go whole. Of a text that had any of these, white space is collapsed.

    Args:
        text: The text, such as `Caf&eacute; <b>Cr&egrave;me</b><br/>Cup`.

    Returns:
        Such as "Café Crème\\nCup". A text without entities and tags is returned as it is.
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
    """Return what a reader sees of each text (see `plain`).

    Args:
        values: string or large_string [n]; null stays null.

    Returns:
        The texts, of the same type [n]. Rows without an entity or a tag are not touched, which is what makes it fast.
    """
    import pyarrow as pa  # here, because the configuration of a job reads single texts and must load fast
    import pyarrow.compute as pc

    marked = pc.fill_null(_may_have_markup(values), False)
    if not pc.any(marked).as_py():
        return values
    texts = [plain(text) for text in values.filter(marked).to_pylist()]
    return pc.replace_with_mask(values, marked, pa.array(texts, values.type))


def _may_have_markup(values: pa.Array) -> pa.Array:
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
    return _patterns().entity.sub(lambda m: _character(m[0]), text) if "&" in text else text


@lru_cache(maxsize=4096)
def _character(entity: str) -> str:
    """Return the character of an entity, also of one in capitals throughout; an unknown name stays."""
    name = entity[1:].rstrip(";") + ";"
    if name[0] == "#":
        character = html.unescape(f"&{name}")
    else:
        names = (name, name.capitalize(), name.lower()) if name.isupper() else (name,)
        character = next((html5[n] for n in names if n in html5), entity)
    return "" if character == _SOFT_HYPHEN else character


def _without_tags(text: str) -> str:
    if "<" not in text and "]]>" not in text:
        return text
    marked = _TAG.sub(_mark, _patterns().hidden.sub("", text))
    return _BETWEEN.sub(" ", marked).replace(_OPENED, "").replace(_CLOSED, "")


def _mark(tag: re.Match[str]) -> str:
    """Return a line break for a tag that begins a new line, a mark for another one; what is no tag stays."""
    closing, opening, value = tag.groups()
    name = (closing or opening).lower()
    patterns = _patterns()
    # <o:p> and <my-box> are elements by their form, <new class="x"> by its attribute
    if (name not in patterns.elements and not (":" in name or "-" in name or value)) or "@" in name:
        return tag[0]
    return "\n" if name in patterns.block else _CLOSED if closing else _OPENED
