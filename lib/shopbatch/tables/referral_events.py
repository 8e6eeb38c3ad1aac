"""Declares the source table `referral_events`: invitations, joins and first purchases of invited users.

Filled by `shopbatch sample --source generated` or `shopbatch load`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table

REFERRAL_EVENTS = Table(
    name="referral_events",
    sample="generated",
    meaning="One row per invitation, join or first purchase. Who joined without an inviter came alone.",
    key=("event_id",),
    person=Person(user="invitee_id", other_user="inviter_id"),
    latest_by="ingested_at",
    must_have=("invitee_id", "kind", "at"),
    key_from_content=True,
    columns=(
        Column("event_id", pa.string(), "Name of the event, unique in the shop.", nullable=False),
        Column(
            "inviter_id",
            pa.string(),
            "Who invited (users.user_id); null for a user who came without an invitation.",
            personal=True,
        ),
        Column(
            "invitee_id",
            pa.string(),
            "Who was invited, joined or bought (users.user_id once joined; before, any name of the person).",
            personal=True,
        ),
        Column(
            "channel",
            pa.string(),
            "How the invitation was sent (email, link, social, ...), or how a user came without one; null: unknown.",
        ),
        Column(
            "kind",
            pa.string(),
            "invited (an invitation was sent), joined (the invitee became a user) or bought (for the first time).",
            one_of=("invited", "joined", "bought"),
        ),
        Column("at", TIMESTAMP, "When it happened, UTC."),
        Column("ingested_at", TIMESTAMP, "When the row reached this warehouse, UTC; null: when it happened."),
        Column("campaign_id", pa.string(), "The campaign that asked for the invitation; null where there was none."),
        Column(
            "device_hash",
            pa.string(),
            "Hash of the device of who acted: the inviter's for invited, else the invitee's; null where unknown.",
            personal=True,
        ),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
)
