"""Declares the tables about growth by referrals: how many new users users bring, and whom to ask to invite friends.

`measure_growth` publishes `growth_cohorts` (new users per user), `cascades` (who came after whom) and `growth_forecast`
(expected joins per day); `choose_inviters` publishes `inviter_plan`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Nobody, Person, Table, View

ALL = "all"
DECISIONS = ("ask", "hold_out", "not_chosen", "left_out")


def _number(name: str, meaning: str) -> Column:
    return Column(name, pa.float64(), meaning)


def _count(name: str, meaning: str) -> Column:
    return Column(name, pa.int64(), meaning, nullable=False)


GROWTH_COHORTS = Table(
    name="growth_cohorts",
    meaning="One row per channel and cohort week: how many users a user brings, and how many of them stay.",
    key=("channel", "cohort"),
    person=Nobody("Sums over users, none of whom is named."),
    job="measure_growth",
    view=View(("k", "k_low", "k_high", "users", "children")),
    columns=(
        Column("channel", pa.string(), "The channel by which the users came; all: every channel.", nullable=False),
        Column("cohort", pa.string(), "The Monday of the week of their join; all: every cohort.", nullable=False),
        _count("users", "Users who joined."),
        _count("children", "Users whom these have brought by as_of."),
        _number(
            "k", "Users whom one of them brings in the long run, counting those whom there was no time to bring yet."
        ),
        _number("k_low", "Lower end of the interval of k."),
        _number("k_high", "Upper end of the interval of k."),
        _number("naive", "children / users: too low wherever users are young."),
        _number(
            "system_k", "Greatest eigenvalue of the channel matrix: growth by itself above 1. Only in the row all, all."
        ),
        _number("system_low", "Lower end of the interval of system_k."),
        _number("system_high", "Upper end of the interval of system_k."),
        _number(
            "cycle_days",
            "Mean days between the joins of a user and of those whom the user invites by this channel; in the row all, "
            "all of those by which the system grows. Null for single cohorts.",
        ),
        _number("cycle_low", "Lower end of the interval of cycle_days."),
        _number("cycle_high", "Upper end of the interval of cycle_days."),
        _count("invited", "Persons who were first invited by this channel in this week."),
        _count("joined", "Those of them who have joined by as_of."),
        _count("bought", "Those of these who have bought by as_of."),
        Column(
            "retention",
            pa.list_(pa.float64()),
            "Share of the users who bought something in their 1st, 2nd, ... week, of those whose week is over.",
        ),
        Column("as_of", TIMESTAMP, "Everything before this moment counts.", nullable=False),
        Column("run_id", pa.string(), "The run that made it.", nullable=False, machinery=True),
    ),
)

CASCADES = Table(
    name="cascades",
    meaning="One row per user who came without an invitation, or whose inviter is not known: who came after.",
    key=("root_id",),
    person=Person(user="root_id"),
    job="measure_growth",
    view=View(("size", "depth", "days", "channel")),
    columns=(
        Column("root_id", pa.string(), "The first user (users.user_id).", nullable=False, personal=True),
        Column("channel", pa.string(), "The channel by which the first user came.", nullable=False),
        _count("size", "Users, with the first one."),
        _count("depth", "Invitations from the first user to the last one in a row."),
        _number("days", "Days between the first and the last join."),
        Column("first_at", TIMESTAMP, "The first join whose time is known, UTC."),
        Column("last_at", TIMESTAMP, "The last join, UTC."),
        Column("run_id", pa.string(), "The run that made it.", nullable=False, machinery=True),
    ),
)

GROWTH_FORECAST = Table(
    name="growth_forecast",
    meaning="One row per coming day: joins that are expected, with and without those who come by themselves.",
    key=("day",),
    person=Nobody("Sums over users, none of whom is named."),
    job="measure_growth",
    view=View(("joins", "low_80", "high_80")),
    columns=(
        Column("day", pa.date32(), "The day, UTC.", nullable=False),
        _number("joins", "Joins expected on the day."),
        _number("invited_joins", "Those of them by invitation."),
        *(_number(f"{end}_{share}", f"{side} end of the {share} % interval of joins.")
          for share in (80, 95) for end, side in (("low", "Lower"), ("high", "Upper"))),
        _number("total", "Joins expected from as_of to the end of the day."),
        *(_number(f"total_{end}_{share}", f"{side} end of the {share} % interval of total.")
          for share in (80, 95) for end, side in (("low", "Lower"), ("high", "Upper"))),
        Column("run_id", pa.string(), "The run that made it.", nullable=False, machinery=True),
    ),
)  # fmt: skip

INVITER_PLAN = Table(
    name="inviter_plan",
    meaning="One row per plan and user who has invited or joined: whether to ask the user to invite friends, and why.",
    key=("plan", "user_id"),
    partition_by=("plan",),
    person=Person(user="user_id", other_user="root_id"),
    job="choose_inviters",
    view=View(("decision", "reason", "place", "gain", "reach")),
    columns=(
        Column("plan", pa.string(), "Name of the plan (setting `plan`).", nullable=False),
        Column("user_id", pa.string(), "The user (users.user_id).", nullable=False, personal=True),
        Column(
            "decision",
            pa.string(),
            "ask; hold_out: would be asked, but is not, so that the effect can be measured; not_chosen; left_out.",
            nullable=False,
            one_of=DECISIONS,
        ),
        Column(
            "reason",
            pa.string(),
            "Of left_out: self_referral, ring, shared_device, no_consent or asked_lately. Of not_chosen: "
            "worth_nothing, too_many, budget or same_cascade. Else null.",
        ),
        Column("place", pa.int32(), "Place in the order of choice, from 1, of those who are asked or held out."),
        _number("uplift", "Probability that the user invites because of being asked."),
        _number("direct", "Expected new users among the user's own contacts: the sum of the probabilities."),
        _number("reach", "Expected new users, with those whom these bring in turn; null for who is left out."),
        _number("gain", "Expected money: uplift x new users that nobody chosen before brings x their value - cost."),
        Column("root_id", pa.string(), "The first user of the cascade (cascades.root_id).", personal=True),
        Column("planned_at", TIMESTAMP, "When the plan was made, UTC.", nullable=False),
        Column("run_id", pa.string(), "The run that made it.", nullable=False, machinery=True),
    ),
)
