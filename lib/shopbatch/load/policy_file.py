"""One policy as a shop publishes it: Markdown with front matter, cut into sections, with the places of its values.

Places are counted in characters of the file as it is: a byte-order mark is one character, CRLF are two.
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
    """Words of a section that are a value. start, end: where they stand in the section's text, in characters."""

    role: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Section:
    """One section with text. start, end: where the text stands in the file, in characters."""

    title: str | None
    text: str
    start: int
    end: int
    intents: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Policy:
    """One file. version: digest of its text. file: its path relative to the folder."""

    id: str
    language: str
    market: str | None
    valid_from: dt.date | None
    valid_to: dt.date | None
    version: str
    file: str
    sections: tuple[Section, ...]


def read_policy(text: str, file: str) -> Policy:
    """Read one policy.

    Args:
        text: The whole file, with its line ends as they are.
        file: Its path relative to the folder.

    Raises:
        UserError: The front matter is missing or wrong, a value does not stand in the text just once, or there is no
            text. The message does not name the file.
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
    """Cut Markdown at its headings of the first and second level; a section without text is left out.

    Args:
        text: The file.
        begin: Where its Markdown begins.

    Yields:
        Sections with title, text and place: `text[section.start : section.end] == section.text`.
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
    """The words of a heading, without the # that may end it."""
    words = words.strip()
    unmarked = words.rstrip("#")
    return (unmarked.strip() if unmarked[-1:] in ("", " ", "\t") else words) or None


def _section(title: str | None, text: str, start: int, end: int) -> Iterator[Section]:
    """The section without the blanks around it; nothing if there are only blanks."""
    raw = text[start:end]
    words = raw.strip()
    if words:
        first = start + len(raw) - len(raw.lstrip())
        yield Section(title, words, first, first + len(words))


def _of_sections(matter: FrontMatter, sections: list[Section]) -> list[SectionMatter]:
    """What the front matter says of each section. UserError for a heading that is not there, or there twice."""
    titles = [section.title for section in sections]
    for heading in matter.sections:
        if (times := titles.count(heading)) != 1:
            there = hint(heading, [title for title in titles if title])
            problem = f"no section has that heading: {there}" if not times else f"{times} sections have that heading"
            raise UserError(f"sections: {heading!r}: {problem}")
    return [matter.sections.get(section.title or "", SectionMatter()) for section in sections]


def _intents(matter: FrontMatter, said: SectionMatter, section: Section) -> tuple[str, ...]:
    intents = matter.intents if said.intents is None else said.intents
    if intents is None:
        name = repr(section.title) if section.title else "without a heading"
        raise UserError(
            f"the section {name} has no intents, and neither has the file: write `intents: [...]`, or `intents: []` "
            "if it answers no question"
        )
    return tuple(dict.fromkeys(intents))


def _located(stated: dict[str, StatedValue], sections: list[Section]) -> Iterator[tuple[Section, Value]]:
    """Find each value in the sections. UserError where its words do not stand there, or it is not said which."""
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
    """The words with any white space between them, and not as a part of a longer number or word: 3 is not in 30."""
    words = " ".join(words.split())
    before = r"(?<!\d)(?<!\d[.,])" if words[:1].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if words[-1:].isdigit() else ""
    before = f"(?<![{_LETTER}])" if re.match(f"[{_LETTER}]", words) else before
    after = f"(?![{_LETTER}])" if re.search(f"[{_LETTER}]$", words) else after
    return re.compile(before + r"\s+".join(map(re.escape, words.split())) + after)
