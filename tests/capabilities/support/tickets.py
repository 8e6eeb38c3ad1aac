"""A small shop for tests of answer_tickets: policies, orders, tickets, and a model of intents for the fake engine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.support.answers.questions import questions
from shopbatch.capabilities.support.intents import ANY, FEATURES, IntentModel
from shopbatch.capabilities.support.thresholds import Bounds, Thresholds
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.encoders.fake_encoder import FakeEncoder
from shopbatch.tables import TABLES
from shopbatch.warehouse.store import Store

DIM = 64
UTC = dt.UTC
DAY = dt.datetime(2026, 11, 20, 9, tzinfo=UTC)


def section(
    policy: str, intent: str, text: str, values: dict[str, str], *, language: str = "en", **more: Any
) -> dict[str, Any]:
    """A row of `policies`; `values` are words of the text by role."""
    spans = [
        {"role": role, "text": words, "start": text.index(words), "end": text.index(words) + len(words)}
        for role, words in values.items()
    ]
    row = {"policy_id": policy, "section": 0, "language": language, "intents": [intent], "title": policy.title()}
    row |= {"text": text, "values": spans, "version": f"{policy}-1", "source_file": f"{policy}.md", "start": 0}
    return {**row, "end": len(text), **more}


RETURNS = "You can return items within 30 days after delivery. Worn items are excluded, unless they are faulty."
REFUNDS = "Refunds are paid within 7 days after we receive the return."
TRACKING = "The tracking link becomes active up to 12 hours after dispatch."
TUIHUO = "签收后30天内都可以退货。如果商品已经使用，则不能退货。"
POLICIES = [
    section("returns", "return_window", RETURNS, {"return_days": "30 days"}),
    section("refunds", "refund_time", REFUNDS, {"refund_days": "7 days"}),
    section("tracking", "order_tracking", TRACKING, {"track_hours": "12 hours"}),
    section("deletion", "data_deletion", "We delete your data within 28 days.", {"delete_days": "28 days"}),
    section("tuihuo", "return_window", TUIHUO, {"return_days": "30天"}, language="zh"),
]


def order(name: str, user: str | None, **more: Any) -> dict[str, Any]:
    placed = dt.datetime(2026, 11, 1, 12, tzinfo=UTC)
    row = {"order_id": name, "user_id": user, "status": "delivered", "placed_at": placed, "updated_at": placed}
    return {**row, "delivered_at": dt.datetime(2026, 11, 5, 12, tzinfo=UTC), **more}


def ticket(name: str, text: str | None, user: str = "u1", **more: Any) -> dict[str, Any]:
    return {"ticket_id": name, "text": text, "user_id": user, "created_at": DAY, "language": "en", **more}


ORDERS = [order("A-1001", "u1"), order("A-2002", "u2", tracking="SECRET-TRACK-77"), order("A-3003", None)]
RETURN, REFUND, TRACK = "Can I return my coat?", "When do I get my refund?", "Where is my parcel right at the moment?"
KNOWN = {
    RETURN: "return_window",
    "Can I return my order A-1001?": "return_window",
    "Can I return my order A-2002?": "return_window",
    REFUND: "refund_time",
    TRACK: "order_tracking",
    "Please erase all of my data.": "data_deletion",
    "我能退货吗？": "return_window",
    "Do you sell gift cards?": "gift_card",
}
INTENTS = tuple(sorted({*KNOWN.values()}))


def put(store: Store, name: str, rows: list[dict[str, Any]], key: str = "test") -> None:
    """Replace a source table by these rows."""
    table = TABLES[name]
    columns = {c.name: pa.array([row.get(c.name) for row in rows], c.type) for c in table.columns}
    file = store.write_file(table, pa.table(columns, table.schema()), key, 0)
    store.commit(table, [file], "replace", key)


def fill(store: Store, tickets: list[dict[str, Any]], **other: list[dict[str, Any]]) -> None:
    """Fill the shop's tables."""
    put(store, "policies", other.get("policies", POLICIES))
    put(store, "orders", other.get("orders", ORDERS))
    put(store, "tickets", tickets)


def intents_folder(folder: Path, thresholds: Thresholds | None = None) -> str:
    """Write a model that knows the questions of KNOWN by heart, as the fake engine with DIM numbers gives them."""
    texts = [text[a:b] for text in KNOWN for a, b in questions(text)]
    vectors = FakeEncoder(FakeConfig(dim=DIM)).encode(pa.array(texts)).vectors.astype(np.float16).astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    target = np.zeros((len(texts), len(INTENTS) + 1))
    target[np.arange(len(texts)), [INTENTS.index(KNOWN[text]) for text in KNOWN]] = 20.0
    weights = (np.linalg.pinv(vectors) @ target).astype(np.float32)
    scope = np.zeros(len(FEATURES) + 1, np.float32)
    scope[FEATURES.index("energy")], scope[-1] = 1.0, -10.0  # a question known by heart has energy 20
    bounds = Thresholds(Bounds(0.9, 0.5), {}, 0.95, 0.9) if thresholds is None else thresholds
    shape = np.zeros((1, DIM), np.float32), weights, np.zeros(len(INTENTS) + 1, np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    none = np.zeros((0, len(INTENTS) + 1), np.float32)
    IntentModel(INTENTS, (ANY,), *shape, 1.0, scope, none, none[:, 0], thresholds=bounds).save(folder)
    return str(folder)


def arguments(model: str, *more: str) -> tuple[str, ...]:
    """The arguments of a run with the fake engine and this model."""
    return ("engine.kind=fake", f"engine.dim={DIM}", f"intents={model}", *more)


def answers(store: Store) -> dict[str, dict[str, Any]]:
    """The published rows by ticket."""
    return {row["ticket_id"]: row for row in store.snapshot("ticket_answers").read().to_pylist()}
