"""Loads of the tables of customer service from small files, with the names that other systems give to their columns."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shopbatch.load import load_file
from shopbatch.load.options import Options
from shopbatch.warehouse.store import Store

AUTO = Options(auto=True)


def loaded(store: Store, name: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[c] for c in columns) for row in store.snapshot(name).read().to_pylist()]


def day(*date: int) -> dt.datetime:
    return dt.datetime(*date, tzinfo=dt.UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Order number,Customer ID,Order Status,Order date,Shipped,Delivered,Courier,Tracking No,Grand Total", "Sent"),
        ("Bestellnummer,Kundennummer,Bestellstatus,Bestelldatum,Versanddatum,Zustelldatum,Paketdienst,Sendungsnummer,"
         "Gesamtbetrag", "versandt"),
        ("订单号,客户ID,订单状态,下单时间,发货时间,签收时间,快递公司,快递单号,订单金额", "已发货"),
    ],
)  # fmt: skip
def test_orders(store: Store, tmp_path: Path, header: str, status: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        f"{header}\nSB-1,7,{status},2024-03-01,2024-03-02,,DHL,0042,15.00 EUR\n"
        "SB-2,,delivered,2024-03-01,2024-03-02,2024-03-04,,,9.90\nSB-3,8,lost,2024-03-01,,,,,1\n,8,paid,,,,,,1\n"
    )
    report = load_file(store, "orders", path, AUTO)
    assert (report.rows_loaded, report.rows_rejected, report.values_emptied) == (3, 1, 1)
    names = (
        "order_id",
        "user_id",
        "status",
        "placed_at",
        "shipped_at",
        "delivered_at",
        "tracking",
        "total",
        "currency",
    )
    assert loaded(store, "orders", *names) == [
        ("SB-1", "7", "shipped", day(2024, 3, 1), day(2024, 3, 2), None, "0042", Decimal("15.00"), "EUR"),
        ("SB-2", None, "delivered", day(2024, 3, 1), day(2024, 3, 2), day(2024, 3, 4), None, Decimal("9.90"), None),
        ("SB-3", "8", None, day(2024, 3, 1), None, None, None, Decimal("1.00"), None),
    ]
    rejects = store.snapshot("orders_load_rejects").read().to_pylist()
    assert sorted((r["column"], r["reason"], r["row_loaded"]) for r in rejects) == [
        ("order_id", "no_key", False),
        ("status", "not_allowed", True),
    ]


def test_an_export_of_shopify_is_orders_and_order_lines(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "orders_export.csv"
    path.write_text(
        "Name,Email,Financial Status,Fulfilled at,Currency,Total,Created at,Lineitem quantity,Lineitem name,"
        "Lineitem price,Lineitem sku,Shipping Country\n"
        "#1001,a@example.org,paid,2024-03-02 10:00:00 +0100,EUR,24.90,2024-03-01 10:00:00 +0100,1,Lamp,14.90,L1,DE\n"
        "#1001,a@example.org,,,,,,2,Cup,5.00,C1,\n#1002,b@example.org,voided,,EUR,5.00,2024-03-03,1,Cup,5.00,C1,AT\n"
    )
    report = load_file(store, "orders", path)
    assert (report.system, report.rows_loaded, report.rows_merged) == ("shopify", 2, 1)
    names = ("order_id", "user_id", "status", "market", "placed_at", "shipped_at", "delivered_at", "total", "currency")
    assert sorted(loaded(store, "orders", *names)) == [
        ("#1001", "a@example.org", "paid", "DE", day(2024, 3, 1, 9), day(2024, 3, 2, 9), None, Decimal("24.90"), "EUR"),
        ("#1002", "b@example.org", "cancelled", "AT", day(2024, 3, 3), None, None, Decimal("5.00"), "EUR"),
    ]
    assert load_file(store, "order_lines", path).system == "shopify"
    assert loaded(store, "order_lines", "order_id", "line_number", "user_id", "name", "quantity") == [
        ("#1001", 1, "a@example.org", "Lamp", 1),
        ("#1001", 2, "a@example.org", "Cup", 2),
        ("#1002", 1, "b@example.org", "Cup", 1),
    ]


def test_order_lines_are_numbered_where_the_file_does_not(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text("order id,sku,product name,qty,price\nA,1,desk lamp,1,19.95\nA,2,kettle,2,5\nB,1,desk lamp,1,\n")
    report = load_file(store, "order_lines", path, AUTO)
    assert report.rows_loaded == 3 and any("1 rows repeat order_id of an earlier row" in n for n in report.notes)
    assert loaded(store, "order_lines", "order_id", "line_number", "product_id", "name", "quantity", "unit_price") == [
        ("A", 1, "1", "desk lamp", 1, Decimal("19.950")),
        ("A", 2, "2", "kettle", 2, Decimal("5.000")),
        ("B", 1, "1", "desk lamp", 1, None),
    ]
    path.write_text("order_id,line_number,name\nA,2,kettle\nA,1,desk lamp\n")
    load_file(store, "order_lines", path, mode="replace")
    assert loaded(store, "order_lines", "line_number", "name") == [(2, "kettle"), (1, "desk lamp")]


def test_tickets(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(
        "Ticket Number,Conversation,Requester ID,Order No,Betreff,Message,Via,Country,Received at\n"
        '17,c1,7,SB-1,Hello,"Where is it?\nThanks",mail,US,2024-03-01 10:00\n18,,,,,多久能到,chat,,\n,,,,No id,,,,\n'
    )
    report = load_file(store, "tickets", path, AUTO)
    assert (report.rows_loaded, report.rows_rejected, report.makes_key) == (2, 1, False)
    names = ("ticket_id", "thread_id", "user_id", "order_id", "subject", "text", "channel", "market", "created_at")
    assert loaded(store, "tickets", *names) == [
        ("17", "c1", "7", "SB-1", "Hello", "Where is it?\nThanks", "mail", "US", day(2024, 3, 1, 10)),
        ("18", None, None, None, None, "多久能到", "chat", None, None),
    ]
    path.write_text("text\nWhere is it?\nWhen?\n")
    assert load_file(store, "tickets", path).makes_key
    assert len({row[0] for row in loaded(store, "tickets", "ticket_id")}) == 4


def test_ticket_feedback_and_examples(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    path.write_text('{"ticket": 17, "category": "order_tracking", "answer": "On Monday.", "solved at": "2024-03-02"}\n')
    assert load_file(store, "ticket_feedback", path, AUTO).rows_loaded == 1
    assert loaded(store, "ticket_feedback", "ticket_id", "intent", "reply", "decided_at") == [
        ("17", "order_tracking", "On Monday.", day(2024, 3, 2))
    ]
    path = tmp_path / "examples.csv"
    path.write_text("utterance,label,lang,origin\nWhere is it?,order_tracking,English,human\nhm,other,,LLM\nhm,,en,\n")
    report = load_file(store, "intent_examples", path, AUTO)
    assert (report.rows_loaded, report.rows_rejected, report.makes_key) == (2, 1, True)
    assert loaded(store, "intent_examples", "text", "intent", "language", "origin") == [
        ("Where is it?", "order_tracking", "en", "person"),
        ("hm", "other", None, "generated"),
    ]
