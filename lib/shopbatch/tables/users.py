"""Declares the source table `users`: the customers of the shop (households in the sample).

Filled by `shopbatch sample` or `shopbatch load users FILE`.
"""

import pyarrow as pa

from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table


def _consent(channel: str, name: str) -> tuple[Column, Column]:
    """Return the columns `<name>_consent` and `<name>_consent_at`: consent to advertising by a channel, and its time.

    Args:
        channel: The channel as the descriptions call it ("e-mail").
        name: Prefix of the column names ("email").
    """
    asked = f"Whether the customer agreed to advertising by {channel}; null: never asked, which is no consent."
    return (
        Column(f"{name}_consent", pa.bool_(), asked),
        Column(f"{name}_consent_at", TIMESTAMP, "When that was last said, UTC; null where unknown."),
    )


USERS = Table(
    name="users",
    meaning="One row per customer; demographics are null where they were not asked for.",
    key=("user_id",),
    person=Person(user="user_id"),
    merge_rows=True,
    columns=(
        Column("user_id", pa.string(), "Name of the customer, unique in the shop.", nullable=False, personal=True),
        Column("age", pa.string(), "Age band in years (19-24, 25-34, ...)."),
        Column("income", pa.string(), "Yearly household income band, US dollars (35-49K, ...)."),
        Column("home_ownership", pa.string(), "Homeowner, Renter, ...; null where unknown."),
        Column("marital_status", pa.string(), "Married, Unmarried; null where unknown."),
        Column("household_size", pa.string(), "Persons in the household: 1 to 4, 5+."),
        Column("household_comp", pa.string(), "Who lives there (1 Adult Kids, 2 Adults No Kids, ...)."),
        Column("kids_count", pa.string(), "Children in the household: 0, 1, 2, 3+; null where unknown."),
        Column("language", pa.string(), "ISO 639-1 code of the customer's language (en, zh, ...); null where unknown."),
        Column("market", pa.string(), "ISO 3166-1 code of the customer's country (US, CN, ...); null where unknown."),
        Column(
            "time_zone",
            pa.string(),
            "IANA name of the customer's time zone (Europe/Berlin, ...); null: that of the market, where it has one.",
        ),
        *_consent("e-mail", "email"),
        *_consent("SMS", "sms"),
        *_consent("push message", "push"),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
)
