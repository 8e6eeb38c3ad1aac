"""Declares the source tables `tickets`, `ticket_feedback` and `intent_examples` of the customer service.

`ticket_feedback` records what agents decided and sent, `intent_examples` questions with known intents for training.
Filled by `shopbatch load` or `shopbatch sample` (`ticket_feedback` only by `load`).
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Lookup, Person, Table, View

TICKET_DECISIONS = ("answer", "draft", "escalate")
EXAMPLE_ORIGINS = ("person", "generated")
_SOURCE = Column("source", pa.string(), "Where the row came from: a sample's name, or a loaded file.", personal=True)

TICKETS = Table(
    name="tickets",
    meaning="One row per message of a customer to the shop's customer service.",
    key=("ticket_id",),
    person=Person(user="user_id"),
    latest_by="created_at",
    must_have=("text",),
    key_from_content=True,
    columns=(
        Column("ticket_id", pa.string(), "Name of the ticket, unique in the shop.", nullable=False, personal=True),
        Column("thread_id", pa.string(), "The conversation that it belongs to; null: its own.", personal=True),
        Column("user_id", pa.string(), "Who wrote (users.user_id); null where unknown.", personal=True),
        Column("order_id", pa.string(), "The order that the form names (orders.order_id), or null.", personal=True),
        Column("subject", pa.string(), "The message's subject; null where it has none.", free_text=True),
        Column("text", pa.string(), "What the customer wrote.", free_text=True),
        Column("language", pa.string(), "ISO 639-1 code stated by the source; null: recognised from the text."),
        Column("market", pa.string(), "The market that the customer buys in; null: the order's, or every market."),
        Column("channel", pa.string(), "How it came: mail, chat, form, ...; null where unknown."),
        Column("created_at", TIMESTAMP, "When it was written, UTC; the reply speaks as of its day."),
        _SOURCE,
    ),
    view=View(("text", "language", "created_at")),
)
TICKET_FEEDBACK = Table(
    name="ticket_feedback",
    sample="",
    meaning="One row per ticket that an agent has dealt with: what it was about, and what was sent in the end.",
    key=("ticket_id",),
    person=Person(user="user_id"),
    latest_by="decided_at",
    must_have=("intent",),
    columns=(
        Column("ticket_id", pa.string(), "The ticket (tickets.ticket_id).", nullable=False, personal=True),
        Column("user_id", pa.string(), "Whose ticket it was (users.user_id); null where unknown.", personal=True),
        Column("intent", pa.string(), "What it was about, as the agent says; `other`: none of the known intents."),
        Column("reply", pa.string(), "What was sent in the end; null: nothing.", free_text=True),
        Column("decided_at", TIMESTAMP, "When the agent was done, UTC."),
        _SOURCE,
    ),
    view=View(("intent", "reply"), about=Lookup("tickets", "text")),
)
INTENT_EXAMPLES = Table(
    name="intent_examples",
    meaning="One row per question whose intent is known: what train_intents learns from and is judged on.",
    key=("example_id",),
    person=Person(user="user_id"),
    must_have=("text", "intent"),
    key_from_content=True,
    columns=(
        Column("example_id", pa.string(), "Name of the example.", nullable=False, personal=True),
        Column("text", pa.string(), "The question, as a customer would write it.", nullable=False, free_text=True),
        Column("intent", pa.string(), "What it is about; `other`: none of the known intents.", nullable=False),
        Column("language", pa.string(), "ISO 639-1 code (en, zh, ...); null: recognised from the text."),
        Column(
            "origin",
            pa.string(),
            "Who wrote it: person or generated; null counts as person. Generated examples open no gate.",
            one_of=EXAMPLE_ORIGINS,
        ),
        Column("user_id", pa.string(), "Who asked (users.user_id); null where nobody did.", personal=True),
        _SOURCE,
    ),
    view=View(("intent", "text"), about=Lookup("intent_examples", "text")),
)
