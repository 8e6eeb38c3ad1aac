"""Decides whether a ticket is answered, drafted or escalated to a person, and states the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from shopbatch.capabilities.support.answers import urgency as urgencies
from shopbatch.capabilities.support.answers.facts import NOT_YOURS, OTHER_LANGUAGE, UNTRANSLATED
from shopbatch.capabilities.support.answers.reading import Read
from shopbatch.capabilities.support.answers.urgency import THREAD, urgency
from shopbatch.capabilities.support.thresholds import ANSWER, DRAFT, ESCALATE, Thresholds
from shopbatch.evaluation.selective import NEVER
from shopbatch.grounding.sentences import sentences
from shopbatch.text.injection import is_injection

VERSION = 2  # of the decision rules

CERTAIN, UNSURE, NO_LABELS = "certain", "unsure", "no_labelled_tickets"
FEW_LABELS = "few_labelled_tickets"  # too few to find a threshold for answers
HOSTILE, URGENT, NO_INTENT, NO_POLICY = "hostile", "urgent", "no_intent", "no_policy"
TOO_MANY, NO_DATE, NO_TEMPLATE = "too_many_questions", "no_date", "no_template"
PERSON_INTENT, OVER, UNBACKED, GENERATED = "person_intent", "deadline_over", "unbacked", "generated"


@dataclass(frozen=True)
class Rules:
    """The thresholds and settings by which it is decided whether a ticket is answered, drafted or escalated.

    All fields but the first are settings of the same names in `AnswerTicketsConfig`.

    Attributes:
        thresholds: Thresholds of the model of intents.
        draft_confidence: Least probability of an intent for a draft, if the thresholds were not measured on labels.
        least_confidence: Least probability of an intent for a draft, whatever the thresholds are.
        person_intents: Intents that are never answered without a person; their replies are only drafts.
        thread_messages: Number of the message in a thread from which on a person answers.
        most_questions: Largest number of questions in a ticket; one with more is left to a person.
        send_generated: True if generated replies may be sent without a person reading them.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    draft_confidence: float = 0.5
    least_confidence: float = 0.3
    person_intents: tuple[str, ...] = ()
    thread_messages: int = 3
    most_questions: int = 4
    send_generated: bool = False

    @property
    def measured(self) -> bool:
        """Return True if the thresholds were chosen on labelled questions."""
        bounds = (self.thresholds.common, *self.thresholds.by_intent.values())
        return self.thresholds.precision > 0 or any(each.answer < NEVER for each in bounds)

    def of_confidence(self, intents: Sequence[str | None], confidences: Sequence[float]) -> str:
        """Return ANSWER, DRAFT or ESCALATE, whichever the least certain question of a ticket allows.

        Args:
            intents: Intent of each question; None (nothing likely) escalates the ticket.
            confidences: Probability of each intent, 0 to 1.
        """
        worst = ANSWER
        for intent, sure in zip(intents, confidences, strict=True):
            if intent is None:
                return ESCALATE
            bounds = self.thresholds.bounds(intent)
            draft = self.draft_confidence if bounds.draft >= NEVER and not self.measured else bounds.draft
            if sure < max(self.least_confidence, min(draft, bounds.answer)):
                return ESCALATE
            if sure < bounds.answer:
                worst = DRAFT
        return worst


@dataclass(frozen=True)
class Triage:
    """The result of looking at a ticket before any reply is written.

    Attributes:
        urgency: Kind of urgency; None if the ticket is not urgent.
        handed_over: Reason why a person must write the reply; "" if a reply may be written here.
    """

    urgency: str | None
    handed_over: str


def triage(ticket: Read, rules: Rules) -> Triage:
    """Find the urgency of a ticket, and decide whether a person must write its reply.

    `Writer` and `AnswerStage` call it first: a ticket that is handed over to a person gets no reply.
    """
    urgent = urgency(ticket.text)
    if urgent is None and ticket.facts.message >= rules.thread_messages:
        urgent = THREAD
    return Triage(urgent, _handed_over(ticket, urgent, rules))


def _handed_over(ticket: Read, urgent: str | None, rules: Rules) -> str:
    """Return the first reason why a person must write the reply; "" if there is none."""
    facts = ticket.facts
    reasons = (
        (HOSTILE, is_hostile(ticket.text)),
        (URGENT, urgent is not None),
        (NOT_YOURS, NOT_YOURS in facts.flags),
        (TOO_MANY, len(ticket.intents) > rules.most_questions),
        (OTHER_LANGUAGE, OTHER_LANGUAGE in facts.flags and ticket.as_of is not None),
        (NO_INTENT, not ticket.intents or any(intent is None for intent in ticket.intents)),
        (NO_DATE, ticket.as_of is None),
        (UNTRANSLATED, UNTRANSLATED in facts.flags),
        (NO_POLICY, any(not asked.sections for asked in facts.asked)),
    )
    return next((reason for reason, holds in reasons if holds), "")


@lru_cache(maxsize=16_384)
def is_hostile(text: str) -> bool:
    """Return True if a sentence of a ticket gives instructions to the writer of the reply (prompt injection)."""
    return any(is_injection(text[start:end]) for start, end in sentences(text))


def _not_answered(ticket: Read, rules: Rules) -> str:
    """Return the reason why a ticket is only drafted, although its questions are understood well enough for a draft."""
    if not rules.measured:
        return NO_LABELS
    for intent, sure in zip(ticket.intents, ticket.confidences, strict=True):
        if intent is None or sure < rules.thresholds.bounds(intent).answer < NEVER:
            return UNSURE
    return FEW_LABELS  # the intents not answered have no threshold that a probability can reach


def decide(ticket: Read, rules: Rules, generated: bool = False) -> tuple[str, str]:
    """Return the decision (ANSWER, DRAFT or ESCALATE) on a ticket that has a reply, and the reason.

    Args:
        ticket: The ticket with its facts.
        rules: Thresholds and settings.
        generated: True if an engine generated the reply.
    """
    sure = rules.of_confidence(ticket.intents, ticket.confidences)
    if sure == ESCALATE:
        return ESCALATE, UNSURE
    if any(intent in rules.person_intents for intent in ticket.intents):
        return DRAFT, PERSON_INTENT
    if any(ticket.as_of is not None and d.last < ticket.as_of for d in ticket.facts.deadlines):
        return DRAFT, OVER
    if sure == DRAFT:
        return DRAFT, _not_answered(ticket, rules)
    if generated and not rules.send_generated:
        return DRAFT, GENERATED
    return ANSWER, CERTAIN


IDENTITY = f"{VERSION}.{urgencies.VERSION}"
