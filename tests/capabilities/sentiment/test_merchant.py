"""The merchant's page and its CSV file: few reviews do not lead, chance is no change, and customers' text is inert."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.merchant import to_csv, write_merchant_page
from shopbatch.capabilities.sentiment.products import Products, compare_products
from shopbatch.core.hashing import hash128, hex128
from shopbatch.runs.report import Report
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.warehouse.store import Store
from tests.inference import toy
from tests.runs.test_page import Page, assert_inert

NEWEST = datetime(2026, 6, 30, 15, tzinfo=UTC)
NOW, BEFORE = NEWEST - timedelta(days=5), NEWEST - timedelta(days=40)


def review(
    product: str | None, label: str, text: str = "as expected", p: float = 0.8, at: datetime | None = None, **more: Any
) -> dict[str, Any]:
    return {"product_id": product, "label": label, "text": text, "p": p, "created_at": at, "language": "en", **more}


def several(product: str, negative: int, rows: int, at: datetime | None = None) -> list[dict[str, Any]]:
    return [review(product, "negative" if i < negative else "positive", at=at) for i in range(rows)]


def publish(store: Store, rows: Iterable[dict[str, Any]], titles: dict[str, str | None] | None = None) -> Report:
    """Fill reviews, review_sentiment and (with titles) products; return a report of a run on them."""
    rows = [{"review_id": f"r{i:05d}", **row} for i, row in enumerate(rows)]
    source = toy.reviews([{k: v for k, v in row.items() if k not in ("label", "p")} for row in rows])
    version = toy.put(store, source)
    hashes = hex128(*hash128([source["title"], source["text"]])).to_pylist()
    scored = {name: [row[name] for row in rows] for name in ("review_id", "product_id", "language", "label")}
    for label in ("negative", "neutral", "positive"):
        scored[f"p_{label}"] = [row["p"] if row["label"] == label else (1 - row["p"]) / 2 for row in rows]
    constant = {"recipe": "r", "scored_at": NEWEST, "run_id": "run", "answered_by": None}
    columns = scored | {"content_hash": hashes} | {name: [value] * len(rows) for name, value in constant.items()}
    put(store, REVIEW_SENTIMENT, columns)
    if titles is not None:
        empty = {c.name: [None] * len(titles) for c in PRODUCTS.columns}
        put(store, PRODUCTS, empty | {"product_id": list(titles), "title": list(titles.values())})
    report = Report("score_reviews", "run-1", started_at="2026-07-01T00:00:00+00:00")
    report.tables["reviews"] = {"read": version}
    return report


def put(store: Store, table: Any, columns: dict[str, list[Any]]) -> None:
    data = pa.table({c.name: pa.array(columns[c.name], c.type) for c in table.columns}, table.file_schema())
    store.commit(table, [store.write_file(table, data, f"run-{table.name}", 0)], "replace", "run")


def compare(store: Store) -> Products:
    return compare_products(store.snapshot("review_sentiment"), store.snapshot("reviews"), store.find("products"))


def page_of(store: Store, report: Report) -> tuple[str, list[dict[str, str]]]:
    """The page and the rows of the CSV file."""
    write_merchant_page(store, report)
    folder = Path(store.root) / "_runs" / report.job / report.run_id
    text = (folder / "products.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    assert set(report.links.values()) == {"merchant.html", "products.csv"}
    return (folder / "merchant.html").read_text("utf-8"), list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))


def test_three_bad_reviews_do_not_lead(store: Store) -> None:
    draw = np.random.default_rng(1)
    usual = [row for i in range(80) for row in several(f"p{i}", int(draw.binomial(30, 0.1)), 30)]
    report = publish(store, [*usual, *several("few", 3, 3), *several("many", 60, 100), *several("good", 0, 200)])
    html, rows = page_of(store, report)
    assert rows[0]["product_id"] == "many" and rows[0]["negative_share"] == "0.6000"
    few = next(row for row in rows if row["product_id"] == "few")
    assert few["negative_share"] == "1.0000" and float(few["estimated_share"]) < float(rows[0]["estimated_share"])
    text = Page(html).text
    assert "1. Product many 60 of 100 reviews are negative (60 %)" in text and "clearly above the usual share" in text
    assert "Product few" not in text and "82 of 83" in text  # three reviews are not evidence to show
    assert "1. Product good 200 of 200 reviews are positive, 0 negative." in text


def test_the_page_counts_quotes_and_masks(store: Store) -> None:
    rows = [
        review("p1", "negative", "坏了 call 13812345678", 0.7, language="zh"),
        review("p1", "negative", "worst of all", 0.95),
        review("p1", "negative", "worst of all", 0.95),
        review("p1", "negative", "second worst", 0.9),
        review("p1", "negative", "least certain", 0.5),
        review("p1", "positive", "lovely", 0.6),
        review("p1", "neutral", "so so", 0.99),
        *several("p2", 0, 14),
        *(review(None, "negative") for _ in range(4)),
    ]
    html, table = page_of(store, publish(store, rows, {"p1": "台灯 <script>alert(1)</script>", "p2": None}))
    assert_inert(html.replace('href="products.csv"', "").replace('href="report.html"', ""))
    text = Page(html).text
    assert "Of 25 reviews, 36 % are negative, 4.0 % neutral and 60 % positive. They are reviews of 2 products." in text
    assert "1. 台灯 <script>alert(1)</script> p1 5 of 7 reviews are negative (71 %)." in text
    assert "worst of all second worst 坏了 call [phone] lovely" in text  # three different ones, most certain first
    assert "least certain" not in text and "so so" not in text and "13812345678" not in html
    assert "English · 24" in text and "Chinese · 1 " in text
    assert "4 reviews name no product. 100 % of them are negative." in text
    assert "The reviews have no dates" in text
    assert [(row["product_id"], row["title"], row["reviews"]) for row in table] == [
        ("p1", "台灯 <script>alert(1)</script>", "7"),
        ("p2", "", "14"),
        ("", "(without a product)", "4"),
    ]


def test_a_spreadsheet_runs_nothing_of_the_file(store: Store) -> None:
    cells = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", 'plain, "quoted"\nline', "a=b"]
    report = publish(store, [review(cell, "negative") for cell in cells], {cell: cell for cell in cells})
    _, rows = page_of(store, report)
    written = {row["product_id"] for row in rows}
    assert written == {"'" + cell for cell in cells[:7]} | set(cells[7:])
    assert {row["title"] for row in rows} == {"'" + cell.strip() for cell in cells[:7]} | set(cells[7:])


def test_the_month_before_is_compared_and_only_a_real_change_is_flagged(store: Store) -> None:
    rows = several("worse", 4, 40, BEFORE) + several("worse", 28, 40, NOW) + several("same", 4, 40, BEFORE)
    rows += several("same", 6, 40, NOW) + several("few", 0, 4, BEFORE) + several("few", 4, 4, NOW)
    rows += several("old", 9, 9, NEWEST - timedelta(days=70)) + several("old", 0, 9, NOW)
    rows += several("today", 9, 9, NEWEST) + several("today", 0, 9, BEFORE) + several("undated", 1, 5)
    html, table = page_of(store, publish(store, rows))
    by_id = {row["product_id"]: row for row in table}
    assert [key for key, row in by_id.items() if row["changed"]] == ["worse"]
    assert float(by_id["worse"]["change"]) == pytest.approx(0.6)
    assert by_id["worse"]["last_month_negative_share"] == "0.7000"
    assert float(by_id["same"]["change_low"]) < 0 < float(by_id["same"]["change_high"])
    assert by_id["few"]["change"] == "" and by_id["few"]["last_month_reviews"] == "4"
    assert (by_id["old"]["month_before_reviews"], by_id["today"]["last_month_reviews"]) == ("0", "0")
    text = Page(html).text
    assert "more negative: +60 points" in text and "2 products have at least 5 reviews in both months" in text
    assert "5 of 209 have no date" in text


def test_a_thousand_products_that_do_not_change_are_not_flagged(store: Store) -> None:
    draw = np.random.default_rng(7)
    rows = [review("newest", "positive", at=NEWEST)]
    for i in range(1000):
        share = float(draw.beta(2, 10))
        rows += [row for at in (BEFORE, NOW) for row in several(f"p{i}", int(draw.binomial(12, share)), 12, at)]
    publish(store, rows)
    table = compare(store).table
    assert table["change"].count() == 1000 and table["changed"].sum() == 0
    assert table["change"].abs().max() > 0.4  # chance alone looks like this


def test_the_same_tables_make_the_same_files(store: Store, tmp_path: Path) -> None:
    rows = [
        {"review_id": f"r{i}", **review(f"p{i % 9}", ("negative", "positive")[i % 2], f"text {i}", 0.8, NOW)}
        for i in range(200)
    ]
    other = Store(str(tmp_path / "other"))
    files = [page_of(one, publish(one, order)) for one, order in ((store, rows), (other, rows[::-1]))]
    assert files[0] == files[1]
    assert page_of(store, publish(store, rows)) == files[0]


def test_of_rows_with_one_key_the_scored_text_is_quoted_and_the_latest_date_counts(store: Store) -> None:
    rows = several("p1", 6, 6, NOW) + several("p1", 0, 6, BEFORE) + several("p2", 0, 30, NEWEST)
    report = publish(store, rows)
    earlier = {"review_id": "r00000", "product_id": "p1", "text": "an older version", "created_at": BEFORE}
    source = store.snapshot("reviews").read()
    report.tables["reviews"] = {"read": toy.put(store, [earlier], source)}
    html, table = page_of(store, report)
    assert "an older version" not in html
    assert [(r["last_month_reviews"], r["month_before_reviews"]) for r in table if r["product_id"] == "p1"] == [
        ("6", "6")
    ]


def test_nothing_scored_still_makes_a_page_and_nothing_published_makes_none(store: Store) -> None:
    report = publish(store, [])
    html, table = page_of(store, report)
    assert "There are no reviews with a result yet." in html and table == []
    other = Report("score_reviews", "run-2")
    write_merchant_page(Store(store.root + "-empty"), other)
    assert other.links == {}


def test_the_file_holds_what_the_tables_say(store: Store) -> None:
    draw = np.random.default_rng(3)
    labels = draw.choice(["negative", "neutral", "positive"], 3000, p=[0.2, 0.1, 0.7])
    names = draw.zipf(1.6, 3000) % 60
    publish(store, [review(f"p{n}", str(label)) for n, label in zip(names, labels, strict=True)])
    scores = pl.read_delta(store.uri("review_sentiment"))
    want = scores.group_by("product_id").agg(pl.len(), *((pl.col("label") == x).sum().alias(x) for x in set(labels)))
    table = pl.read_csv(to_csv(compare(store)))
    both = table.join(want, on="product_id", suffix=" (want)")
    assert both.height == table.height == want.height
    for name in ("negative", "neutral", "positive"):
        assert both[name].to_list() == both[f"{name} (want)"].to_list()
    assert both["reviews"].to_list() == both["len"].to_list()
    assert table["estimate_low"].is_sorted(descending=True)
    assert table.select((pl.col("estimate_low") < pl.col("estimated_share")).all()).item()
