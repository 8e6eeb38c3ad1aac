"""Declares the table `user_scores`: predicted purchase, churn and spend of each user in the next 30 days.

`score_users` publishes it.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Person, Table, View

USER_SCORES = Table(
    name="user_scores",
    meaning="One row per user who had bought before as_of: what the user will probably do in the 30 days from it on.",
    key=("user_id", "as_of"),
    person=Person(user="user_id"),
    partition_by=("as_of",),
    columns=(
        Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True),
        Column("as_of", pa.date32(), "The day before whose start everything happened that counts.", nullable=False),
        Column("p_purchase_30d", pa.float64(), "Probability of an active day in the 30 days from as_of on.", False),
        Column(
            "p_churn_30d",
            pa.float64(),
            "Probability to have lapsed 30 days later: so long without an active day as the model's rule says. "
            "Null: the user has lapsed already.",
        ),
        Column(
            "expected_spend_30d",
            pa.float64(),
            "Expected money of purchase lines in the same 30 days, in the shop's currency.",
            nullable=False,
        ),
        Column("days_since_last", pa.int64(), "Days from the last active day to as_of.", nullable=False),
        Column("model", pa.string(), "The model, as propensity@DIGEST.", nullable=False, machinery=True),
        Column("run_id", pa.string(), "The run that computed it (its report is under _runs/).", False, machinery=True),
    ),
    job="score_users",
    view=View(("p_purchase_30d", "p_churn_30d", "expected_spend_30d")),
)
