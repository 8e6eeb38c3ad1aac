"""Tickets and policies as shops export them: numbers of orders, days, languages, and intents that no model knows."""

from __future__ import annotations

import datetime as dt
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from shopbatch.capabilities.support.answers.config import AnswerTicketsConfig
from shopbatch.capabilities.support.answers.deciding import Rules, decide, triage
from shopbatch.capabilities.support.answers.facts import NOT_YOURS, Shop, Ticket
from shopbatch.capabilities.support.answers.joining import shop_of
from shopbatch.capabilities.support.answers.order_numbers import order_key
from shopbatch.capabilities.support.answers.policies import Policies
from shopbatch.capabilities.support.answers.reading import Read
from shopbatch.capabilities.support.answers.run import question_spec, trial_specs, unmatched_intents
from shopbatch.capabilities.support.answers.unmatched import sentence, unmatched
from shopbatch.capabilities.support.thresholds import Bounds, Thresholds
from shopbatch.doctor.policies import judge_policies
from shopbatch.evaluation.selective import NEVER
from shopbatch.runs.report import Report
from shopbatch.tables.tickets import TICKETS
from shopbatch.warehouse.store import Store
from tests.capabilities.support.tickets import DIM, POLICIES, RETURN, fill, intents_folder, order, put, ticket

DAY = dt.date(2026, 11, 20)
OWN = ("#1701", "A-1001", "2026/17", "WEB 88", "900123456")
ALL = Policies([dict.fromkeys(("market", "valid_from", "valid_to")) | row for row in POLICIES])
FOREIGN = ("#1707", "B-2002", "900999999")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("exports") / "warehouse"))
    fill(store, [], orders=[*(order(name, "u1") for name in OWN), *(order(name, "u2") for name in FOREIGN)])
    return store


def facts(store: Store, text: str, order_id: str | None = None, user: str = "u1") -> tuple[list[str], tuple[str, ...]]:
    """The orders that a ticket is joined with, read from the warehouse, and the flags."""
    columns = {"order_id": [order_id], "user_id": [user], "subject": [None], "text": [text]}
    tickets = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    sources = (store.snapshot("policies"), store.snapshot("orders"), None)
    shop = shop_of(AnswerTicketsConfig(), sources, tickets, remote=False)
    made = shop.facts(Ticket(user, order_id, text, "en", None, ("return_window",), DAY))
    return [o.order_id for o in made.orders], made.flags


@pytest.mark.parametrize(
    ("text", "form", "orders"),
    [
        ("Where is my order #1701?", None, ["#1701"]),
        ("Where is my order 1701?", None, ["#1701"]),
        ("order no. 1701 please", None, ["#1701"]),
        ("1701 has not come", None, ["#1701"]),
        ("我的订单1701到哪了", None, ["#1701"]),
        ("hello", "1701", ["#1701"]),
        ("hello", "#1701", ["#1701"]),
        ("Return #A-1001 please", None, ["A-1001"]),
        ("about 2026/17", None, ["2026/17"]),
        ("about web 88", None, ["WEB 88"]),
        ("I paid 1707 yuan and bought order 2 shirts", None, []),
        ("I live at 12 High St, since 2026", None, []),
    ],
)
def test_own_orders_are_known_however_the_shop_numbers_them(
    store: Store, text: str, form: str | None, orders: list[str]
) -> None:
    assert facts(store, text, form) == (orders, ())


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Where is my order #1707?", None),
        ("order 1707", None),
        ("订单号：1707", None),
        ("where is 900999999", None),
        ("b-2002?", None),
        ("hello", "1707"),
        ("hello", "#9999"),
    ],
)
def test_orders_of_others_are_not_yours_with_or_without_a_sign(store: Store, text: str, form: str | None) -> None:
    assert facts(store, text, form) == ([], (NOT_YOURS,))
    assert order_key(" #1701 ") == "1701"


def tried(store: Store, tmp_path: Path, *tickets: dict[str, Any], **config: Any) -> list[dict[str, Any]]:
    """What `shopbatch try answer_tickets` makes of some tickets."""
    settings = {"engine": {"kind": "fake", "dim": DIM}, "intents": intents_folder(tmp_path / "intents")} | config
    report = Report(job="answer_tickets")
    (spec,) = trial_specs(AnswerTicketsConfig.model_validate(settings), store, report)
    rows = [dict.fromkeys(TICKETS.names) | row for row in tickets]
    table = pa.Table.from_pylist(rows, pa.schema([(c.name, c.type) for c in TICKETS.columns]))
    scorer = spec.stage.open()
    content = table.select(spec.stage.content)
    raw = scorer.run(content, pa.array([1] * len(rows), pa.int8()).to_numpy())
    made = spec.stage.publish(table, raw)
    rows_made: list[dict[str, Any]] = pa.table(made).to_pylist()
    return rows_made


def test_a_trial_speaks_as_of_the_day_of_the_ticket(store: Store, tmp_path: Path) -> None:
    early = dt.datetime(2026, 11, 10, 9, tzinfo=dt.UTC)
    text = "Can I return my order A-1001?"
    dated, undated = tried(store, tmp_path, ticket("d", text, created_at=early), ticket("n", text, created_at=None))
    assert (dated["as_of"], dated["decision"]) == (early.date(), "answer")
    assert undated["as_of"] == dt.datetime.now(dt.UTC).date()
    (fixed,) = tried(store, tmp_path, ticket("d", text, created_at=early), as_of="2026-12-31")
    assert (fixed["as_of"], fixed["reason"]) == (dt.date(2026, 12, 31), "deadline_over")


def test_two_questions_of_one_intent_have_one_intent(store: Store, tmp_path: Path) -> None:
    (row,) = tried(store, tmp_path, ticket("two", f"{RETURN} {RETURN}"))
    assert row["intents"] == ["return_window"]


def decided(sure: float, bounds: Bounds, **rules: Any) -> tuple[str, str]:
    made = Shop(ALL).facts(Ticket("u1", None, "?", "en", None, ("return_window",), DAY))
    read = Read("?", ("return_window",), (sure,), made, DAY)
    return decide(read, Rules(Thresholds(bounds, {}, 0.95, 0.9), **rules))


def test_an_improbable_intent_gets_no_draft_and_a_certain_one_is_not_called_unsure() -> None:
    assert decided(0.19, Bounds(0.9, 0.1)) == ("escalate", "unsure")
    assert decided(0.19, Bounds(0.9, 0.1), least_confidence=0.1) == ("draft", "unsure")
    assert decided(0.35, Bounds(0.9, 0.1)) == ("draft", "unsure")
    assert decided(1.0, Bounds(NEVER, 0.4)) == ("draft", "few_labelled_tickets")


@pytest.mark.parametrize(
    ("language", "intents", "reason"),
    [
        ("zh", ("refund_time",), "untranslated_policy"),  # there are Chinese policies, and none about this
        ("zh", ("gift_card",), "no_policy"),
        ("de", (None,), "other_language"),
        ("de", ("refund_time",), "other_language"),
        ("en", (None,), "no_intent"),
    ],
)
def test_a_reason_says_what_is_missing(language: str, intents: tuple[str | None, ...], reason: str) -> None:
    made = Shop(ALL).facts(Ticket("u1", None, "?", language, None, intents, DAY))
    read = Read("?", intents, (1.0,), made, DAY)
    assert triage(read, Rules()).handed_over == reason
    assert type(made).of(made.text()) == made


def sample_intents() -> list[str]:
    """The intents of the examples that come with the package."""
    text = (files("shopbatch.sample") / "data" / "intent_examples_en.yaml").read_text("utf-8")
    return sorted(set(yaml.safe_load(text)["questions"]) - {"other"})


def test_the_page_lists_the_intents_of_the_sample() -> None:
    page = (Path(__file__).parents[3] / "docs" / "jobs" / "answer_tickets.md").read_text("utf-8")
    block = page.split("## Intents", 1)[1].split("\n## ", 1)[0]
    assert sorted(re.findall(r"`([a-z_]+)`", block.split("\n\n")[2])) == sample_intents()


def test_intents_of_policies_that_no_model_knows_are_named_with_near_ones(store: Store, tmp_path: Path) -> None:
    missed = unmatched(["delivery_time", "refund_time", "track_order", "gdpr"], sample_intents())
    assert missed["delivery_time"] == ["refund_time", "shipping_time"] and missed["gdpr"] == []
    assert missed["track_order"][0] == "order_tracking" and "refund_time" not in missed
    assert "delivery_time (near: refund_time, shipping_time)" in sentence(missed) and sentence({}) == ""
    config = {"engine": {"kind": "fake", "dim": DIM}, "intents": intents_folder(tmp_path / "intents")}
    asking, _ = question_spec(AnswerTicketsConfig.model_validate(config), store, Report(job="answer_tickets"))
    assert unmatched_intents(asking.stage, store) == {}
    put(store, "policies", [*POLICIES, {**POLICIES[0], "policy_id": "more", "intents": ["returns_window"]}], "more")
    assert unmatched_intents(asking.stage, store) == {"returns_window": ["return_window"]}
    settings = AnswerTicketsConfig.model_validate({"intents": config["intents"]})
    (finding,) = judge_policies(store.root, settings)
    assert "returns_window (near: return_window)" in finding.what
    put(store, "policies", POLICIES, "back")
    assert judge_policies(store.root, settings) == []
    assert json.dumps(unmatched_intents(asking.stage, store)) == "{}"
