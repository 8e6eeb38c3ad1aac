"""audit_bias: shifts of the sentiment model by term, and forecasts beside what happened by group of users."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopbatch.capabilities.sentiment.bias.probe import probes
from shopbatch.tables import table
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import run_job

pytestmark = pytest.mark.usefixtures("ray_local")
DAY = date(2024, 3, 1)
QUICK = ("engine={kind: fake}", "workers=1")


def put(store: Store, name: str, rows: list[Mapping[str, Any]], partition: list[str] | None = None) -> None:
    declared = table(name)
    columns = {c.name: pa.array([row.get(c.name) for row in rows], c.type) for c in declared.columns}
    data = pa.table(columns, schema=declared.schema())
    write_deltalake(store.uri(name), data, mode="overwrite", partition_by=partition)


def bought(user: int, days: int, **more: Any) -> dict[str, Any]:
    counts = {c.name: 0 for c in table("user_daily").columns if not c.nullable}
    return counts | {"user_id": f"u{user}", "day": DAY + timedelta(days=days), "baskets": 1} | more


def test_terms_are_measured_and_forecasts_are_compared_in_groups_that_are_large_enough(store: Store) -> None:
    code, report, _ = run_job(store, "audit_bias", *QUICK)
    assert (code, report["outcome"]) == (0, "published") and "not compared" in report["metrics"]["outlook"]
    rows = pl.read_delta(store.uri("bias_audit"))
    assert rows.height == sum(probe.shape[1] for probe in probes()) and set(rows["subject"]) == {"sentiment"}
    assert (rows["low"] <= rows["shift"]).all() and (rows["p"] <= 1).all() and rows["model"].is_not_null().all()

    code, second, _ = run_job(store, "audit_bias", *QUICK)
    assert (code, second["outcome"]) == (0, "nothing to do")
    write_deltalake(store.uri("bias_audit"), rows.head(3).to_arrow(), mode="append")
    code, second, err = run_job(store, "audit_bias", *QUICK)
    assert (code, second["outcome"]) == (0, "published") and "others changed bias_audit" in err
    assert pl.read_delta(store.uri("bias_audit")).height == rows.height

    # of 60 young users 30 buy, as forecast; of 60 old ones 6; the 10 others are too few
    ages = ["19-24"] * 60 + ["65+"] * 60 + ["25-34"] * 10
    common = {"run_id": "r", "buy_probability_30d": 0.5}
    people = [common | {"user_id": f"u{n}", "as_of": DAY, "age": age} for n, age in enumerate(ages)]
    late = [row | {"as_of": DAY + timedelta(days=20)} for row in people]  # less than a month follows
    put(store, "user_profiles", [*people, *late], ["as_of"])
    lines = [bought(user, 3) for user in (*range(30), *range(60, 66))]
    put(store, "user_daily", [*lines, bought(70, -1), bought(71, 30), bought(72, 3, baskets=0, return_lines=1)])
    code, report, _ = run_job(store, "audit_bias", *QUICK)
    assert (code, report["metrics"]["outlook"]) == (0, {"as_of": "2024-03-01", "users": 130})
    groups = {row["term"]: row for row in pl.read_delta(store.uri("bias_audit")).filter(subject="outlook").to_dicts()}
    assert set(groups) == {"19-24", "65+"} and all(row["count"] == 60 for row in groups.values())
    assert groups["19-24"]["shift"] == pytest.approx(0.0) and groups["19-24"]["low"] < 0 < groups["19-24"]["high"]
    assert groups["65+"]["shift"] == pytest.approx(0.4) and groups["65+"]["low"] > 0.2
    page = (Path(store.root) / "_runs" / "audit_bias" / report["run_id"] / "report.html").read_text("utf-8")
    assert "Who stands in a sentence: zh" in page and "Forecast minus what happened" in page
