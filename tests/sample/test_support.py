"""Orders, tickets and examples of a sample: consistent, the same however they are cut, and as noisy as promised."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from shopbatch.sample import dialog_words, fill_generated, orders, tickets
from shopbatch.sample.orders import Customers, order_lines
from shopbatch.sample.shop import Shop, language_of, users
from shopbatch.sample.support import TABLES
from shopbatch.sample.ticket_words import intent_examples, ticket_phrases
from shopbatch.tables import TABLES as DECLARED
from shopbatch.warehouse.store import Store

CUSTOMERS = Customers(5, 300, 900, lambda user: (f"u-{user}", ("en", "zh")[user % 2]))
HOUR = 3_600


@pytest.fixture(scope="module")
def placed() -> list[dict[str, Any]]:
    return orders.orders(CUSTOMERS, 0, 900).to_pylist()


@pytest.fixture(scope="module")
def written() -> list[dict[str, Any]]:
    return tickets.tickets(CUSTOMERS, 0, 3_000).to_pylist()


def test_dates_and_states_of_orders_are_consistent(placed: list[dict[str, Any]]) -> None:
    assert len({row["order_id"] for row in placed}) == len(placed)
    states = Counter(row["status"] for row in placed)
    assert set(states) == {"placed", "paid", "shipped", "delivered", "cancelled", "returned", "refunded"}
    for row in placed:
        moments = [row[name] for name in ("placed_at", "shipped_at", "delivered_at") if row[name]]
        assert moments == sorted(moments) and moments[-1] <= row["updated_at"]
        assert row["updated_at"].timestamp() <= orders.NOW
        assert not row["delivered_at"] or row["shipped_at"]
        assert bool(row["shipped_at"]) == (row["status"] in ("shipped", "delivered", "returned", "refunded"))
        assert bool(row["delivered_at"]) == (row["status"] in ("delivered", "returned", "refunded"))
        assert bool(row["tracking"]) == bool(row["carrier"]) == bool(row["shipped_at"])
        assert (row["market"], row["currency"]) in (("US", "USD"), ("CN", "CNY"))
    late = [r for r in placed if r["status"] == "shipped" and orders.NOW - r["shipped_at"].timestamp() > 15 * 86_400]
    assert len(late) > 10, "parcels that got lost"
    assert 0.03 < sum(row["user_id"] is None for row in placed) / len(placed) < 0.1


def test_amounts_are_those_of_the_lines_and_of_the_delivery(placed: list[dict[str, Any]]) -> None:
    lines = order_lines(CUSTOMERS, 0, 900).to_pylist()
    goods: dict[str, Any] = {}
    for line in lines:
        goods[line["order_id"]] = goods.get(line["order_id"], 0) + line["quantity"] * line["unit_price"]
    fees = Counter()
    for row in placed:
        promised = dialog_words.policies("en" if row["market"] == "US" else "zh")
        fee = row["total"] - goods[row["order_id"]]
        free = goods[row["order_id"]] >= int(promised["free_over"])
        assert float(fee) == (0 if free else float(promised["ship_cost"]))
        fees[free] += 1
    assert min(fees.values()) > 50
    numbers = [(line["order_id"], line["line_number"]) for line in lines]
    assert len(set(numbers)) == len(numbers) > 1_200
    buyers = {row["order_id"]: row["user_id"] for row in placed}
    assert all(line["user_id"] == buyers[line["order_id"]] for line in lines)


def test_rows_do_not_depend_on_how_they_are_cut() -> None:
    for make in (orders.orders, orders.order_lines, tickets.tickets):
        whole = make(CUSTOMERS, 0, 300)
        parts = [make(replace(CUSTOMERS), first, 100) for first in (200, 0, 100)]
        assert pa.concat_tables([parts[1], parts[2], parts[0]]).equals(whole)
    other = replace(CUSTOMERS, seed=6)
    assert not tickets.tickets(other, 0, 50).equals(tickets.tickets(CUSTOMERS, 0, 50))


def test_tickets_hold_every_kind_of_noise(placed: list[dict[str, Any]], written: list[dict[str, Any]]) -> None:
    buyers = {row["order_id"]: row["user_id"] for row in placed}
    known = {name.removeprefix("SB-") for name in buyers}
    own = foreign = unknown = 0
    for row in written:
        assert row["order_id"] is None or buyers[row["order_id"]] == row["user_id"], "the form knows who writes"
        for digits in re.findall(r"(?<!\d)\d{6}(?!\d)", row["text"] or ""):
            if digits not in known:
                unknown += 1
            elif buyers[f"SB-{digits}"] == row["user_id"]:
                own += 1
            else:
                foreign += 1
    assert own > 700 and foreign > 70 and unknown > 40
    texts = [row["text"] or "" for row in written]
    assert 0 < sum(not text.strip() for text in texts) < 30 and sum(len(text) >= tickets.LONG for text in texts) > 0
    assert 0.03 < sum(row["user_id"] is None for row in written) / len(written) < 0.1, "guests"
    phrases = ticket_phrases()
    for expected, least in ((phrases.also["en"], 50), (phrases.also["zh"], 50), (phrases.follow_ups["en"], 15)):
        assert sum(any(words.strip() in text for words in expected) for text in texts) > least
    for words in (
        "lawyer",
        "律师",
        "burned",
        "烫伤",
        "scam",
        "盗",
        "funeral",
        "婚礼",
        "Ignore all",
        "忽略",
        "@example.",
    ):
        assert any(words in text for text in texts), words
    languages = Counter(row["language"] for row in written if row["language"])
    assert {*phrases.others, *phrases.injections} <= set(languages) and languages["en"] > languages["de"]
    assert languages[None] == 0 and sum(row["language"] is None for row in written) > 1_000
    assert {row["channel"] for row in written} == set(phrases.channels)


def test_later_messages_are_of_the_same_person(written: list[dict[str, Any]]) -> None:
    by_id = {row["ticket_id"]: row for row in written}
    assert len(by_id) == len(written)
    later = [row for row in written if row["thread_id"]]
    assert len(later) > 30
    for row in later:
        first = by_id[row["thread_id"]]
        assert row["user_id"] == first["user_id"] and row["created_at"] >= first["created_at"]
        assert first["thread_id"] is None


def test_tickets_come_after_the_order_that_they_are_about(
    placed: list[dict[str, Any]], written: list[dict[str, Any]]
) -> None:
    moments = {row["order_id"]: row["placed_at"] for row in placed}
    named = [row for row in written if row["order_id"]]
    assert len(named) > 400 and all(row["created_at"] > moments[row["order_id"]] for row in named)
    assert all(row["created_at"].timestamp() <= orders.NOW for row in written)


def test_examples_are_written_for_every_intent_and_by_no_template() -> None:
    examples = intent_examples().to_pylist()
    assert len({row["text"] for row in examples}) == len(examples) == len({row["example_id"] for row in examples})
    assert {row["origin"] for row in examples} == {"person"}
    for language in dialog_words.LANGUAGES:
        counts = Counter(row["intent"] for row in examples if row["language"] == language)
        assert set(counts) == {*dialog_words.intents(language), "other"}
        others, least = (450, 70) if language == "zh" else (290, 31)
        assert counts.pop("other") >= others and min(counts.values()) >= least
    han = re.compile("[一-鿿]")
    assert all(bool(han.search(row["text"])) == (row["language"] == "zh") for row in examples)


def test_a_generated_shop_has_them_for_its_own_users(store: Store) -> None:
    report = fill_generated(store, 400, 7)
    frames = {t.name: pl.DataFrame(pl.from_arrow(store.snapshot(t.name).read())) for t in TABLES}
    rows = {t.table: t.rows for t in report.tables}
    assert (rows["orders"], rows["tickets"], rows["policies"], rows["intent_examples"]) == (400, 400, 72, 4_452)
    known = store.snapshot("users").read(["user_id"])["user_id"].to_pylist()
    for name in ("orders", "order_lines", "tickets"):
        assert set(frames[name]["user_id"].drop_nulls()) <= set(known)
    assert set(frames["order_lines"]["order_id"]) == set(frames["orders"]["order_id"])
    for name, frame in frames.items():
        key = frame.select(DECLARED[name].key)
        assert not key.is_duplicated().any(), name
    lines = report.lines(notes=True)
    place = next(i for i, line in enumerate(lines) if line.startswith("policies "))
    assert "files of this package" in lines[place + 1]


def test_who_orders_in_a_generated_shop_orders_in_their_language() -> None:
    shop = Shop(reviews=100, products=16, users=60, seed=4)
    stated = users(shop, 0, 60)["language"].to_pylist()
    assert [language_of(shop, user) for user in range(60)] == stated and {"en", "zh", None} == set(stated)


def test_how_many() -> None:
    assert [orders.count(None), orders.count(100), orders.count(10**6)] == [900, 100, 900]
    assert [tickets.count(None), tickets.count(100), tickets.count(10**6)] == [600, 100, 600]
