"""The definition of user_profiles as straightforward SQL for DuckDB (oracle.sql); the job must give the same."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.user_profiles import FEATURES
from shopbatch.tables.users import USERS

SCHEMA = pa.schema([("user_id", pa.string()), *((feature.name, feature.type) for feature in FEATURES)])
_SQL = Path(__file__).with_name("oracle.sql")
_OPTIONAL = (PRODUCTS, USERS, CAMPAIGNS, COUPONS, REDEMPTIONS, REVIEWS, REVIEW_SENTIMENT, EVENTS)


def profiles(
    con: duckdb.DuckDBPyConnection,
    as_of: date,
    *,
    knowledge_cut: datetime | None = None,
    half_life: int = 90,
    private_brands: tuple[str, ...] = ("Private",),
) -> pa.Table:
    """The profiles of all users at `as_of`, ordered by user_id: user_id, then FEATURES in order.

    Reads transactions and, where `con` has them, the other tables, each with its declared columns.
    Sets the session's time zone to UTC. Every call creates the temp tables o_*, the views in_* and a few macros again.
    A knowledge_cut without a time zone is UTC.
    """
    if knowledge_cut is not None and knowledge_cut.tzinfo is None:
        knowledge_cut = knowledge_cut.replace(tzinfo=UTC)
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET VARIABLE oracle_as_of = $1::DATE", [as_of])
    con.execute("SET VARIABLE oracle_knowledge_cut = $1::TIMESTAMPTZ", [knowledge_cut])
    con.execute("SET VARIABLE oracle_half_life = $1::BIGINT", [half_life])
    con.execute("SET VARIABLE oracle_private_brands = $1::VARCHAR[]", [list(private_brands)])
    _inputs(con)
    con.execute(_SQL.read_text(encoding="utf-8"))
    columns = ", ".join(f'"{name}"' for name in SCHEMA.names)
    result = con.execute(f"SELECT {columns} FROM o_profiles ORDER BY user_id").to_arrow_table()
    return result.cast(SCHEMA)


def _inputs(con: duckdb.DuckDBPyConnection) -> None:
    """Make a view in_NAME of every optional table, empty where it is absent, and in_tables: which are there."""
    present = {name for (name,) in con.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    for table in _OPTIONAL:
        if table.name in present:
            con.execute(f"CREATE OR REPLACE TEMP VIEW in_{table.name} AS SELECT * FROM {table.name}")
        else:
            columns = ", ".join(f"NULL::{_sql_type(column.type)} AS {column.name}" for column in table.columns)
            con.execute(f"CREATE OR REPLACE TEMP VIEW in_{table.name} AS SELECT {columns} WHERE false")
    flags = ", ".join(f"{str(table.name in present).lower()} AS has_{table.name}" for table in _OPTIONAL)
    con.execute(f"CREATE OR REPLACE TEMP VIEW in_tables AS SELECT {flags}")


def _sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of a column's declared type."""
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ"
    if pa.types.is_floating(kind):
        return "FLOAT"
    return "TINYINT" if pa.types.is_integer(kind) else "VARCHAR"
