"""Declares the source table `support_dialogs`: questions of customers with the replies of the shop.

Filled by `shopbatch sample` or `shopbatch load`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Lookup, Person, Table, View

SUPPORT_DIALOGS = Table(
    name="support_dialogs",
    meaning="One row per question that a customer asked, with the reply that was given.",
    key=("dialog_id",),
    person=Person(user="user_id"),
    latest_by="created_at",
    must_have=("question", "reply"),
    key_from_content=True,
    columns=(
        Column("dialog_id", pa.string(), "Name of the dialog, unique in the shop.", nullable=False, personal=True),
        Column("question", pa.string(), "What the customer asked, as it was written.", nullable=False, free_text=True),
        Column("reply", pa.string(), "What the shop's customer service replied.", nullable=False, free_text=True),
        Column("intent", pa.string(), "What the question is about (refund_time, coupon, ...); null where unknown."),
        Column("language", pa.string(), "ISO 639-1 code of question and reply (en, zh, ...); null where unknown."),
        Column(
            "user_id",
            pa.string(),
            "The customer whose question it was (users.user_id); null where unknown.",
            personal=True,
        ),
        Column("created_at", TIMESTAMP, "When the question was asked, UTC; null where unknown."),
    ),
    view=View(("intent", "question"), about=Lookup("support_dialogs", "question")),
)
