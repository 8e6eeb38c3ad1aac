"""Declares the source table `experiments`: which arm of which randomised experiment each user was assigned to.

Filled by `shopbatch sample --source generated` or `shopbatch load`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table

CONTROL = "control"  # the arm whose users are not addressed

EXPERIMENTS = Table(
    name="experiments",
    sample="generated",
    meaning=f"One row per experiment and user: the arm that chance gave the user. Whoever got nothing is of the arm "
    f"{CONTROL}.",
    key=("experiment_id", "user_id"),
    person=Person(user="user_id"),
    must_have=("arm", "probability", "assigned_at"),
    columns=(
        Column("experiment_id", pa.string(), "The experiment.", nullable=False),
        Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True),
        Column("arm", pa.string(), f"What the user got: {CONTROL} for nothing, any other name else.", nullable=False),
        Column(
            "probability",
            pa.float64(),
            "The probability with which this user could get this arm, above 0 and below 1, as it was drawn.",
            nullable=False,
            between=(0, 1),
        ),
        Column(
            "assigned_at",
            TIMESTAMP,
            "When the arm was drawn, UTC; what the user does from that day on counts as outcome.",
            nullable=False,
        ),
        Column("campaign_id", pa.string(), "The campaign that was tried (campaigns.campaign_id); null: none."),
        Column("channel", pa.string(), "How users were addressed (email, sms, push, post); null where unknown."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
)
