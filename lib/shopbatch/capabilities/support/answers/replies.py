"""Writes replies by a template from the policy's own sentences, the order's facts and calculated dates.

The policy's wording carries the meaning and the condition of every number, so it is quoted and never rephrased. The
words around the quotation are in `replies.yaml`. The position and the source of each claim are recorded.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from shopbatch.capabilities.support.answers.deadlines import Deadline
from shopbatch.capabilities.support.answers.facts import OTHER_LANGUAGE, UNTRANSLATED, Facts
from shopbatch.capabilities.support.answers.policies import Section
from shopbatch.grounding.replies import is_conditional
from shopbatch.grounding.reply_orders import EVENTS, OrderFacts
from shopbatch.grounding.sentences import sentences
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # of the template, replies.yaml included
POLICY, ORDER, RECKONED = "policy", "order", "reckoned"  # kinds of source that back a claim
_PLACE = re.compile(r"\{(\w+)\}")
_LINE_END = re.compile(r"[\r\n]")  # a wrapped line in a sentence; one blank replaces it, so positions stay valid
_LIST_OR_PARAGRAPH = re.compile(r"\n\s*\n|\n\s*(?:[-*•]|\d)")
_WORD = re.compile(r"[a-z]{3,}|[\u3400-\u9fff]{2}", re.I)


class _Language(WordFile):
    """The template of one language in `replies.yaml`, where the fields are explained."""

    greeting: str
    about: str
    orders: dict[str, str]
    status: dict[str, str]
    goods: str
    piece: str
    priced_piece: str
    comma: str
    events: dict[str, str]
    reckoned: str
    over: str
    closing: str
    date: str
    months: tuple[str, ...]
    joint: str

    def day(self, day: dt.date) -> str:
        """Format a date in this language ("2 June 2026")."""
        written = self.date.replace("%-d", str(day.day)).replace("%-m", str(day.month)).replace("%Y", str(day.year))
        return written.replace("{month}", self.months[day.month - 1] if self.months else "")


class _Words(WordFile):
    """The content of `replies.yaml`: the template of each language."""

    languages: dict[str, _Language]


@lru_cache(maxsize=1)
def reply_words() -> Mapping[str, _Language]:
    """Return the templates by language, read once per process."""
    return read_words(_Words, "shopbatch.capabilities.support.answers", "replies.yaml").languages


@dataclass(frozen=True)
class Claim:
    """A claim in a reply with the fact that backs it; the fields are those of `ticket_answers.claims`.

    Attributes:
        kind: Role of the value (such as return_days), `condition`, `order` or `date`.
        start, end: Position in the reply, in characters; `end` is exclusive.
        source: Kind of the fact: POLICY, ORDER, or RECKONED (a date calculated from a policy and an order).
        source_id: Id of the fact: `policy_id#section`, `order_id.column`, or for RECKONED the two joined by "+".
        source_start, source_end: Position in the section or the order's value, in characters.
    """

    kind: str
    start: int
    end: int
    source: str
    source_id: str
    source_start: int
    source_end: int


@dataclass
class Reply:
    """A reply that is being written, with its claims.

    Attributes:
        text: The text so far.
        claims: The claims so far.
    """

    text: str = ""
    claims: list[Claim] = field(default_factory=list)

    def add(self, words: str, joint: str = "") -> int:
        """Append words, and return their position in the reply, in characters.

        Args:
            words: Text to append.
            joint: Separator before the words; left out at the beginning of a line.
        """
        if self.text and not self.text.endswith("\n"):
            self.text += joint
        start = len(self.text)
        self.text += words
        return start

    def paragraph(self) -> None:
        """Begin a new paragraph, unless the reply is empty."""
        if self.text:
            self.text = self.text.rstrip("\n") + "\n\n"

    def claim(self, kind: str, span: tuple[int, int], source: str, source_id: str, place: tuple[int, int]) -> None:
        """Record the source that backs a part of the text.

        Args:
            kind: Kind of the claim.
            span: (start, end) in the reply, in characters.
            source: POLICY, ORDER or RECKONED.
            source_id: Id of the source.
            place: (start, end) in the source, in characters.
        """
        self.claims.append(Claim(kind, *span, source, source_id, *place))

    def fill(self, template: str, values: Mapping[str, str], joint: str) -> dict[str, tuple[int, int]]:
        """Append a template with its placeholders filled; return the (start, end) of each value in the reply.

        Args:
            template: Text with placeholders such as {order_id}.
            values: Value of each placeholder.
            joint: Separator before the text; left out at the beginning of a line.
        """
        spans: dict[str, tuple[int, int]] = {}
        base, last, words = self.add("", joint), 0, ""
        for match in _PLACE.finditer(template):
            words += template[last : match.start()]
            spans[match[1]] = (base + len(words), base + len(words) + len(values[match[1]]))
            words += values[match[1]]
            last = match.end()
        self.text += words + template[last:]
        return spans


def template_reply(facts: Facts, language: str, as_of: dt.date | None, question: str = "") -> Reply | None:
    """Write the reply to a ticket by the template.

    Args:
        facts: Facts of the ticket.
        language: Language of the reply, which must be that of the sections.
        as_of: Date of the reply; deadlines before it are worded as having ended.
        question: "" to quote all sentences of the sections. The ticket's text to quote fewer: those that share words
            with it, and all that state a condition.

    Returns:
        The reply; None if the language has no template, or if a question is not answered by a section in this language.
    """
    words = reply_words().get(language)
    whole = bool(facts.asked) and all(asked.sections for asked in facts.asked)
    if words is None or not whole or {OTHER_LANGUAGE, UNTRANSLATED} & set(facts.flags):
        return None
    reply = Reply()
    reply.add(words.greeting)
    reply.paragraph()
    for order in facts.orders:
        _order(reply, order, words)
    sections = facts.sections
    for section in sections:
        reply.paragraph()
        if len({s.policy_id for s in sections}) > 1 and section.title:
            reply.add(words.about.replace("{title}", section.title))
            reply.add("\n")
        _quote(reply, section, list(_kept(section, question)), words.joint)
        for deadline in facts.deadlines:
            if deadline.source == section.id:
                _reckoned(reply, deadline, facts.orders[0], words, as_of)
    reply.paragraph()
    reply.add(words.closing)
    return reply


def _order(reply: Reply, order: OrderFacts, words: _Language) -> None:
    """Append sentences with the known facts of an order, and record their claims."""
    values = {name: words.day(day) for name, day in order.events.items()}
    values |= {n: v for n in ("carrier", "tracking") if (v := getattr(order, n))}
    values["order_id"] = order.order_id
    template = [(column, sentence) for column, sentence in words.orders.items() if column in values]
    if order.status in words.status:
        template.append(("status", words.status[order.status]))
    for column, sentence in template:
        for name, span in reply.fill(sentence, values, words.joint).items():
            stored = getattr(order, name)
            length = len(stored.isoformat() if name in EVENTS else stored)
            reply.claim(ORDER, span, ORDER, f"{order.order_id}.{name}", (0, length))
        if column == "status":
            start = len(reply.text) - len(sentence)
            place = (0, len(order.status or ""))
            reply.claim(ORDER, (start, len(reply.text)), ORDER, f"{order.order_id}.status", place)


def fact_sentences(facts: Facts, language: str, as_of: dt.date | None) -> list[tuple[str, str]]:
    """Return the template's sentences about orders and calculated dates, as (source id, text).

    `generated` shows them to the generator as facts, and checks its reply against them.

    Args:
        facts: Facts of the ticket.
        language: Language of the sentences; [] if it has no template.
        as_of: Date of the reply; None if unknown.
    """
    words = reply_words().get(language)
    if words is None:
        return []
    out = []
    for order in facts.orders:
        reply = Reply()
        _order(reply, order, words)
        out.append((order.order_id, reply.text))
    for deadline in facts.deadlines:
        reply = Reply()
        _reckoned(reply, deadline, facts.orders[0], words, as_of)
        out.append((f"{deadline.source}+{facts.orders[0].order_id}.{deadline.event}", reply.text))
    return out


def goods_sentence(order: OrderFacts, language: str) -> str:
    """Return a sentence that lists the products of an order, for the generator; "" if they are unknown.

    The template's own replies do not have this sentence.
    """
    words = reply_words().get(language)
    if words is None or not order.lines:
        return ""
    pieces = []
    for line in order.lines:
        template = words.piece if line.unit_price is None or order.currency is None else words.priced_piece
        pieces.append(template.format(**vars(line), currency=order.currency))
    return words.goods.format(order_id=order.order_id, pieces=words.comma.join(pieces))


def _quote(reply: Reply, section: Section, kept: list[tuple[int, int]], joint: str) -> None:
    """Append sentences of a section, and record every value and every condition in them as a claim.

    Args:
        reply: The reply.
        section: The section.
        kept: (start, end) in the section of each sentence to quote.
        joint: Separator between sentences.
    """
    for number, (start, end) in enumerate(kept):
        between = section.text[kept[number - 1][1] : start] if number else ""
        paragraph = number and bool(_LIST_OR_PARAGRAPH.search(between + section.text[start : start + 2]))
        base = reply.add(_LINE_END.sub(" ", section.text[start:end]), "\n" if paragraph else joint)
        shift = base - start
        for value in section.values:
            if start <= value.start and value.end <= end:
                place = (value.start, value.end)
                reply.claim(value.role, (value.start + shift, value.end + shift), POLICY, section.id, place)
        if is_conditional(section.text[start:end]):
            reply.claim("condition", (base, base + end - start), POLICY, section.id, (start, end))


def _kept(section: Section, question: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the sentences of a section to quote.

    They are the sentences that share words with the question, and all sentences that state a condition. If no sentence
    shares a word with the question, or the question is "", all sentences are quoted.
    """
    every = sentences(section.text)
    if not question:
        yield from every
        return
    asked = set(_terms(question))
    near = [bool(asked & set(_terms(section.text[start:end]))) for start, end in every]
    for (start, end), shares in zip(every, near, strict=True):
        if not any(near) or shares or is_conditional(section.text[start:end]):
            yield start, end


def _terms(text: str) -> Iterable[str]:
    """Return the terms by which a sentence is compared with the question.

    They are the first five letters of each Latin word, and the pairs of neighbouring Chinese characters.
    """
    low = text.lower()
    pairs = (low[i : i + 2] for i in range(len(low) - 1))
    return [*(m[0][:5] for m in _WORD.finditer(low) if m[0].isascii()), *(p for p in pairs if _WORD.fullmatch(p))]


def _reckoned(reply: Reply, deadline: Deadline, order: OrderFacts, words: _Language, as_of: dt.date | None) -> None:
    """Append a sentence with a calculated deadline, and record its claims."""
    values = {
        "event": words.events[deadline.event],
        "begun": words.day(deadline.begun),
        "value": deadline.value,
        "last": words.day(deadline.last),
    }
    template = words.over if as_of is not None and deadline.last < as_of else words.reckoned
    spans = reply.fill(template, values, words.joint)
    policy, event = (deadline.start, deadline.end), (0, len(deadline.begun.isoformat()))
    reply.claim(ORDER, spans["begun"], ORDER, f"{order.order_id}.{deadline.event}", event)
    reply.claim(deadline.role, spans["value"], POLICY, deadline.source, policy)
    reply.claim("date", spans["last"], RECKONED, f"{deadline.source}+{order.order_id}.{deadline.event}", policy)


def as_rows(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    """Return the claims as values of `ticket_answers.claims`, in the order of their positions in the reply."""
    return [vars(claim) for claim in sorted(claims, key=lambda claim: (claim.start, claim.end, claim.kind))]
