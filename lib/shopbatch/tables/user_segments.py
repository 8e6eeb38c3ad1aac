"""Declares the table `user_segments`: the segment of each user on each day of `user_profiles`.

`segment_users` publishes it. A row also has the user's segment on the newest earlier day, and a cluster if stable
clusters were found.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Person, Table, View

USER_SEGMENTS = Table(
    name="user_segments",
    meaning="One row per user and as_of day of user_profiles: the user's segment, and what it rests on.",
    key=("user_id", "as_of"),
    person=Person(user="user_id"),
    partition_by=("as_of",),
    columns=(
        Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True),
        Column("as_of", pa.date32(), "The day of the profile that was read.", nullable=False),
        Column("segment", pa.string(), "Name of the segment: the first of the scheme's rules that holds.", False),
        Column(
            "bands",
            pa.map_(pa.string(), pa.string()),
            "The band of each of the scheme's measures (recency: late, ...); a measure without a value is left out.",
            nullable=False,
        ),
        Column("previous", pa.string(), "The segment on the newest day before as_of; null: the user was not there."),
        Column("since", pa.date32(), "The first day on which the user was in this segment without a break.", False),
        Column(
            "cluster",
            pa.string(),
            "Name of the cluster (c1, c2, ...), which stays the same from day to day; null: no clusters were stable.",
        ),
        Column("scheme", pa.string(), "Name and digest of the scheme of rules.", nullable=False, machinery=True),
        Column("run_id", pa.string(), "The run that computed it (its report is under _runs/).", False, machinery=True),
    ),
    job="segment_users",
    view=View(("segment", "previous", "since", "cluster")),
)
