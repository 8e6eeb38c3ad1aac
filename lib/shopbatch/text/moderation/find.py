"""Finds harmful passages in a text, with kind and position, by rules over classes of words and contact details.

Each text is searched in several readings: as it is, and with its disguises undone (`folding`, `closing`). In each
reading the words of the lexicon and the contact details (`details`) are found and get their classes. A rule matches
words of certain classes that follow each other closely within one sentence. So a threat needs a person as its target, a
number needs a contact word, and a complaint about a product is no insult. Nothing is learned and nothing is random: the
same text has the same findings on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from shopbatch.text.moderation.closing import close
from shopbatch.text.moderation.details import details
from shopbatch.text.moderation.folding import fold
from shopbatch.text.moderation.lexicon import BENIGN, UNFIT, Rule, words

VERSION = 2  # of rules and words; a test fails if they change and this does not
_END = re.compile(r"[.!?。！？;；\n](?![\w.])|[。！？；\n]")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_LOOKS = 64  # most words per class that are tried as the next word of a rule


@dataclass(frozen=True, order=True)
class Finding:
    """A harmful passage in a text.

    Attributes:
        start: Start in the original text, in characters.
        end: End in the original text (exclusive).
        kind: insult, threat, slander, contact, advert, profanity, or unfit (for product copy).
        rule: Name of the rule that found it: language, kind and number, such as "en.insult.3".
    """

    start: int
    end: int
    kind: str
    rule: str


def find(text: str, unfit: bool = False) -> list[Finding]:
    """Return the harmful passages of a text of any length, in order.

    Passages of different kinds may overlap; within a kind, none lies inside another.

    Args:
        text: The text.
        unfit: Whether to look also for words that a customer may use and a shop may not.
    """
    found: set[Finding] = set()
    readings: set[str] = set()
    for folded in fold(text):
        for reading in (folded, close(folded)):
            if reading.text in readings:
                continue
            readings.add(reading.text)
            for kind, rule, start, end in _matches(reading.text):
                if kind == UNFIT and not unfit:
                    continue
                first, last = reading.span(start, end)
                found.add(Finding(first, _with_marks(text, last), kind, rule))
    return _longest(found)


def _with_marks(text: str, end: int) -> int:
    """Return `end`, moved behind the diacritics and variation selectors that belong to the last character."""
    while end < len(text) and unicodedata.category(text[end]) in ("Mn", "Me"):
        end += 1
    return end


def masked(text: str, findings: Iterable[Finding]) -> str:
    """Return a text with each harmful passage replaced by its kind in brackets, such as `[contact]`.

    Overlapping passages are replaced together, by the kind of the first one.

    Args:
        text: The text.
        findings: Its passages, from `find`.
    """
    parts, done = [], 0
    for finding in sorted(findings):
        if finding.end <= done:
            continue
        if finding.start >= done:
            parts += [text[done : finding.start], f"[{finding.kind}]"]
        done = finding.end
    return "".join([*parts, text[done:]])


def _longest(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings without those that lie inside another finding of the same kind, in order."""
    kept: list[Finding] = []
    ends: dict[str, int] = {}
    for finding in sorted(found, key=lambda f: (f.start, -f.end, f.kind, f.rule)):
        if finding.end > ends.get(finding.kind, -1):
            kept.append(finding)
            ends[finding.kind] = finding.end
    return kept


@dataclass
class Places:
    """The positions of the words of each class in one reading of a text (see the module).

    Contact details are words here too.

    Attributes:
        starts: Start positions by class, ascending.
        ends: End positions (exclusive) by class, in the order of `starts`.
    """

    starts: dict[str, list[int]]
    ends: dict[str, list[int]]

    def after(self, classes: Sequence[str], position: int, until: int) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the words of some classes that begin in a range, at most `_LOOKS` per class.

        Args:
            classes: Names of the classes.
            position: First start position.
            until: Last start position (inclusive).
        """
        for name in classes:
            starts = self.starts.get(name, [])
            first = bisect_left(starts, position)
            for i in range(first, min(len(starts), first + _LOOKS)):
                if starts[i] > until:
                    break
                yield starts[i], self.ends[name][i]


def _matches(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield (kind, rule, start, end) of each match of a rule in `text`, one reading of a text."""
    places = places_of(text)
    if not places.starts:
        return
    listed = words().rules
    breaks = [match.start() for match in _END.finditer(text)]
    for name in sorted(listed.keys() & places.starts.keys()):
        for label, rule in listed[name]:
            for first in zip(places.starts[name], places.ends[name], strict=True):
                spans = _follow(rule, places, breaks, first)
                if spans and not _is_excused(rule, places, spans):
                    yield rule.kind, label, spans[0][0], spans[-1][1]


def _follow(rule: Rule, places: Places, breaks: list[int], first: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the (start, end) of the words that a rule matches, beginning with the word at `first`; [] for no match.

    Args:
        rule: The rule.
        places: The positions of the classes.
        breaks: Positions of the ends of sentences, ascending.
        first: Position of a word of the rule's first class.
    """
    spans = [first]
    for wanted in rule.all[1:]:
        end = spans[-1][1]
        begin = bisect_left(breaks, end)
        until = min(end + rule.gap, breaks[begin]) if begin < len(breaks) else end + rule.gap
        following = min(places.after(wanted.split("|"), end, until), key=_earliest_longest, default=None)
        if following is None:
            return []
        spans.append(following)
    return spans


def _earliest_longest(place: tuple[int, int]) -> tuple[int, int]:
    return place[0], -place[1]


def _is_excused(rule: Rule, places: Places, spans: list[tuple[int, int]]) -> bool:
    """Return True if a word of `rule.without` is within the match, or at most `before` or `after` characters from it.

    A word inside one of the matched words is ignored.

    Args:
        rule: The rule that matched.
        places: The positions of the classes.
        spans: (start, end) of the matched words, in order.
    """
    if not rule.without:
        return False
    start, end = spans[0][0], spans[-1][1]
    return any(
        not any(a <= excuse_start and excuse_end <= b for a, b in spans)
        for excuse_start, excuse_end in places.after(rule.without, start - rule.before, end + rule.after - 1)
    )


def places_of(text: str) -> Places:
    """Return the positions of all words of the lexicon and of all contact details in one reading of a text."""
    found = sorted(_without_benign([*_words(text), *details(text)]), key=lambda place: (place[1], -place[2]))
    starts: dict[str, list[int]] = {}
    ends: dict[str, list[int]] = {}
    for name, start, end in found:
        starts.setdefault(name, []).append(start)
        ends.setdefault(name, []).append(end)
    return Places(starts, ends)


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (class, start, end) of the words of the lexicon in a text. They may overlap."""
    lexicon = words()
    lengths, classes, size = lexicon.lengths, lexicon.classes, len(text)
    for match in lexicon.token.finditer(text):
        sizes = lengths.get(match[0])
        if sizes is None:
            continue
        start = match.start()
        for length in sizes:
            end = start + length
            names = classes.get(text[start:end])
            if names is None or end > size or (end < size and text[end] in _LETTERS and text[end - 1] in _LETTERS):
                continue
            for name in names:
                yield name, start, end


def _without_benign(found: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Return the found words without those that are part of a benign word.

    A word is left out if it lies inside a benign word ("pussy willow"), or begins or ends within one (妈的 in 妈妈的).
    """
    benign = sorted((start, end) for name, start, end in found if name == BENIGN)
    if not benign:
        return found
    starts = [start for start, _ in benign]
    farthest = list(accumulate((end for _, end in benign), max))  # end of the benign words that begin by then
    glue = words().glue

    def is_excused(start: int, end: int) -> bool:
        inside, covering, until = bisect_left(starts, start), bisect_right(starts, start), bisect_left(starts, end)
        begins_within = inside > 0 and farthest[inside - 1] > start
        lies_inside = covering > 0 and farthest[covering - 1] >= end
        return begins_within or lies_inside or (until > covering and farthest[until - 1] > end)

    return [x for x in found if x[0] != BENIGN and (x[0] in glue or not is_excused(x[1], x[2]))]
