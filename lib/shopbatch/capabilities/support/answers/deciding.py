"""What is done with a ticket: answer, draft or escalate, and why."""

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

VERSION = 2  # of what is decided

CERTAIN, UNSURE, NO_LABELS = "certain", "unsure", "no_labelled_tickets"
FEW_LABELS = "few_labelled_tickets"  # too few for a bound from which on anything may be answered
HOSTILE, URGENT, NO_INTENT, NO_POLICY = "hostile", "urgent", "no_intent", "no_policy"
TOO_MANY, NO_DATE, NO_TEMPLATE = "too_many_questions", "no_date", "no_template"
PERSON_INTENT, OVER, UNBACKED, GENERATED = "person_intent", "deadline_over", "unbacked", "generated"


@dataclass(frozen=True)
class Rules:
    """What decides.

    Attributes:
        thresholds: Of the model of intents.
        draft_confidence: See the configuration.
        least_confidence: See the configuration.
        person_intents: See the configuration.
        thread_messages: See the configuration.
        most_questions: See the configuration.
        send_generated: See the configuration.
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
        """Whether the thresholds were chosen on labelled tickets."""
        bounds = (self.thresholds.common, *self.thresholds.by_intent.values())
        return self.thresholds.precision > 0 or any(each.answer < NEVER for each in bounds)

    def of_confidence(self, intents: Sequence[str | None], confidences: Sequence[float]) -> str:
        """Return ANSWER, DRAFT or ESCALATE by the probabilities of the questions' intents; the least one counts."""
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
    """urgency: its kind, or None. handed_over: why a person writes the reply; "" if one may be written here."""

    urgency: str | None
    handed_over: str


def triage(ticket: Read, rules: Rules) -> Triage:
    """Say what can be said before a reply is written; a ticket that is handed over gets none."""
    urgent = urgency(ticket.text)
    if urgent is None and ticket.facts.message >= rules.thread_messages:
        urgent = THREAD
    return Triage(urgent, _handed_over(ticket, urgent, rules))


def _handed_over(ticket: Read, urgent: str | None, rules: Rules) -> str:
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
    """Tell whether a sentence of a ticket gives orders to the writer of the reply."""
    return any(is_injection(text[start:end]) for start, end in sentences(text))


def _not_answered(ticket: Read, rules: Rules) -> str:
    """Why a ticket whose questions are understood well enough for a draft is not answered."""
    if not rules.measured:
        return NO_LABELS
    for intent, sure in zip(ticket.intents, ticket.confidences, strict=True):
        if intent is None or sure < rules.thresholds.bounds(intent).answer < NEVER:
            return UNSURE
    return FEW_LABELS  # no probability is enough for any of the intents that are not answered


def decide(ticket: Read, rules: Rules, generated: bool = False) -> tuple[str, str]:
    """Return the decision on a ticket that has a reply, and its reason.

    Args:
        ticket: The ticket.
        rules: What decides.
        generated: Whether an engine wrote the reply.
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
