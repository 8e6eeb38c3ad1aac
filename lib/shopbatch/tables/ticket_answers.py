"""What `answer_tickets` writes: tickets with their facts, and the answers with the evidence of every claim."""

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

TICKETS_WITH_FACTS = Table(
    name="tickets_with_facts",
    meaning="One row per ticket, joined with what the shop knows for it on its day. Written by answer_tickets.",
    key=("ticket_id",),
    person=Person(user="user_id"),
    columns=(
        *(column for column in TICKETS.columns if column.name != "source"),
        Column("as_of", pa.date32(), "The day as of which the reply speaks.", nullable=False),
        Column("intent", pa.string(), "Most probable intent of the ticket; null where none is known."),
        Column("intents", TEXT_LIST, "The intents of all questions in it, the first one first.", nullable=False),
        Column("confidence", pa.float32(), "Calibrated probability that `intent` is right, 0 to 1."),
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
        Column("language", pa.string(), "ISO 639-1 code of the ticket, and of the reply.", nullable=False),
        Column("intent", pa.string(), "What it is about; null where no intent is likely."),
        Column("confidence", pa.float32(), "Calibrated probability that `intent` is right, 0 to 1."),
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
        Column(
            "claims",
            pa.list_(CLAIM),
            "Each claim of the reply: kind (number, date, act, condition, ...), where it stands in `reply`, and what "
            "backs it: source (policy, order, reckoned), its id, and where it stands there, in characters.",
            nullable=False,
            personal=True,
        ),
        Column("policy_version", pa.string(), "Version of the policy that the reply rests on; null: none."),
        Column("as_of", pa.date32(), "The day as of which the reply speaks.", nullable=False),
        Column("created_at", TIMESTAMP, "When the ticket was written, UTC."),
        *provenance("the ticket and its facts", "the reply (template, engine, ...)", "it was computed"),
    ),
    job="answer_tickets",
    view=View(("decision", "intent", "reply"), about=Lookup("tickets", "text")),
)
TICKET_ANSWERS_REJECTS = replace(
    rejects_of(
        TICKET_ANSWERS,
        "One row per ticket without an answer, with its reason. Published by answer_tickets.",
        "empty, too_long, invalid_utf8",
    ),
    person=Nobody("It names tickets by their numbers, and neither who wrote nor what."),
)
