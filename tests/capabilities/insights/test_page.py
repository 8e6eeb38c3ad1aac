"""The page: every number stands in the table, every quote is verbatim in its review, and nothing of it is alive."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from shopbatch.capabilities.insights.page_quotes import shown
from shopbatch.capabilities.insights.page_words import paragraph, percent
from shopbatch.core.privacy import mask
from shopbatch.erasure.wanted import Wanted
from shopbatch.runs.formats import percent as page_percent
from shopbatch.runs.report import Report
from shopbatch.tables import TABLES
from shopbatch.tables.schema import Person
from shopbatch.warehouse.store import Store
from tests.capabilities.insights import shop
from tests.capabilities.insights.test_summarise import PRODUCTS, oracle, published, row_of, several, summarise
from tests.models.canaries import CANARIES, TEXT
from tests.runs.test_page import MALICIOUS, Page, assert_inert


def folder(store: Store, report: Report) -> Path:
    return Path(store.root) / "_runs" / report.job / report.run_id


def html_of(store: Store, report: Report) -> str:
    return (folder(store, report) / "aspects.html").read_text("utf-8")


def file_of(store: Store, report: Report, name: str) -> list[dict[str, str]]:
    data = (folder(store, report) / name).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def inert(html: str) -> None:
    assert_inert(re.sub(r'href="(aspects\.csv|summaries\.csv|themes\.csv|report\.html)"', "", html))


def cells(html: str) -> list[list[str]]:
    """The rows of the tables of aspects as text, without the quotes."""
    plain = re.sub(r"<blockquote.*?</blockquote>", "", html, flags=re.S)
    rows = re.findall(r"<tr>(.*?)</tr>", plain, flags=re.S)
    return [[Page(cell).text for cell in re.findall(r"<td.*?>(.*?)</td>", row, flags=re.S)] for row in rows]


def test_every_number_on_the_page_and_in_the_file_is_that_of_the_sql_oracle(spark: SparkSession, store: Store) -> None:
    shop.fill(store, shop.drawn(7, 400, months=2), PRODUCTS)
    report = summarise(spark, store)
    truth = {tuple(row[:4]): row[4:] for row in oracle(store)}
    listed = file_of(store, report, "aspects.csv")
    assert len(listed) == len([k for k in truth if k[3] in ("all", "2026-05-01", "2026-04-01")])
    for row in listed:
        mentions, negatives, positives, rating, apart, reviews = truth[
            row["level"], row["name"], row["aspect"], row["window"]
        ]
        counted = [int(row[name]) for name in ("mentions", "negatives", "positives", "reviews")]
        assert counted == [mentions, negatives, positives, reviews]
        assert row["rating"] == ("" if rating is None else str(round(rating, 4)))
        assert row["apart"] == ("" if apart is None else str(apart))
    html = html_of(store, report)
    shares = {(r["level"], r["name"], r["aspect"]): r for r in published(store) if r["window"] == "all"}
    places = [("all", ""), *(("category", name) for name in ("Dresses", "Coats"))]
    places += [("product", f"p{n}") for n in range(4)]
    wanted = []
    for (level, name, aspect), row in shares.items():
        if (level, name) in places and aspect in ("fit", "fabric", "delivery"):
            mentions, negatives, positives, *_ = truth[level, name, aspect, "all"]
            share = "too few"
            if row["share_negative"] is not None:
                share = (
                    f"{page_percent(negatives / mentions)} {page_percent(row['low'])} to {page_percent(row['high'])} *"
                )
            wanted.append([aspect, str(mentions), str(negatives), str(positives), share])
    # "Delivery" is the name that the taxonomies that come along give to `delivery`; the others are the shop's own
    rows = [[row[0].replace("Delivery", "delivery"), *row[1:5]] for row in cells(html) if len(row) in (6, 7)]
    shown_rows = [row for row in rows if row[0] in ("fit", "fabric", "delivery")]
    assert sorted(shown_rows) == sorted(wanted) and len(wanted) == 21
    trend = [row for row in cells(html) if re.fullmatch(r"\d{4}-\d\d-01", row[0] if row else "")]
    assert [int(row[1]) for row in trend] == [truth["all", "", "satisfaction", row[0]][5] for row in trend] and trend


def test_every_quote_is_verbatim_in_its_review_and_every_number_opens_three_where_there_are(
    spark: SparkSession, store: Store
) -> None:
    rows = shop.drawn(8, 300)
    shop.fill(store, rows, PRODUCTS)
    html = html_of(store, summarise(spark, store))
    quotes = re.findall(r"<blockquote[^>]*>(.*?)</blockquote>", html, flags=re.S)
    texts = [" ".join(row["text"].split()) for row in rows]
    assert len(quotes) > 30
    for quote in map(lambda q: Page(q).text, set(quotes)):
        assert any(quote.removesuffix("…") in text for text in texts), quote
    # the same words said by many are shown once; different ones are all there
    assert "It runs far too small for me" in html and "尺码偏小，穿不下" in html
    many = several(0, "p0", "2026-05-03", 7, 9)
    for i, row in enumerate(many):
        row["text"] = row["text"].replace("far too small", f"{i} sizes small")
        row["aspects"][0]["end"] = len(row["text"]) - 2
    shop.fill(store, many, PRODUCTS)
    html = html_of(store, summarise(spark, store, gates={"rows": "any"}))
    [details] = re.findall(r"<details><summary>7</summary>(.*?)</details>", html.split("<h2>Products</h2>")[1], re.S)[
        :1
    ]
    assert details.count("<blockquote") == 5


def test_a_review_that_has_changed_since_it_was_analysed_is_not_quoted(spark: SparkSession, store: Store) -> None:
    rows = several(0, "p0", "2026-05-03", 6, 6)
    shop.fill(store, rows, PRODUCTS)
    shop.put(store, "reviews", [{**row, "text": "Something else was written here, and nobody knows"} for row in rows])
    html = html_of(store, summarise(spark, store))
    assert "<blockquote" not in html and "Something else" not in html


def test_no_personal_data_stands_on_the_page_nor_in_the_files(spark: SparkSession, store: Store) -> None:
    rows = several(0, "p0", "2026-05-03", 6, 9)
    for i, row in enumerate(rows):  # inside the clause, and across its end
        clause = f"It runs small, {TEXT}, and so on" if i % 2 else "It runs small, call 138"
        row["text"] = clause + ("" if i % 2 else "12345678 now") + f" number {i}"
        row["aspects"][0] |= {"start": 0, "end": len(clause)}
        row |= {"label": "negative", "other": [{"column": "text", "start": 0, "end": len(row["text"])}]}
    shop.fill(store, rows, PRODUCTS)
    report = summarise(spark, store, discovery={"clauses": 100})
    for path in folder(store, report).iterdir():
        text = path.read_text("utf-8")
        assert not [c for c in (*CANARIES, "call 138") if c in text], path
    html = html_of(store, report)
    assert "my mail is [email], my phone [phone]" in html


def test_a_hostile_name_or_review_does_nothing(spark: SparkSession, store: Store) -> None:
    formula = "=HYPERLINK(1)"
    products = [{"product_id": "p0", "title": MALICIOUS, "category": f"<b>{MALICIOUS}"}]
    products.append({"product_id": formula, "title": formula, "category": "+1"})
    rows = [
        shop.review(f"r{i}", product, ("fit", "negative"), before=f"{MALICIOUS} ", after=MALICIOUS, rating=1, wish=True)
        for i, product in enumerate(["p0"] * 6 + [formula] * 6)
    ]
    for row in rows:
        row["aspects"][0] |= {"start": 0, "end": len(row["text"])}
        row["label"] = "negative"
    shop.fill(store, rows, products)
    report = summarise(spark, store)
    html = html_of(store, report)
    inert(html)
    assert "<script" not in html and "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", html)
    assert {row["title"] for row in file_of(store, report, "summaries.csv")} == {MALICIOUS, f"'{formula}"}
    assert f"'{formula}" in {row["name"] for row in file_of(store, report, "aspects.csv")}


def test_without_dates_products_or_mentions_there_is_a_page_that_says_so(spark: SparkSession, store: Store) -> None:
    shop.fill(store, [shop.review(f"r{i}", None) for i in range(3)])
    html = html_of(store, summarise(spark, store, windows={}))
    text = Page(html).text
    assert "3 reviews." in text and "The reviews have no dates" in text and "0 of 0 products" in text
    assert "3 of 3 reviews are without a date; 3 of 3 reviews are without a product" in text
    inert(html)


def test_a_language_that_is_hardly_read_and_windows_that_cannot_be_compared_are_said(
    spark: SparkSession, store: Store
) -> None:
    said, at = ("fit", "negative"), shop.AT
    english = [shop.review(f"e{i}", "p0", *([said] if i % 3 else []), language="en", created_at=at) for i in range(30)]
    chinese = [shop.review(f"z{i}", "p0", *([said] if i % 2 else []), language="zh", created_at=at) for i in range(10)]
    german = [shop.review(f"d{i}", "p0", *([said] if not i else []), language="de", created_at=at) for i in range(7)]
    few = [shop.review(f"f{i}", "p0", language="fr", created_at=at) for i in range(4)]
    shop.fill(store, [*english, *chinese, *german, *few], PRODUCTS)
    html = html_of(store, summarise(spark, store))
    text = Page(html).text
    assert "6 of 7 reviews in German mention no aspect that the model knows, against 19 of 44 of the other" in text
    assert text.count("mention no aspect that the model knows") == 1, "Chinese is within chance, French too rare"
    assert "There was nothing to compare" in text and "Nothing got worse" not in text
    inert(html)
    shop.fill(store, [*english, *chinese], PRODUCTS)
    assert "hardly read" not in Page(html_of(store, summarise(spark, store, gates={"rows": "any"}))).text
    shop.fill(store, german, PRODUCTS)
    text = Page(html_of(store, summarise(spark, store, gates={"rows": "any"}))).text
    assert "6 of 7 reviews in German mention no aspect that the model knows:" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_number_of_a_summary_stands_in_the_table(spark: SparkSession, store: Store, language: str) -> None:
    rows = several(0, "p0", "2026-05-03", 4, 40) + several(100, "p0", "2026-06-03", 28, 40)
    rows += shop.drawn(9, 200)
    shop.fill(store, [{**row, "review_id": f"r{i}"} for i, row in enumerate(rows)], PRODUCTS)
    report = summarise(spark, store, page={"language": language})
    summaries = {row["product_id"]: row["summary"] for row in file_of(store, report, "summaries.csv")}
    assert set(summaries) == {"p0", "p1", "p2", "p3"}
    table = pl.DataFrame(published(store)).filter(pl.col("level") == "product")
    for product, summary in summaries.items():
        known = {product.removeprefix("p")}
        for row in table.filter(pl.col("name") == product).to_dicts():
            known |= {str(row[n]) for n in ("reviews", "mentions", "negatives", "positives", "apart", "window")}
            known |= {f"{row['rating']:.1f}"} if row["rating"] is not None else set()
            known |= {
                percent(row[n], language)[:-1].strip() for n in ("share_negative", "low", "high") if row[n] is not None
            }
        numbers = re.findall(r"\d{4}-\d\d-\d\d|\d+(?:\.\d+)?", summary.replace("95 %", "").replace("95%", ""))
        assert len(numbers) > 8 and set(numbers) <= known, summary
        assert summary in Page(html_of(store, report)).text
    worse = row_of(store, "product", "p0", "fit", "2026-06-01")
    assert worse["alarm"]
    words = {
        "en": "fit: more negative mentions in the window from 2026-06-01",
        "zh": "fit：自2026-06-01起的时段负面增多",
    }
    assert words[language] in summaries["p0"]


def test_a_summary_without_stars_or_sentiment_leaves_them_out() -> None:
    whole = {"aspect": "satisfaction", "window_start": None, "reviews": 4, "rating": None, "mentions": 0, "apart": None}
    whole |= {"negatives": 0, "positives": 0, "share_negative": None, "low": None, "high": None, "alarm": False}
    assert paragraph("{Coat} {0}", [whole], "en") == "{Coat} {0}: 4 reviews."


def test_a_clause_that_holds_half_a_number_is_not_shown() -> None:
    text = "call 13812345678 now"
    assert shown(text, 0, 8) == "" and shown(text, 0, len(text)) == mask(text) == "call [phone] now"
    assert shown("a" * 500, 0, 500) == "a" * 220 + "…"


def test_the_table_fits_a_terminal_of_80_characters(spark: SparkSession, store: Store, capsys, monkeypatch) -> None:
    from shopbatch.cli.main import main

    shop.fill(store, shop.drawn(10, 80), PRODUCTS)
    summarise(spark, store)
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["show", "product_aspects", "--where", "level=all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(name in lines[0] for name in ("level", "aspect", "window", "share_negative", "mentions"))


def test_whoever_is_erased_is_recognised_in_the_table_and_on_the_page(spark: SparkSession, store: Store) -> None:
    rows = several(0, "p0", "2026-05-03", 6, 6) + several(100, "p1", "2026-05-03", 6, 6)
    shop.fill(store, rows, PRODUCTS)
    report = summarise(spark, store)
    wanted, table = Wanted(reviews={"r00005"}), store.snapshot("product_aspects").read()
    person = TABLES["product_aspects"].person
    assert isinstance(person, Person)
    quoted = ["r00005" in row["quotes"] for row in table.to_pylist()]
    assert any(quoted) and not all(quoted)
    assert wanted.rows(person, table).to_pylist() == quoted
    assert wanted.mentioned(pa.array([html_of(store, report), "p1 r000051"])).to_pylist() == [True, False]
