"""Who brought whom: the rules one by one, and random events with every fault beside a plain program."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from shopbatch.capabilities.growth import tree
from shopbatch.tables.referral_events import REFERRAL_EVENTS
from shopbatch.warehouse import spark_bridge
from tests.capabilities.growth.events import START, drawn, event

pytestmark = pytest.mark.slow

AS_OF = START + timedelta(days=50)


def forest(
    spark: SparkSession, rows: list[dict[str, Any]], two: str = "first", many: bool = False
) -> tuple[dict[str, Any], dict[str, int]]:
    schema = REFERRAL_EVENTS.schema()
    data = pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema)
    with spark_bridge.for_many_shuffles(spark, 10**6) if many else spark_bridge.for_few_rows(spark):
        made = tree.forest(tree.latest(spark.createDataFrame(data), AS_OF), two)  # type: ignore[arg-type]
        users = made.users.toArrow().to_pylist()
    assert len({u["user_id"] for u in users}) == len(users)
    return {u["user_id"]: u for u in users}, made.dropped


def oracle(rows: list[dict[str, Any]], two: str) -> dict[str, tuple[str | None, str, int]]:
    """(inviter, root, depth) of each user, in plain Python."""
    newest: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["invitee_id"] is None or row["at"] >= AS_OF:
            continue
        old = newest.get(row["event_id"])
        if old is None or row["ingested_at"] > old["ingested_at"]:
            newest[row["event_id"]] = row
    joins: dict[str, dict[str, Any]] = {}
    for row in newest.values():
        if row["kind"] == "joined":
            old = joins.get(row["invitee_id"])
            if old is None or (row["at"], row["event_id"]) < (old["at"], old["event_id"]):
                joins[row["invitee_id"]] = row
    parent: dict[str, str | None] = dict.fromkeys(joins)
    for user, join in joins.items():
        if join["inviter_id"] in (None, user):
            continue
        touches = [
            r for r in newest.values()
            if r["invitee_id"] == user and r["kind"] != "bought" and r["inviter_id"] not in (None, user)
            and r["at"] <= join["at"]
            and (r["inviter_id"] not in joins or joins[r["inviter_id"]]["at"] <= join["at"])
        ]  # fmt: skip
        touches.sort(key=lambda r: (r["at"], r["event_id"]))
        if touches:
            parent[user] = touches[0 if two == "first" else -1]["inviter_id"]
    for user in sorted(parent):  # the smallest id of a circle is met first
        seen, at = [user], parent[user]
        while at is not None and at not in seen:
            seen.append(at)
            at = parent.get(at)
        if at == user and user == min(seen):
            parent[user] = None
    parent |= {p: None for p in list(parent.values()) if p is not None and p not in parent}
    out = {}
    for user in parent:
        root, depth = user, 0
        while (above := parent[root]) is not None:
            root, depth = above, depth + 1
        out[user] = (parent[user], root, depth)
    return out


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([("first", True), ("last", True), ("last", False)]))
def test_random_events_become_the_forest_of_a_plain_program(
    spark: SparkSession, seed: int, case: tuple[str, bool]
) -> None:
    rows, (two, many) = drawn(seed, 60), case
    users, dropped = forest(spark, rows, two, many)
    expected = oracle(rows, two)
    assert {u: (r["inviter_id"], r["root_id"], r["depth"]) for u, r in users.items()} == expected
    own = {u: r["channel"] for u, r in users.items()}
    assert all(r["inviter_channel"] == own.get(r["inviter_id"]) for r in users.values())
    assert dropped["inviters without a join"] == sum(r["joined_at"] is None for r in users.values())


def test_each_rule_alone(spark: SparkSession) -> None:
    chain = [event("joined", f"c{n - 1}" if n else None, f"c{n}", n / 10, channel="link") for n in range(40)]
    rows = [
        *chain,
        event("joined", "self", "self", 1),
        event("joined", "young", "old", 1), event("joined", None, "young", 2, channel=None),
        event("invited", "c0", "two", 3, channel="social"), event("invited", "c1", "two", 4),
        event("joined", "c1", "two", 5),
        event("joined", "r2", "r1", 7), event("joined", "r3", "r2", 7), event("joined", "r1", "r3", 7),
        event("joined", "r3", "below", 8),
        event("joined", "nobody knows when", "child", 9, channel=None),
        event("invited", "c0", "came anyway", 9), event("joined", None, "came anyway", 10, channel="search"),
    ]  # fmt: skip
    users, dropped = forest(spark, rows)
    assert (users["c39"]["root_id"], users["c39"]["depth"]) == ("c0", 39)
    assert users["self"]["inviter_id"] is None and users["self"]["channel"] == "direct"
    assert users["old"]["inviter_id"] is None and users["young"]["channel"] == "direct"
    assert (users["two"]["inviter_id"], users["two"]["channel"]) == ("c0", "social")
    assert [users[u]["root_id"] for u in ("r1", "r2", "r3", "below")] == ["r1"] * 4 and users["below"]["depth"] == 2
    assert users["r1"]["inviter_id"] is None and users["below"]["inviter_channel"] == "email"
    assert users["nobody knows when"]["joined_at"] is None and users["child"]["channel"] == "unknown"
    assert users["came anyway"]["inviter_id"] is None and users["came anyway"]["channel"] == "search"
    assert dropped == {
        "invitations of oneself": 1, "invitations of users who joined before": 1, "users whom several have invited": 1,
        "circles cut": 1, "inviters without a join": 1,
    }  # fmt: skip


@pytest.mark.parametrize("pairs", [[], [("a", "b")], [("a", "b"), ("b", "a")], [("b", "c"), ("c", "b"), ("a", "b")]])
def test_circles_are_found_by_their_smallest_id(pairs: list[tuple[str, str]]) -> None:
    users, inviters = (pa.chunked_array([pa.array([p[n] for p in pairs], pa.string())]) for n in (0, 1))
    mutual = {p for p in pairs if (p[1], p[0]) in pairs}
    assert tree.circles(users, inviters) == ([min(min(mutual))] if mutual else [])
