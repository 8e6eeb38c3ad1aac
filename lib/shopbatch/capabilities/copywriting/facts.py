"""Reads the attributes that copy may use from the columns of a product, with names as in `grounding.facts`.

HTML is converted to plain text. Values without any word are dropped, and so are clauses that look like prompt
injections (orders to the writer). Long values and a long description are cut, so that they fit into a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.copywriting.prompt import SHOWN
from shopbatch.grounding.facts import DESCRIPTION, ENTRY, entry_name
from shopbatch.tables.schema import TEXT_MAP
from shopbatch.text.injection import is_injection, without_injections
from shopbatch.text.markup import plain, plain_text
from shopbatch.text.visible import has_word

CONTENT = ("attributes", DESCRIPTION, *SHOWN)
# maximum letters of an entry of `attributes`; entries with a longer name are left out
LONGEST_NAME, LONGEST_VALUE = 60, 160
ALL_ENTRIES, LONGEST_DESCRIPTION = 1_000, 600  # maximum letters of all entries, and of the description
_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]*\s*|[.!?。！？\n]+\s*")
_END = re.compile(r"[.!?](?=\s)|[。！？](?=.)|(?=\n)", re.S)

_Facts = dict[str, str | None]


def known_facts(content: pa.Table) -> list[_Facts]:
    """Return the cleaned attributes of each product, as dictionaries in the order of the rows.

    All writers and checks of copy work on these attributes, not on the raw columns.

    Args:
        content: The columns of CONTENT, [n].

    Returns:
        For each product every column of SHOWN (None if it is empty), then the entries of `attributes` in the order of
        their names, then the description. Products without entries or description have only the columns.
    """
    rows = pa.table({name: _texts(content[name]) for name in (*SHOWN, DESCRIPTION)}).to_pylist()
    facts = []
    for row, entries in zip(rows, _read_entries(content["attributes"].to_pylist()), strict=True):
        description = _description(row.pop(DESCRIPTION))
        known: _Facts = {name: without_injections(value) for name, value in row.items()} | _entries(entries)
        facts.append(known | ({DESCRIPTION: description} if description else {}))
    return facts


def content_of(facts: Sequence[Mapping[str, str | None]]) -> pa.Table:
    """Build a content table from attributes, [n]; the inverse of `known_facts`.

    Used to write copy for products whose attributes are stored, but not their source rows.

    Args:
        facts: The attributes of each product, as `known_facts` returns them.
    """
    columns = {name: pa.array([f.get(name) for f in facts], pa.string()) for name in (*SHOWN, DESCRIPTION)}
    entries = [[(entry_name(name), v) for name, v in f.items() if entry_name(name) and v] or None for f in facts]
    return pa.table(columns | {"attributes": pa.array(entries, TEXT_MAP)}).select(CONTENT)


def _texts(column: pa.ChunkedArray) -> pa.Array:
    """Return the texts of a column without HTML, [n]; null where a text holds no word."""
    texts = plain_text(column.combine_chunks())
    return pc.if_else(has_word(texts), texts, pa.scalar(None, texts.type))


def _read_entries(maps: Sequence[Sequence[tuple[str, str | None]] | None]) -> list[list[tuple[str, str]]]:
    """Return the (name, value) entries of each map without HTML, and without values that hold no word.

    All values are converted in one call, because converting whole columns is much faster than row by row.

    Args:
        maps: The column `attributes`, one map or None per row.
    """
    entries = [(row, name, value) for row, entries in enumerate(maps) for name, value in entries or () if value]
    values = plain_text(pa.array([value for *_, value in entries], pa.string()))
    read: list[list[tuple[str, str]]] = [[] for _ in maps]
    for (row, name, _), value, word in zip(entries, values.to_pylist(), has_word(values).to_pylist(), strict=True):
        if word:
            read[row].append((plain(name), cut(value, LONGEST_VALUE)))
    return read


def _entries(entries: Sequence[tuple[str, str]]) -> _Facts:
    """Return the entries of the column `attributes` of one product as {attributes.<name>: value}, sorted by name.

    Entries with an empty or long name, or with a prompt injection, are left out; so are the last ones if all names and
    values together have more than ALL_ENTRIES letters.
    """
    room, kept = ALL_ENTRIES, _Facts()
    for name, value in sorted(entries):
        room -= len(name) + len(value)
        orders = any(is_injection(text) for text in (name, value, f"{name} {value}"))
        if room >= 0 and 0 < len(name) <= LONGEST_NAME and not orders:
            kept.setdefault(ENTRY + name, value)
    return kept


def _description(text: str | None) -> str | None:
    """Return a description without prompt injections, cut to LONGEST_DESCRIPTION letters; None if nothing is left."""
    if not text:
        return None
    head = text[: 4 * LONGEST_DESCRIPTION]
    kept = "".join(s for s in _SENTENCE.findall(head) if not is_injection(s)).strip()
    return without_injections(cut(kept, LONGEST_DESCRIPTION)) or None


def cut(text: str, most: int) -> str:
    """Cut a text to at most `most` letters: after a sentence if possible, else between words, else anywhere.

    Args:
        text: The text.
        most: Maximum length in letters.
    """
    if len(text) <= most:
        return text
    head = text[: most + 1]
    sentence = max((m.end() for m in _END.finditer(head)), default=0)
    end = sentence if sentence > most // 2 else head.rfind(" ")
    return (text[:end] if end > 0 else text[:most]).rstrip()
