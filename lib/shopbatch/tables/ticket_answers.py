"""Declares the tables that `answer_tickets` writes about customers' tickets.

`ticket_intents` (what each question is about), `tickets_with_facts` (tickets joined with orders and policies),
`ticket_answers` (replies whose claims name their evidence), and the rejects of intents and answers.
"""

from dataclasses import replace

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import TEXT_LIST, TIMESTAMP, Column, Lookup, Nobody, Person, Table, View
from shopbatch.tables.tickets import TICKET_DECISIONS, TICKETS

SENTIMENTS = ("negative", "neutral", "positive")
CLAIM = pa.struct(
    [
        ("kind", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("source", pa.string()),
        ("source_id", pa.string()),
        ("source_start", pa.int32()),
        ("source_end", pa.int32()),
    ]
)
QUESTION = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("intent", pa.string())])
_TICKET = tuple(column for column in TICKETS.columns if column.name not in ("source", "language"))
_LANGUAGE = Column("language", pa.string(), "ISO 639-1 code: given, else recognised from the text; und: unknown.")
_INTENT = Column("intent", pa.string(), "What the first question is about; null where no intent is likely.")
_CONFIDENCE = Column(
    "confidence", pa.float32(), "Calibrated probability that the intents are right, that of the least sure question."
)
_QUESTIONS = Column(
    "questions",
    pa.list_(QUESTION),
    "The questions of the ticket: where they stand in `text`, in characters, and what each is about; an intent is null "
    "where none is likely.",
    nullable=False,
    personal=True,
)
_CONFIDENCES = Column(
    "confidences", pa.list_(pa.float32()), "Calibrated probability of the intent of each question, 0 to 1."
)

TICKET_INTENTS = Table(
    name="ticket_intents",
    meaning="One row per ticket: its language, its questions, and what each is about. Published by answer_tickets.",
    key=("ticket_id",),
    person=Person(user="user_id", hashes=("content_hash",)),
    columns=(
        *_TICKET,
        _LANGUAGE,
        _INTENT,
        _CONFIDENCE,
        _QUESTIONS,
        _CONFIDENCES,
        *provenance("subject and text of the ticket", "the vectors of its questions (encoder, engine, ...)"),
    ),
    job="answer_tickets",
    view=View(("intent", "confidence", "language", "text")),
)
TICKET_INTENTS_REJECTS = replace(
    rejects_of(
        TICKET_INTENTS,
        "One row per ticket that cannot be read, with its reason. Published by answer_tickets.",
        "empty, too_long, invalid_utf8",
    ),
    person=Nobody("It names tickets by their numbers, and neither who wrote nor what."),
)
TICKETS_WITH_FACTS = Table(
    name="tickets_with_facts",
    meaning="One row per ticket, joined with what the shop knows for it on its day. Written by answer_tickets.",
    key=("ticket_id",),
    person=Person(user="user_id"),
    columns=(
        *_TICKET,
        _LANGUAGE,
        _INTENT,
        _CONFIDENCE,
        _QUESTIONS,
        _CONFIDENCES,
        Column("as_of", pa.date32(), "The day as of which the reply speaks; null for a ticket without a date."),
        Column(
            "facts",
            pa.string(),
            "JSON: the sections of the policies that hold, the order of the ticket's own user, dates reckoned from "
            "both. A changed fact is another content, and computes this ticket alone.",
            nullable=False,
            personal=True,
        ),
        Column("run_id", pa.string(), "The run that wrote the row.", nullable=False, machinery=True),
    ),
    job="answer_tickets",
    view=View(("intent", "confidence", "text")),
)
TICKET_ANSWERS = Table(
    name="ticket_answers",
    meaning="One row per ticket: what is to be done with it, and the reply. Published by answer_tickets.",
    key=("ticket_id",),
    person=Person(user="user_id", hashes=("content_hash",)),
    columns=(
        Column("ticket_id", pa.string(), "The ticket (tickets.ticket_id).", nullable=False, personal=True),
        Column("user_id", pa.string(), "Who wrote (users.user_id); null where unknown.", personal=True),
        Column("channel", pa.string(), "How it came: mail, chat, form, ...; null where unknown."),
        Column("language", pa.string(), "ISO 639-1 code of the ticket, and of the reply; und: unknown."),
        _INTENT,
        Column("intents", TEXT_LIST, "What the questions of the ticket are about, in order.", nullable=False),
        _CONFIDENCE,
        Column("urgency", pa.string(), "injury, legal, fraud, threat, deadline, ...; null: not urgent."),
        Column("sentiment", pa.string(), "How the customer sounds; null where unknown.", one_of=SENTIMENTS),
        Column(
            "decision",
            pa.string(),
            "answer: may be sent as it is; draft: for a person to look at; escalate: for a person to write.",
            nullable=False,
            one_of=TICKET_DECISIONS,
        ),
        Column(
            "reason", pa.string(), "Why: certain, unsure, no_policy, urgent, not_yours, hostile, ...", nullable=False
        ),
        Column("reply", pa.string(), "The reply; null where a person writes it.", free_text=True),
        Column("writer", pa.string(), "Who wrote the reply: template, extract, or model; null where there is none."),
        Column(
            "problems",
            TEXT_LIST,
            "Kinds of what the checks found in the text of a model, which was then not used (number, role, act, ...).",
            nullable=False,
        ),
        Column(
            "claims",
            pa.list_(CLAIM),
            "Each claim of the reply: kind (the value's role, condition, order, date), where it stands in `reply`, and "
            "what backs it: source (policy, order, reckoned), its id, and where it stands there, in characters. The id "
            "of a policy is `policy_id#section`, of an order `order_id.column`; that of a reckoned date names both.",
            nullable=False,
            personal=True,
        ),
        Column("policy_version", pa.string(), "Version of the policy that the reply rests on; null: none."),
        Column("as_of", pa.date32(), "The day as of which the reply speaks; null for a ticket without a date."),
        Column("created_at", TIMESTAMP, "When the ticket was written, UTC."),
        *provenance("the ticket and its facts", "the text of a model (engine, prompt, ...)", "it was computed"),
    ),
    job="answer_tickets",
    view=View(("decision", "reason", "intent", "reply"), about=Lookup("tickets", "text")),
)
TICKET_ANSWERS_REJECTS = replace(
    rejects_of(
        TICKET_ANSWERS,
        "One row per ticket without an answer, with its reason. Published by answer_tickets.",
        "crash, time_out, engine_error",
    ),
    person=Nobody("It names tickets by their numbers, and neither who wrote nor what."),
)
