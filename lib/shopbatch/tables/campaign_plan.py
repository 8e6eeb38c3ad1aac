"""Declares the table `campaign_plan`: whom a campaign addresses, when and by which channel.

`plan_campaigns` publishes one day at a time. Earlier days are kept because the caps on messages count them, too.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table, View

CHANNELS = ("email", "sms", "push")

CAMPAIGN_PLAN = Table(
    name="campaign_plan",
    meaning="One row per campaign and user of its audience: who is to be addressed, and who is left out so that the "
    "campaign can be measured. Published by plan_campaigns, which sends nothing.",
    key=("campaign_id", "user_id", "day"),
    person=Person(user="user_id"),
    partition_by=("day",),
    columns=(
        Column("campaign_id", pa.string(), "The campaign and its day, such as spring-2026-04-01.", nullable=False),
        Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True),
        Column("day", pa.date32(), "The day that is planned.", nullable=False),
        Column("channel", pa.string(), "How the user would be addressed.", nullable=False, one_of=CHANNELS),
        Column("send", pa.bool_(), "Whether to address the user; false: held out.", nullable=False),
        Column("arm", pa.string(), "The arm of the experiment that the plan is: the channel, or control.", False),
        Column("probability", pa.float64(), "The share of the audience that got this arm.", nullable=False),
        Column("send_from", TIMESTAMP, "From when on the message may be sent, UTC.", nullable=False),
        Column("send_until", TIMESTAMP, "Until when it may be sent, UTC.", nullable=False),
        Column(
            "uplift", pa.float64(), "Expected outcome that the message adds (see the model uplift).", nullable=False
        ),
        Column("value", pa.float64(), "What one unit of the outcome is worth, in the shop's currency.", nullable=False),
        Column("cost", pa.decimal128(12, 4), "What the message costs, in the shop's currency.", nullable=False),
        Column("gain", pa.float64(), "uplift x value - cost - coupons, in the shop's currency.", nullable=False),
        Column("model", pa.string(), "The model that scored the user; empty: none.", nullable=False, machinery=True),
        Column("run_id", pa.string(), "The run that planned.", nullable=False, machinery=True),
    ),
    job="plan_campaigns",
    view=View(("send", "channel", "gain", "send_from")),
)
