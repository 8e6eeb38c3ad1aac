"""Declares the table `campaign_effects`: what each arm of an experiment gained over its control group.

`measure_campaigns` publishes it, with 95 % intervals per metric, method and period.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Nobody, Table, View

METRICS = ("bought", "sales", "baskets")
METHODS = ("difference", "cuped")
WHOLE = "all"  # value of `period` in rows about the whole window

CAMPAIGN_EFFECTS = Table(
    name="campaign_effects",
    meaning="One row per experiment, arm, metric, method and period: what the arm brought beyond the control. "
    "Published by measure_campaigns.",
    key=("experiment_id", "arm", "metric", "method", "period"),
    person=Nobody("It holds means over an arm of an experiment."),
    columns=(
        Column("experiment_id", pa.string(), "The experiment, or the campaign whose plan held users out.", False),
        Column("arm", pa.string(), "The arm that is compared with the control.", nullable=False),
        Column(
            "metric",
            pa.string(),
            "What is counted per user: bought (1 if any basket), sales (money, what was given back taken off), "
            "baskets.",
            nullable=False,
            one_of=METRICS,
        ),
        Column(
            "method",
            pa.string(),
            "difference (of weighted means), or cuped (the same after what the period before predicts is taken off).",
            nullable=False,
            one_of=METHODS,
        ),
        Column("period", pa.string(), f"{WHOLE}: the whole window; week 1, week 2, ...: a week of it.", nullable=False),
        Column("users", pa.int64(), "Users of the arm.", nullable=False),
        Column("control_users", pa.int64(), "Users of the control.", nullable=False),
        Column("mean", pa.float64(), "Weighted mean of the arm.", nullable=False),
        Column("control_mean", pa.float64(), "Weighted mean of the control.", nullable=False),
        Column("effect", pa.float64(), "How much more a user of the arm did on average.", nullable=False),
        Column("low", pa.float64(), "Lower end of its 95 % interval.", nullable=False),
        Column("high", pa.float64(), "Upper end of its 95 % interval.", nullable=False),
        Column("first_day", pa.date32(), "First day on which an arm was drawn.", nullable=False),
        Column("last_day", pa.date32(), "Last day on which an arm was drawn.", nullable=False),
        Column("window_days", pa.int32(), "Days from the assignment that count.", nullable=False),
        Column("run_id", pa.string(), "The run that measured.", nullable=False, machinery=True),
    ),
    job="measure_campaigns",
    view=View(("effect", "low", "high", "users")),
)
