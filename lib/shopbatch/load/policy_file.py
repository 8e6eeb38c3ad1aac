"""Reads one policy of a shop: a Markdown file with front matter, cut into sections, in which its values are located.

A value is a passage such as "30 days" that the front matter names. Positions count the characters of the file as it is:
a byte-order mark is one character, CRLF are two. `policies.py` loads the result.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.load.front_matter import FrontMatter, SectionMatter, StatedValue, parse

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")
_HEADING = re.compile(r" {0,3}#{1,2}(?:[ \t](.*))?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_LETTER = "A-Za-zÀ-ÖØ-öø-ɏ"


@dataclass(frozen=True)
class Value:
    """A passage of a section that states a value, such as "30 days" for the role `return_days`.

    Attributes:
        role: The role: which fact the passage states, such as `return_days`.
        text: The passage.
        start: Position of its first character in the section's text, from 0.
        end: Position after its last character.
    """

    role: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Section:
    """One section of a policy: the text under one heading, or before the first heading.

    Attributes:
        title: The heading; None for the text before the first heading, and for an empty heading.
        text: The text, without white space around it.
        start: Position of the text's first character in the file, from 0.
        end: Position after its last character.
        intents: The kinds of customers' questions that the section answers.
        values: The values that the text states, in order of position.
    """

    title: str | None
    text: str
    start: int
    end: int
    intents: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Policy:
    """One policy, read from one file.

    Attributes:
        id: The policy's id, from the front matter.
        language: ISO 639-1 code of the language.
        market: The market in which it is valid; None: all markets.
        valid_from: First day on which it is valid; None: no limit.
        valid_to: Last day on which it is valid; None: no limit.
        version: Digest of the file's text, 32 hex digits.
        file: The file's path relative to the folder.
        sections: The sections that have text, in order.
    """

    id: str
    language: str
    market: str | None
    valid_from: dt.date | None
    valid_to: dt.date | None
    version: str
    file: str
    sections: tuple[Section, ...]


def read_policy(text: str, file: str) -> Policy:
    """Parse the text of one Markdown file into a policy.

    Args:
        text: The whole file, with its original line ends.
        file: Its path relative to the folder.

    Raises:
        UserError: The front matter is missing or wrong, a value is not found exactly once in the text (or in the stated
            occurrence), or there is no text. The message does not name the file.
    """
    matter, begin = parse(text)
    sections = list(cut(text, begin))
    if not sections:
        raise UserError("it has front matter and no text")
    own = _of_sections(matter, sections)
    values = [list(_located(said.values, [section])) for said, section in zip(own, sections, strict=True)]
    for place, value in _located(matter.values, sections):
        number = sections.index(place)
        if any(value.role == other.role for _, other in values[number]):
            raise UserError(f"values: {value.role} is stated for the file and for the section {place.title!r}")
        values[number].append((place, value))
    whole = tuple(
        Section(
            s.title,
            s.text,
            s.start,
            s.end,
            _intents(matter, said, s),
            tuple(sorted((value for _, value in found), key=lambda value: (value.start, value.role))),
        )
        for s, said, found in zip(sections, own, values, strict=True)
    )
    version = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return Policy(matter.id, matter.language, matter.market, matter.valid_from, matter.valid_to, version, file, whole)


def cut(text: str, begin: int = 0) -> Iterator[Section]:
    """Cut Markdown into sections at its headings of the first and second level; sections without text are left out.

    Args:
        text: The whole file.
        begin: Position at which the Markdown begins, after the front matter.

    Yields:
        Sections without intents and values; `text[section.start : section.end] == section.text`.
    """
    title: str | None = None
    start, at, fence = begin, begin, ""
    for line in _LINE.finditer(text, begin):
        words = line[0].rstrip("\r\n")
        if opened := _FENCE.fullmatch(words):
            marks, rest = opened[1], opened[2]
            if not fence:
                fence = marks if marks[0] == "~" or "`" not in rest else ""
            elif marks.startswith(fence) and not rest.strip():
                fence = ""
        heading = None if fence else _HEADING.fullmatch(words)
        at = line.end()
        if heading:
            yield from _section(title, text, start, line.start())
            title, start = _title(heading[1] or ""), at
    yield from _section(title, text, start, len(text))


def _title(words: str) -> str | None:
    """Return the words of a heading without closing # marks ("Returns ##" -> "Returns"); None if there are none."""
    words = words.strip()
    unmarked = words.rstrip("#")
    return (unmarked.strip() if unmarked[-1:] in ("", " ", "\t") else words) or None


def _section(title: str | None, text: str, start: int, end: int) -> Iterator[Section]:
    """Yield the section between two positions, without white space around its text; nothing if it has no text."""
    raw = text[start:end]
    words = raw.strip()
    if words:
        first = start + len(raw) - len(raw.lstrip())
        yield Section(title, words, first, first + len(words))


def _of_sections(matter: FrontMatter, sections: list[Section]) -> list[SectionMatter]:
    """Return the entry of the front matter's key `sections` for each section, in order; an empty entry if it has none.

    Raises:
        UserError: A heading in the front matter belongs to no section, or to several.
    """
    titles = [section.title for section in sections]
    for heading in matter.sections:
        if (times := titles.count(heading)) != 1:
            there = hint(heading, [title for title in titles if title])
            problem = f"no section has that heading: {there}" if not times else f"{times} sections have that heading"
            raise UserError(f"sections: {heading!r}: {problem}")
    return [matter.sections.get(section.title or "", SectionMatter()) for section in sections]


def _intents(matter: FrontMatter, said: SectionMatter, section: Section) -> tuple[str, ...]:
    """Return the intents of a section: those of its own entry `said`, or else those of the whole file (`matter`).

    Raises:
        UserError: Neither states any.
    """
    intents = matter.intents if said.intents is None else said.intents
    if intents is None:
        name = repr(section.title) if section.title else "without a heading"
        raise UserError(
            f"the section {name} has no intents, and neither has the file: write `intents: [...]`, or `intents: []` "
            "if it answers no question"
        )
    return tuple(dict.fromkeys(intents))


def _located(stated: dict[str, StatedValue], sections: list[Section]) -> Iterator[tuple[Section, Value]]:
    """Yield each value that the front matter states, with its section and its position there.

    Args:
        stated: Role -> the words of the value, as the front matter states them.
        sections: The sections in which to look for the words.

    Raises:
        UserError: The words are not in the text; or they occur several times, and the front matter does not say which
            occurrence is meant.
    """
    for role, value in stated.items():
        pattern = _pattern(value.text)
        found = [(section, place) for section in sections for place in pattern.finditer(section.text)]
        name = f"values: {role}: {value.text!r}"
        if not found:
            raise UserError(f"{name} does not stand in the text")
        if value.occurrence is None and len(found) > 1:
            raise UserError(
                f"{name} stands {len(found)} times in the text: say which, {role}: {{text: {value.text}, "
                "occurrence: 1}, or state it under `sections:` by the heading"
            )
        if (value.occurrence or 1) > len(found):
            raise UserError(f"{name}, occurrence {value.occurrence}: it stands {len(found)} time(s) in the text")
        section, place = found[(value.occurrence or 1) - 1]
        yield section, Value(role, place[0], place.start(), place.end())


def _pattern(words: str) -> re.Pattern[str]:
    """Return a pattern that finds words in a text, whatever white space is between them.

    It does not match a part of a longer number or word: "3" is not found in "30".
    """
    words = " ".join(words.split())
    before = r"(?<!\d)(?<!\d[.,])" if words[:1].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if words[-1:].isdigit() else ""
    before = f"(?<![{_LETTER}])" if re.match(f"[{_LETTER}]", words) else before
    after = f"(?![{_LETTER}])" if re.search(f"[{_LETTER}]$", words) else after
    return re.compile(before + r"\s+".join(map(re.escape, words.split())) + after)
