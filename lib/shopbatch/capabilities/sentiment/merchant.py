"""Write the merchant's page (HTML) and a CSV file: what customers' reviews say of the shop and its products.

`score_reviews` writes both beside the run's report. The page quotes customers with personal data masked; the CSV file
contains no words of customers.
"""

from __future__ import annotations

import io
import math
from typing import Any

import polars as pl

from shopbatch.capabilities.sentiment.head import LABELS
from shopbatch.capabilities.sentiment.products import MIN_REVIEWS, Products, compare_products, count_labels, scan_scores
from shopbatch.core.privacy import mask
from shopbatch.core.spreadsheet_cells import protect
from shopbatch.inference.samples import content_of
from shopbatch.runs.bars import bars
from shopbatch.runs.formats import language
from shopbatch.runs.report import Report, run_folder
from shopbatch.runs.templates import template
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

PAGE, FILE = "merchant.html", "products.csv"
WORST, BEST, CHANGED = 12, 8, 20  # largest numbers of products shown
QUOTES = {"negative": 3, "positive": 1}  # largest number of quotes per product
_CUT, _QUOTE = 4_000, 220  # characters of a review that are read and masked, and that are shown
_COLUMNS = {
    "product_id": "product_id",
    "title": "title",
    "reviews": "reviews",
    "negative": "negative",
    "neutral": "neutral",
    "positive": "positive",
    "share": "negative_share",
    "estimate": "estimated_share",
    "low": "estimate_low",
    "high": "estimate_high",
    "now": "last_month_reviews",
    "now_share": "last_month_negative_share",
    "before": "month_before_reviews",
    "before_share": "month_before_negative_share",
    "change": "change",
    "change_low": "change_low",
    "change_high": "change_high",
    "changed": "changed",
}


def write_merchant_page(store: Store, report: Report) -> None:
    """Write the page and the CSV file beside the run's report, and add links to them to the report.

    Nothing is written if no scores are published yet.

    Args:
        store: The warehouse.
        report: The report of a run of score_reviews, which says which version of `reviews` was scored.
    """
    scores = store.find(REVIEW_SENTIMENT.name)
    if scores is None:  # nothing is published yet
        return
    with report.stage("merchant's page") as stage:
        reviews = store.snapshot(REVIEWS.name, report.tables[REVIEWS.name]["read"])
        products = compare_products(scores, reviews, store.find(PRODUCTS.name))
        folder = run_folder(store.root, report.job, report.run_id)
        files.write_bytes(f"{folder}/{FILE}", to_csv(products))
        files.write_bytes(f"{folder}/{PAGE}", render(scores, reviews, products, report).encode())
        stage.rows = scores.rows
    report.links |= {"The page for the merchant": PAGE, "All products as a CSV file": FILE}


def to_csv(products: Products) -> bytes:
    """Return all products as a CSV file (bytes): UTF-8 with a byte order mark, so that Excel reads it right.

    Cells that a spreadsheet would run as a formula are made harmless.
    """
    shares = [(pl.col(f"{m}_negative") / pl.col(m)).fill_nan(None).alias(f"{m}_share") for m in ("now", "before")]
    title = pl.when(pl.col("product_id").is_null()).then(pl.lit("(without a product)")).otherwise("title")
    texts = {"product_id": pl.col("product_id"), "title": title}
    safe = [text.map_elements(protect, pl.String).alias(name) for name, text in texts.items()]
    changed = pl.when("changed").then(pl.lit("yes")).alias("changed")
    table = products.table.with_columns(*shares, *safe, changed)
    out = io.BytesIO()
    table.select(pl.col(c).alias(name) for c, name in _COLUMNS.items()).write_csv(
        out, include_bom=True, float_precision=4
    )
    return out.getvalue()


def render(scores: Snapshot, reviews: Snapshot, products: Products, report: Report) -> str:
    """Return the merchant's page as HTML.

    It shows the worst and best products with quotes, the products whose share of negative reviews changed, and the
    labels by language.

    Args:
        scores: The table review_sentiment.
        reviews: The version of `reviews` that was scored.
        products: The comparison of the products by `compare_products`.
        report: The run's report; its run id and start are shown.
    """
    listed = products.listed
    worst = listed.filter((pl.col("estimate") > products.usual) & (pl.col("negative") > 0)).head(WORST)
    best = listed.filter(pl.col("estimate") < products.usual)
    best = best.sort("high", "estimate", -pl.col("reviews"), "product_id").head(BEST)
    changed = products.table.filter("changed").sort(-pl.col("change").abs(), "product_id").head(CHANGED)
    quotes = _quotes(scores, reviews, [*worst["product_id"], *best["product_id"]])
    counts = count_labels(scores)
    total = {label: sum(labels[label] for labels in counts.values()) for label in LABELS}
    unnamed = products.table.filter(pl.col("product_id").is_null()).to_dicts()
    return template("capabilities/sentiment/merchant.html.j2").render(
        run={"run_id": report.run_id, "started": report.started_at},
        total=total,
        reviews=sum(total.values()),
        products=products.table.height - len(unnamed),
        listed=listed.height,
        compared=products.table["change"].count(),
        unnamed=unnamed[0] if unnamed else None,
        chart=_chart(counts) if counts else None,
        usual=products.usual,
        scale=_scale([*worst["high"], *best["high"], products.usual]),
        months=products.months,
        source_rows=reviews.rows,
        worst=[row | {"quotes": quotes.get(row["product_id"], [])} for row in worst.to_dicts()],
        best=[row | {"quotes": quotes.get(row["product_id"], [])} for row in best.to_dicts()],
        changed=changed.to_dicts(),
        min_reviews=MIN_REVIEWS,
        file=FILE,
    )


def _scale(ends: list[float]) -> float:
    """Return the share (0 to 1) at which the axis of the page's range charts ends.

    It is the greatest of `ends` (upper ends of the ranges), rounded up to a tenth.
    """
    return min(1.0, math.ceil(10 * max(ends)) / 10)


def _chart(counts: dict[str, dict[str, int]]) -> Any:
    """Draw a bar chart with the number of reviews of each label per language."""
    groups = [f"{language(code)} · {sum(labels.values()):,}" for code, labels in counts.items()]
    series = {label: [labels[label] for labels in counts.values()] for label in LABELS}
    return bars(groups, series, "Reviews by language")


def _quotes(scores: Snapshot, reviews: Snapshot, products: list[str]) -> dict[str, list[dict[str, str]]]:
    """Return the reviews with the most confident labels of each product, as label and masked text, negative ones first.

    Args:
        scores: The table review_sentiment.
        reviews: The version of `reviews` that was scored.
        products: Ids of the products.

    Returns:
        {product id: [{"label", "text"}]}, at most QUOTES of each label; no content occurs twice.
    """
    probability = pl.when(pl.col("label") == "negative").then("p_negative").otherwise("p_positive")
    rows = (
        scan_scores(scores)
        .filter(pl.col("product_id").is_in(products) & pl.col("label").is_in(list(QUOTES)))
        .select("product_id", "label", "review_id", "content_hash", probability.alias("p"))
        .collect(engine="streaming")
        .sort("product_id", "label", -pl.col("p"), "review_id")
        .unique(["product_id", "content_hash"], keep="first", maintain_order=True)  # no quote twice
    )
    place = pl.int_range(pl.len()).over("product_id", "label")
    rows = rows.filter(place < pl.col("label").replace_strict(QUOTES, return_dtype=pl.Int64))
    content = content_of(reviews, "review_id", ("title", "text"), rows)
    both = rows.join(content, on=["review_id", "content_hash"], how="inner", maintain_order="left")
    quotes: dict[str, list[dict[str, str]]] = {}
    for row in both.unique("review_id", keep="first", maintain_order=True).iter_rows(named=True):
        text = _quote(row["text"] or row["title"] or "")
        quotes.setdefault(row["product_id"], []).append({"label": row["label"], "text": text})
    return quotes


def _quote(text: str) -> str:
    text = mask(" ".join(text[:_CUT].split()))  # masked before it is cut, since half a number would not be recognised
    return text if len(text) <= _QUOTE else text[:_QUOTE].rstrip() + "…"
