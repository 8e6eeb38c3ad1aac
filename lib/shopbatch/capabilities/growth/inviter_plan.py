"""Check and publish a plan of `choose_inviters` in the table `inviter_plan`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from shopbatch.capabilities.growth.config import PlanGates
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.runs.report import Figure, Report, new_run_id
from shopbatch.tables.growth import INVITER_PLAN
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import DEFECT, Gate, explain, refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.store import Snapshot, Store


@dataclass(frozen=True)
class Plan:
    """A plan: a decision for every user, whether to ask the user to invite friends.

    Attributes:
        name: Name of the plan.
        as_of: The moment before which events were used.
        rows: One row per user with the columns of `inviter_plan`, without `plan`, `planned_at` and `run_id`.
    """

    name: str
    as_of: datetime
    rows: pl.DataFrame

    def count(self, decision: str) -> int:
        """Return the number of users with a decision (ask, hold_out, not_chosen or left_out)."""
        return int((self.rows["decision"] == decision).sum())


@dataclass(frozen=True)
class MadeOf:
    """The inputs from which a plan of inviters was computed.

    Attributes:
        origin: Version of the code, settings, `as_of` and the tables' versions; a plan of the same origin is kept.
        read: {name of a source table: number of its rows}.
    """

    origin: dict[str, Any]
    read: dict[str, int]


def publish(
    store: Store, report: Report, plan: Plan, made_of: MadeOf, live: Snapshot | None, limits: PlanGates
) -> None:
    """Check a plan by gates and publish it in one commit; plans of other names stay.

    Args:
        store: The warehouse.
        report: The report of the run.
        plan: The plan.
        made_of: The inputs from which the plan was computed.
        live: The live version of `inviter_plan`; None before the first.
        limits: The limits of the gates.

    Raises:
        GateRefused: A gate did not pass.
        Stopped: Another run published the same plan meanwhile.
    """
    scope = {"plan": plan.name}
    report.gates = _judge(plan, limits)
    refuse_if_failed(report.gates)
    schema = INVITER_PLAN.file_schema()
    data = plan.rows.sort("user_id").with_columns(
        planned_at=pl.lit(plan.as_of).cast(pl.Datetime("us", "UTC")), run_id=pl.lit(report.run_id)
    )
    table = pa.table(data.select(schema.names).to_arrow()).cast(schema)
    path = f"plan={plan.name}/{report.run_id}-{new_run_id()[-6:]}/part-00000.parquet"
    files.write(f"{store.uri(INVITER_PLAN.name)}/{path}", table)
    with Publication(store, report.run_id) as publication:
        publication.add(INVITER_PLAN, [files.describe(store.uri(INVITER_PLAN.name), path, schema, scope)])
        former = live.part_or_newest(scope) if live else None
        report.gates += publication.judge(INVITER_PLAN, limits.rows, made_of.read, former)
        refuse_if_failed(report.gates)
        crash_point("inviters_written")
        metadata = {"job": report.job, "run_id": report.run_id, "origin": made_of.origin, "scope": scope}
        check = unless_changed(live.part(scope).files if live else [], scope)
        try:
            done = publication.commit(INVITER_PLAN, metadata, check=check)
        except Superseded as error:
            raise Stopped(f"{error}; start this run again") from None
    report.tables[INVITER_PLAN.name] = {"written": done.version}
    report.outcome = "published"
    report.rows.read = report.rows.published = report.rows.computed = len(plan.rows)
    _say(report, plan)


def _judge(plan: Plan, limits: PlanGates) -> list[Gate]:
    rows = plan.rows
    free = int((rows["decision"] != "left_out").sum())
    passed = free >= limits.candidates
    what = f"{free:,} users may be asked, less than gates.candidates={limits.candidates}"
    why = "mostly consents are missing, or the ids of `users` differ from those of `referral_events`"
    do = "look at the reasons in the report; if it is intended, set gates.candidates=0"
    twice = len(rows) - rows["user_id"].n_unique()
    taken = rows.filter(pl.col("decision").is_in(["ask", "hold_out"]))
    wrong = int(taken["reason"].is_not_null().sum())
    return [
        Gate("users who may be asked", free, limits.candidates, passed, explain(passed, what, why, do)),
        _defect("one row per user", twice, f"{twice:,} rows repeat the user of another row"),
        _defect("nobody is asked who is left out", wrong, f"{wrong:,} users are asked in spite of a reason"),
    ]


def _defect(name: str, count: int, what: str) -> Gate:
    """Return a gate that passes if `count` is 0; it can fail only if the job itself has a defect."""
    passed = count == 0
    return Gate(name, count, 0, passed, explain(passed, what, "users would be addressed who must not be", DEFECT))


def _say(report: Report, plan: Plan) -> None:
    reasons = plan.rows.group_by("decision", "reason").len().sort("decision", "len", descending=[False, True])
    left = [[d, r or "", n] for d, r, n in reasons.iter_rows()]
    columns = ["decision", "reason", "users"]
    report.figures.append(Figure("table", "What became of each user", {"columns": columns, "rows": left}))
    report.highlights = {
        "to ask": f"{plan.count('ask'):,}",
        "held out": f"{plan.count('hold_out'):,}",
        "left out": f"{plan.count('left_out'):,}",
        "new users expected": f"{report.metrics['method']['new users expected']:,}",
        "method": str(report.metrics["method"]["chosen"]),
    }
