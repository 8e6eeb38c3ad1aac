"""Whole exports as shops have them: all good rows load at once, and every bad value is listed with its line."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

from shopbatch.load import load_file
from shopbatch.warehouse.store import Store

BAD = {10: ("rating", "awful"), 20: ("rating", "11"), 30: ("created_at", "yesterday"), 40: ("created_at", "2/30/2026")}


def rows(store: Store, table: str) -> list[dict[str, Any]]:
    return store.snapshot(table).read().to_pylist()


def test_three_hundred_reviews(store: Store, tmp_path: Path) -> None:
    stars = ("5", "4.5", "5 stars", "4/5", "★★★☆☆", "1", "", "3.0")
    lines = [
        {
            "review_id": f"r{i}",
            "text": f"Nice <b>mug</b> &amp; lid 👍, number {i}",
            "rating": stars[i % 8],
            "created_at": f"{i % 12 + 1}/{i % 28 + 1}/2026 17:{i % 60:02}",
        }
        for i in range(1, 301)
    ]
    lines[50]["text"], lines[60]["text"] = "x" * 200_000, ""
    lines[70]["review_id"], lines[71]["review_id"] = "r1", "r2"
    for number, (column, value) in BAD.items():
        lines[number - 1][column] = value
    path = tmp_path / "export.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    report = load_file(store, "reviews", path)
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (300, 300, 0)
    assert (report.values_emptied, report.duplicate_keys) == (4, 2)
    listed = {r["source_line"]: (r["column"], r["value"]) for r in rows(store, "reviews_load_rejects")}
    assert listed == {number + 1: bad for number, bad in BAD.items()}  # the header is line 1
    assert {r["source_file"] for r in rows(store, "reviews_load_rejects")} == {"export.csv"}
    loaded = rows(store, "reviews")
    assert [len(r["text"] or "") for r in loaded[50:51]] == [200_000] and not loaded[60]["text"]
    assert loaded[2]["text"] == "Nice <b>mug</b> &amp; lid 👍, number 3"
    assert [r["rating"] for r in loaded[:8]] == [5, 5, 4, 3, 1, None, 3, 5]
    assert f"{loaded[13]['created_at']:%Y-%m-%d %H:%M}" == "2026-03-15 17:14"


def test_an_order_export_without_amounts_or_numbers_of_lines(store: Store, tmp_path: Path) -> None:
    """As UCI's Online Retail: unit prices, cancellations as baskets of their own, guests, one product twice."""
    orders = [
        ("536365", "85123A", 6, "12/1/2010 8:26", "2.55", "17850.0"),
        ("536365", "71053", 6, "12/1/2010 8:26", "3.39", "17850.0"),
        ("536366", "22633", 6, "12/13/2010 8:28", "1.85", ""),
        ("536366", "22633", 2, "12/13/2010 8:28", "1.85", ""),
        ("C536379", "85123A", -1, "12/1/2010 9:41", "2.55", "17850.0"),
    ]
    path = tmp_path / "retail.csv"
    with path.open("w", encoding="cp1252", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
        )
        writer.writerows([(*one[:2], "POUND £ CUP", *one[2:], "France") for one in orders])
    report = load_file(store, "transactions", path)
    assert (report.system, report.rows_loaded, report.duplicate_keys) == ("uci_online_retail", 5, 0)
    loaded = rows(store, "transactions")
    assert sum(r["sales_value"] for r in loaded) == Decimal("47.89")
    assert sum(r["sales_value"] for r in loaded if r["basket_id"][0] == "C") == Decimal("-2.55")
    assert [r["user_id"] for r in loaded] == ["17850", "17850", None, None, "17850"]
    assert [r["line_number"] for r in loaded] == [1, 1, 1, 2, 1]


def test_the_newer_export_of_shopify_keeps_its_options(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "products_export.csv"
    path.write_text(
        "URL handle,Title,Vendor,Option1 name,Option1 value,Price\nmug,Mug,Acme,Colour,red,9.00\nmug,,,,blue,9.50\n"
    )
    assert load_file(store, "products", path).system == "shopify"
    [mug] = rows(store, "products")
    assert (mug["title"], mug["attributes"], mug["price"]) == ("Mug", [("colour", "red, blue")], Decimal("9.000"))


def test_a_file_that_was_loaded_is_not_read_again(store: Store, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "r.csv"
    path.write_text("review_id,text\n1,fine\n")
    load_file(store, "reviews", path)
    monkeypatch.setattr("shopbatch.load.loading.inspect", None)
    again = load_file(store, "reviews", path)
    assert again.already and again.columns == {"review_id": "review_id", "text": "text"}
