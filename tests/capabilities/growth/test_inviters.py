"""Who is asked: never without consent, never who looks like fraud, never too many; an exact hold-out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.growth.config import Fraud, InviterConfig, Uplift
from shopbatch.capabilities.growth.contacts import contacts, read_events
from shopbatch.capabilities.growth.fraud import suspects
from shopbatch.capabilities.growth.inviters import choose_inviters
from shopbatch.capabilities.growth.worth import uplift_of_asking
from shopbatch.core.errors import GateRefused
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
from tests.capabilities.growth.events import START, event, put, put_users

pytestmark = pytest.mark.slow


def chosen(store: Store, **more: Any) -> tuple[Report, dict[str, dict[str, Any]]]:
    report = Report(job="choose_inviters")
    config = InviterConfig.model_validate({"plan": "p", "reach": {"sets": 4000}, **more})
    choose_inviters(config, store, report)
    rows = store.snapshot("inviter_plan").read().to_pylist()
    return report, {r["user_id"]: r for r in rows if r["plan"] == config.plan}


def friends(user: str, number: int, day: float = 3.0) -> list[dict[str, Any]]:
    return [event("invited", user, f"{user}-friend-{n}", day + n / 100) for n in range(number)]


def crowd(users: int) -> list[dict[str, Any]]:
    rows = []
    for n in range(users):
        rows += [event("joined", None, f"u{n:03}", 1.0), *friends(f"u{n:03}", n % 7)]
        rows += [event("joined", f"u{n:03}", f"u{n:03}-friend-0", 20.0)] if n % 3 == 0 and n % 7 else []
    return rows


def test_who_must_not_be_asked_is_listed_with_the_reason(store: Store) -> None:
    rows = [
        event("joined", None, "good", 0), *friends("good", 6),
        event("joined", None, "silent", 0), *friends("silent", 6),
        event("joined", None, "never said", 0), *friends("never said", 6),
        event("joined", None, "stranger", 0), *friends("stranger", 6),
        event("joined", "selfish", "selfish", 0), *friends("selfish", 6),
        event("joined", "ring b", "ring a", 0), event("joined", "ring a", "ring b", 0), *friends("ring a", 6),
        event("joined", None, "farm", 0), event("invited", "farm", "x0", 1, device_hash="d9"),
        *(event("joined", "farm", f"x{n}", 2, device_hash="d9") for n in range(3)),
        event("joined", None, "lonely", 0),
        *(event("joined", None, f"crowd {n}", 0, device_hash="d1") for n in range(5)),
        event("joined", "good", "same flat", 4, device_hash="d2"), event("invited", "good", "y", 4, device_hash="d2"),
    ]  # fmt: skip
    put(store, rows)
    agreed = ("good", "selfish", "ring a", "ring b", "farm", "lonely", "crowd 1", "same flat")
    put_users(store, dict.fromkeys(agreed, True) | {"silent": False, "never said": None})
    report, plan = chosen(store, hold_out=0)
    said = {user: (row["decision"], row["reason"]) for user, row in plan.items()}
    assert said["good"] == ("ask", None), "one friend in the same flat is no fraud"
    for user in ("silent", "never said", "stranger"):
        assert said[user] == ("left_out", "no_consent")
    assert said["selfish"] == ("left_out", "self_referral")
    assert said["ring a"] == said["ring b"] == ("left_out", "ring")
    assert said["farm"] == said["crowd 1"] == ("left_out", "shared_device")
    assert said["lonely"] == ("not_chosen", "worth_nothing")
    assert "good-friend-1" not in plan, "who has not joined is no user"
    page = str(report.to_dict())
    assert not any(user in page for user in ("selfish", "ring a", "good-friend"))
    assert plan["good"]["direct"] == pytest.approx(plan["good"]["reach"], rel=1e-9)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.sampled_from([None, 0.0, 0.5, 1.3]), st.integers(1, 3)
)
def test_never_over_budget_or_a_cap_and_the_hold_out_is_exact(
    tmp_path_factory: pytest.TempPathFactory, most: int, share: float, budget: float | None, per_cascade: int
) -> None:
    store = Store(str(tmp_path_factory.mktemp("plan") / "w"))
    put(store, crowd(60))
    put_users(store, {f"u{n:03}": None if n % 5 == 0 else n % 5 != 1 for n in range(60)})
    settings = {"money": {"of_asking": 0.1, "budget": budget}, "caps": {"users": most, "per_cascade": per_cascade}}
    _, plan = chosen(store, hold_out=share, **settings)
    asked = [r for r in plan.values() if r["decision"] == "ask"]
    held = [r for r in plan.values() if r["decision"] == "hold_out"]
    total = len(asked) + len(held)
    assert len(held) == int(share * total + 0.5)
    assert total <= most and (budget is None or total * 0.1 <= budget + 1e-9)
    assert sorted(r["place"] for r in (*asked, *held)) == list(range(1, total + 1))
    assert all(int(r["user_id"][1:4]) % 5 > 1 and r["gain"] > 0 for r in (*asked, *held))
    roots = [r["root_id"] for r in (*asked, *held)]
    assert all(roots.count(root) <= per_cascade for root in roots)
    left = [r for r in plan.values() if r["decision"] == "not_chosen"]
    assert all(r["reason"] in ("worth_nothing", "too_many", "budget", "same_cascade") for r in left)


def test_who_brings_less_than_asking_costs_is_worth_nothing_and_not_one_too_many_of_a_cascade(store: Store) -> None:
    came = [event("joined", "star", f"star-friend-{n}", 5.0) for n in range(8)]
    others = [event("joined", None, "dim", 0), *friends("dim", 1)]
    put(store, [event("joined", None, "star", 0), *friends("star", 40), *came, *others])
    put_users(store, {"star": True, "dim": True})
    _, plan = chosen(store, hold_out=0, money={"new_user": 1.0, "of_asking": 0.1}, uplift={"of_asking": 0.05})
    dim = plan["dim"]
    assert plan["star"]["decision"] == "ask" and plan["star"]["gain"] > 0
    assert dim["reach"] > 0 and (dim["decision"], dim["reason"]) == ("not_chosen", "worth_nothing")


def test_a_plan_stays_unless_it_is_to_be_made_anew_and_the_next_one_lets_people_rest(store: Store) -> None:
    put(store, crowd(40))
    put_users(store, {f"u{n:03}": True for n in range(40)})
    report, first = chosen(store)
    assert report.outcome == "published" and report.highlights["method"] in ("reach", "sum of probabilities")
    assert chosen(store)[0].outcome == "nothing to do"
    put(store, crowd(41))
    report, again = chosen(store)
    assert report.outcome == "nothing to do" and "remake=true" in report.message and again == first
    report, again = chosen(store, remake=True)
    assert report.outcome == "published" and again != first
    report, other = chosen(store, plan="q")
    asked = {u for u, r in again.items() if r["decision"] == "ask"}
    assert asked and all(other[u]["reason"] == "asked_lately" for u in asked)
    assert {u for u, r in other.items() if r["decision"] in ("ask", "hold_out")} & {
        u for u, r in again.items() if r["decision"] == "hold_out"
    }, "who was held out was not asked, and may be"
    assert {r["plan"] for r in store.snapshot("inviter_plan").read().to_pylist()} == {"p", "q"}


def test_nobody_to_ask_is_refused(store: Store) -> None:
    put(store, crowd(10))
    put_users(store, {"u001": False})
    with pytest.raises(GateRefused, match="consents"):
        chosen(store)
    assert not store.exists("inviter_plan") or not store.snapshot("inviter_plan").rows
    report, plan = chosen(store, gates={"candidates": 0})
    assert report.outcome == "published" and {r["decision"] for r in plan.values()} == {"left_out"}


def test_the_value_is_that_of_the_scores_where_there_are_any(store: Store) -> None:
    put(store, crowd(20))
    put_users(store, {f"u{n:03}": True for n in range(20)})
    known = chosen(store, money={"new_user": 7, "reward": 2})[0].metrics["value of a new user"]
    assert known == {"value": 5.0, "from": "the setting money.new_user"}
    days = [datetime(2026, 1, d, tzinfo=UTC).date() for d in (1, 1, 2, 2)]
    scores = pa.table({"user_id": ["a", "b", "a", "b"], "as_of": days, "expected_spend_30d": [1.0, 1.0, 10.0, 30.0]})
    from deltalake import write_deltalake

    write_deltalake(store.uri("user_scores"), scores)
    known = chosen(store, plan="q", money={"margin": 0.5, "reward": 2})[0].metrics["value of a new user"]
    assert known == {"value": 8.0, "from": "the mean of user_scores.expected_spend_30d"}


@pytest.mark.parametrize(("asked", "held", "proven"), [(120, 20, True), (42, 40, False), (20, 60, False)])
def test_the_uplift_is_that_of_former_plans_only_if_they_prove_one(asked: int, held: int, proven: bool) -> None:
    users = [f"a{n}" for n in range(400)] + [f"h{n}" for n in range(400)]
    when = START + timedelta(days=1)
    plans = pl.DataFrame({
        "plan": "p", "user_id": users, "decision": ["ask"] * 400 + ["hold_out"] * 400, "planned_at": [when] * 800,
    })  # fmt: skip
    inviting = users[:asked] + users[400 : 400 + held]
    events = pl.DataFrame([
        *(event("invited", user, "x", 5.0) for user in inviting),
        *(event("invited", user, "x", day) for user in users for day in (0.5, 40.0)),
    ]).select("kind", "inviter_id", "invitee_id", "at")  # fmt: skip
    known, said = uplift_of_asking(plans, events, START + timedelta(days=60), Uplift())
    assert known.value == (pytest.approx(asked / 400 - held / 400) if proven else 0.05)
    assert "400 asked" in said
    known, said = uplift_of_asking(plans, events, START + timedelta(days=10), Uplift())
    assert known.value == 0.05 and "old enough" in said


def test_contacts_learn_how_likely_a_join_is_and_devices_are_no_names(store: Store) -> None:
    rows = [event("joined", None, "u", 0)]
    rows += [event("invited", "u", f"e{n}", 1, channel="email") for n in range(98)]
    rows += [event("joined", "u", f"e{n}", 2, channel="email") for n in range(49)]
    rows += [event("invited", "u", f"s{n}", 1, channel=None) for n in range(8)]
    rows += [event("invited", "u", "e97", 5, channel="email")]
    put(store, [*rows, rows[61] | {"ingested_at": START + timedelta(days=9), "invitee_id": "corrected"}])
    made = contacts(read_events(store.snapshot("referral_events"), START + timedelta(days=40)))
    assert made.accepted == pytest.approx({"email": 0.5, "unknown": 0.1})
    chance = dict(zip(made.names[made.arcs.tail * 0 + _heads(made)].to_list(), made.arcs.probability, strict=True))
    assert chance["e96"] == pytest.approx(0.5) and chance["e97"] == pytest.approx(0.75), "invited twice"
    assert "e60" not in chance and "corrected" in chance
    assert len(made.others) == 98 + 8 - 49 and "u" not in made.names[made.others].to_list()
    none = suspects(
        pl.DataFrame(
            [event("joined", None, "a", 0, device_hash=None)],
            schema_overrides={"inviter_id": pl.String, "device_hash": pl.String},
        ),
        Fraud(),
    )
    assert none.is_empty()


def _heads(made: Any) -> Any:
    import numpy as np

    return np.repeat(np.arange(made.arcs.nodes), np.diff(made.arcs.start))
