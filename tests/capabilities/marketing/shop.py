"""A shop of two kinds of users with an experiment of known truth, as the jobs before would leave its tables.

Regulars bought in the last weeks and mostly buy again; lapsed users bought some months ago and hardly do. Whom a
message moves is up to the test.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.tables import TABLES
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

DAY = date(2026, 3, 2)  # on which arms are drawn
LAST = DAY + timedelta(days=40)  # the newest day of the tiles
Row = dict[str, Any]
# by kind of truth: probability of a purchase of regulars and lapsed users, and what a message adds to it
TRUTHS = {
    "lapsed": ((0.60, 0.10), (0.00, 0.25)),
    "regulars": ((0.50, 0.03), (0.22, 0.01)),
    "nobody": ((0.60, 0.10), (0.00, 0.00)),
}


def people(count: int) -> list[str]:
    return [f"u{number:06d}" for number in range(count)]


def tile(user: str, day: date, cents: int = 2_000) -> Row:
    return {"user_id": user, "day": day, "baskets": 1, "lines": 2, "units": 2, "sales_cents": cents,
            "purchase_cents": cents, "basket_cents_max": cents}  # fmt: skip


def drawn(count: int, truth: str = "lapsed", seed: int = 0, share: float = 0.5) -> tuple[list[Row], list[Row]]:
    """Make the tiles and the experiment `spring` of a shop. share: probability of being addressed."""
    draw = np.random.default_rng(seed)
    base, more = TRUTHS[truth]
    tiles: list[Row] = []
    arms: list[Row] = []
    for user in people(count):
        lapsed = int(draw.random() < 0.5)
        first = 100 if lapsed else 6
        for week in range(4):
            if draw.random() < 0.7:
                on = DAY - timedelta(days=first + 7 * week + int(draw.integers(0, 6)))
                tiles.append(tile(user, on, int(draw.integers(500, 4_000))))
        treated = draw.random() < share
        if draw.random() < base[lapsed] + treated * more[lapsed]:
            tiles.append(tile(user, DAY + timedelta(days=int(draw.integers(0, 28))), int(draw.integers(500, 4_000))))
        arms.append(assigned(user, "email" if treated else "control", share if treated else 1 - share))
    tiles.append(tile("z-last", LAST))
    return tiles, arms


def assigned(user: str, arm: str, probability: float, experiment: str = "spring", day: date = DAY) -> Row:
    at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    return {"experiment_id": experiment, "user_id": user, "arm": arm, "probability": probability, "assigned_at": at}


def put(store: Store, name: str, rows: Sequence[Row]) -> None:
    """Replace a table; what no test states is 0, false or null."""
    table = TABLES[name]
    columns = {
        c.name: pa.array([row.get(c.name, _default(table, c.name)) for row in rows], c.type) for c in table.columns
    }
    data = pa.table(columns, table.file_schema())
    run = f"run-{random.Random(f'{name}{len(rows)}{rows[:3]}').getrandbits(40):x}"
    store.commit(table, [store.write_file(table, data, run, 0)], "replace", run)


def _default(table: Table, name: str) -> Any:
    column = next(c for c in table.columns if c.name == name)
    return (
        None
        if column.nullable or (not pa.types.is_integer(column.type) and not pa.types.is_decimal(column.type))
        else 0
    )


def put_plan(store: Store, rows: Sequence[Row], day: date = DAY) -> None:
    """Publish a day of `campaign_plan`."""
    table, scope = TABLES["campaign_plan"], {"day": day.isoformat()}
    schema = table.file_schema()
    full = [{"cost": 0, "uplift": 0.0, "value": 0.0, "gain": 0.0, "model": "", "run_id": "r"} | row for row in rows]
    root, path = store.uri(table.name), f"day={day}/run/part-00000.parquet"
    files.write(f"{root}/{path}", pa.Table.from_pylist(full, schema))
    written = [files.describe(root, path, schema, scope)]
    store.commit(table, written, "replace", f"plan-{day}", {"scope": scope})


def put_scores(store: Store, chances: dict[str, float], day: date) -> None:
    """Publish a day of `user_scores` with these chances to buy."""
    table, part = TABLES["user_scores"], {"as_of": day.isoformat()}
    rest = {"expected_spend_30d": 0.0, "days_since_last": 1, "model": "", "run_id": "r"}
    rows = [{"user_id": user, "p_purchase_30d": chance, **rest} for user, chance in chances.items()]
    root, path = store.uri(table.name), f"as_of={day}/run/part-00000.parquet"
    files.write(f"{root}/{path}", pa.Table.from_pylist(rows, table.file_schema()))
    store.commit(table, [files.describe(root, path, table.file_schema(), part)], "append", f"scores-{day}")
