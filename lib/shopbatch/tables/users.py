"""users: customers (households in the sample). Filled by `shopbatch sample` or `shopbatch load users FILE`."""

import pyarrow as pa

from shopbatch.tables.schema import Column, Table

USERS = Table(
    name="users",
    meaning="One row per customer; demographics are null where they were not asked for.",
    key=("user_id",),
    columns=(
        Column("user_id", pa.string(), "Name of the customer, unique in the shop.", nullable=False),
        Column("age", pa.string(), "Age band in years (19-24, 25-34, ...)."),
        Column("income", pa.string(), "Yearly household income band, US dollars (35-49K, ...)."),
        Column("home_ownership", pa.string(), "Homeowner, Renter, ...; null where unknown."),
        Column("marital_status", pa.string(), "Married, Unmarried; null where unknown."),
        Column("household_size", pa.string(), "Persons in the household: 1 to 4, 5+."),
        Column("household_comp", pa.string(), "Who lives there (1 Adult Kids, 2 Adults No Kids, ...)."),
        Column("kids_count", pa.string(), "Children in the household: 0, 1, 2, 3+; null where unknown."),
        Column("source", pa.string(), "Where the row came from: a sample's name, or the file that was loaded."),
    ),
)
