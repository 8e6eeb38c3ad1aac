"""Writes the merchant's HTML page of `summarise_reviews`, and CSV files with the same numbers, beside the run's report.

The page shows categories, products and aspects, the changes since the window before, customers' wishes, and quoted
sentences as evidence for each number. Personal data in quotes is masked. The CSV files have no quotes; the only
customers' words in them are the names of themes, and each of these words was used in several reviews.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from shopbatch.capabilities.insights.config_summary import SummariseConfig
from shopbatch.capabilities.insights.discovery import Theme, find_themes
from shopbatch.capabilities.insights.page_data import Numbers, Row, begins, read_numbers
from shopbatch.capabilities.insights.page_languages import hardly_read
from shopbatch.capabilities.insights.page_quotes import Quotes
from shopbatch.capabilities.insights.page_words import aspect_name, paragraph
from shopbatch.core.spreadsheet_cells import protect
from shopbatch.runs.report import Figure, Report, run_folder
from shopbatch.runs.templates import template
from shopbatch.tables.product_aspects import EVERY, SATISFACTION
from shopbatch.tables.review_aspects import REMARKS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

PAGE, NUMBERS, SUMMARIES, THEMES = "aspects.html", "aspects.csv", "summaries.csv", "themes.csv"
CATEGORIES, CHANGES, WISHES = 30, 40, 12  # most that the page shows of each
_FILE_COLUMNS = (
    *("level", "name", "title", "aspect", "window", "reviews", "mentions", "negatives", "positives", "share_negative"),
    *("low", "high", "method", "labels", "rating", "apart", "change", "p_value", "alarm"),
)


def write_page(
    store: Store, report: Report, live: Snapshot, sources: Mapping[str, Snapshot], config: SummariseConfig
) -> None:
    """Write the page and the CSV files beside the run's report, and add links and figures to the report.

    Args:
        store: The warehouse.
        report: The report of the run.
        live: The published `product_aspects`.
        sources: Snapshots of `review_aspects`, `reviews` and (if there is one) `products`, by table name.
        config: Settings of the job.
    """
    results, reviews = sources["review_aspects"], sources["reviews"]
    with report.stage("themes") as stage:
        themes = find_themes(results, reviews, config.discovery)
        stage.rows = sum(theme.clauses for theme in themes)
    with report.stage("page") as stage:
        numbers = read_numbers(live, sources.get("products"), config.category)
        folder = run_folder(store.root, report.job, report.run_id)
        files.write_bytes(f"{folder}/{NUMBERS}", numbers_csv(numbers))
        summaries = numbers.summaries(config.page.language)
        files.write_bytes(f"{folder}/{SUMMARIES}", to_csv(("product_id", "title", "summary"), summaries))
        listed = [(t.language, t.name, t.clauses, t.reviews, f"{t.stability:.2f}") for t in themes]
        files.write_bytes(
            f"{folder}/{THEMES}", to_csv(("language", "theme", "clauses", "reviews", "stability"), listed)
        )
        files.write_bytes(f"{folder}/{PAGE}", render(numbers, results, reviews, themes, config, report).encode())
        stage.rows = numbers.rows.height
    report.metrics["themes"] = len(themes)
    report.figures += _figures(numbers, themes, config.page.language)
    report.links |= {
        "The page for the merchant": PAGE,
        "All numbers as a CSV file": NUMBERS,
        "A summary of each product as a CSV file": SUMMARIES,
        "Themes outside the taxonomy as a CSV file": THEMES,
    }


def to_csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as CSV for Excel: UTF-8 with a byte order mark, and no text cell that is taken for a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([protect(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def numbers_csv(numbers: Numbers) -> bytes:
    """Return a CSV file with the rows of `product_aspects` that `Numbers.rows` holds.

    These are the rows about all reviews (window `all`), about the newest time window, and about the window before it.
    """
    titles = pl.col("name").replace_strict(numbers.titles, default=None, return_dtype=pl.String)
    title = pl.when(pl.col("level") == "product").then(titles).alias("title")
    rows = numbers.rows.with_columns(title).select(_FILE_COLUMNS).sort("level", "name", "aspect", "window")
    short = [pl.col(c).round(4) for c in ("share_negative", "low", "high", "rating", "change")]
    return to_csv(_FILE_COLUMNS, rows.with_columns(short).iter_rows())


def render(
    numbers: Numbers,
    results: Snapshot,
    reviews: Snapshot,
    themes: Sequence[Theme],
    config: SummariseConfig,
    report: Report,
) -> str:
    """Return the page as HTML.

    Args:
        numbers: The rows of `product_aspects` to show.
        results: The table `review_aspects`.
        reviews: The table `reviews`, for the quotes.
        themes: Themes outside the taxonomy.
        config: Settings of the job.
        report: The report of the run.
    """
    view = _View(numbers, results, reviews, config)
    language = config.page.language
    return template("capabilities/insights/page.html.j2").render(
        run={"run_id": report.run_id, "started": report.started_at},
        shop=view.block("all", ""),
        trend=numbers.trend,
        newest=numbers.newest,
        worse=view.listed(view.worse),
        better=view.listed(view.better),
        compared=numbers.compared,
        compared_now=numbers.compared_now,
        unread=hardly_read(results),
        rate=config.false_discoveries,
        categories=[view.block("category", name) for name in view.categories],
        products=[view.product(name, language) for name in view.products],
        every_product=numbers.rows.filter(pl.col("level") == "product")["name"].n_unique(),
        wished=view.listed(view.wished),
        themes=themes,
        left_out=report.metrics.get("reviews", {}),
        usual=numbers.usual(),
        aspect=lambda name: aspect_name(name, language),
        files={"All numbers (CSV)": NUMBERS, "Summaries (CSV)": SUMMARIES, "Themes (CSV)": THEMES},
    )


class _View:
    """Selects the rows of `product_aspects` that the page shows, and looks up the quotes for each row."""

    def __init__(self, numbers: Numbers, results: Snapshot, reviews: Snapshot, config: SummariseConfig) -> None:
        self.numbers = numbers
        self.worse, self.better = numbers.changes(up=True)[:CHANGES], numbers.changes(up=False)[:CHANGES]
        self.products = numbers.products(config.page.products)
        whole, level = numbers.rows.filter(pl.col("window") == EVERY), pl.col("level")
        sizes = whole.filter((level == "category") & (pl.col("aspect") == SATISFACTION))
        self.categories = [str(c) for c in sizes.sort(-pl.col("reviews"), "name")["name"].head(CATEGORIES)]
        named = pl.col("name")
        self.chosen = whole.filter(
            (level == "all")
            | ((level == "category") & named.is_in(self.categories))
            | ((level == "product") & named.is_in(self.products))
        )
        wished = whole.filter((level == "product") & pl.col("aspect").is_in(list(REMARKS)))
        self.wished = wished.sort(-pl.col("mentions"), "name", "aspect").head(WISHES).to_dicts()
        shown = [*self.chosen.to_dicts(), *self.worse, *self.better, *self.wished]
        self.quotes = Quotes(reviews, results, (review for row in shown for review in (*row["quotes"], *row["praise"])))

    def block(self, level: str, name: str) -> dict[str, Any]:
        """Return the rows of one product, one category or the whole shop, for the page's template.

        Args:
            level: product, category or all.
            name: The product's id or the category; "" for all.

        Returns:
            `total` (the row of the aspect `satisfaction`, which is about the reviews as a whole), `rows` (the rows of
            all other aspects, most negative mentions first), `remarks` (the rows of wishes, comparisons and uses), and
            `label` (the title).
        """
        rows = self.chosen.filter((pl.col("level") == level) & (pl.col("name") == name))
        listed = [self._open(row) for row in rows.sort(-pl.col("negatives"), "aspect").to_dicts()]
        total = next(row for row in listed if row["aspect"] == SATISFACTION)
        return {
            "total": total,
            "rows": [row for row in listed if row["aspect"] not in (SATISFACTION, *REMARKS)],
            "remarks": [row for row in listed if row["aspect"] in REMARKS],
            "label": self.numbers.label(total),
        }

    def product(self, name: str, language: str) -> dict[str, Any]:
        """Return the block of a product (see `block`) with the further keys `summary`, `category` and `usual`.

        `usual` is the share of negative mentions of each aspect in the product's category, or in the whole shop if the
        product has no category.

        Args:
            name: The product's id.
            language: Language of the summary, en or zh.
        """
        numbers, category = self.numbers, self.numbers.categories.get(name)
        block = self.block("product", name)
        recent = numbers.rows.filter((pl.col("level") == "product") & (pl.col("name") == name) & begins(numbers.newest))
        rows = [*numbers.whole("product", name), *recent.to_dicts()]
        said = {"summary": paragraph(block["label"], rows, language), "category": category}
        return block | said | {"usual": numbers.usual(category)}

    def listed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows with their quotes, and with the title of the product or category as `label`."""
        return [self._open(row) | {"label": self.numbers.label(row)} for row in rows]

    def _open(self, row: Row) -> Row:
        """Return the row with its negative quotes as `bad` and its positive ones as `good`."""
        return row | {"bad": self.quotes.of(row), "good": self.quotes.of(row, praise=True)}


def _figures(numbers: Numbers, themes: Sequence[Theme], language: str) -> list[Figure]:
    """Return the figures of the run's report: a bar chart of mentions by aspect, and a table of themes.

    Args:
        numbers: The rows of `product_aspects` to count.
        themes: Themes outside the taxonomy.
        language: Language of the aspects' names, en or zh.
    """
    rows = [r for r in numbers.whole("all") if r["aspect"] not in (SATISFACTION, *REMARKS)]
    rows.sort(key=lambda r: (-r["mentions"], r["aspect"]))
    figures = []
    if rows:
        series = {
            "negative": [r["negatives"] for r in rows],
            "neutral": [r["mentions"] - r["negatives"] - r["positives"] for r in rows],
            "positive": [r["positives"] for r in rows],
        }
        names = [f"{aspect_name(r['aspect'], language)} · {r['mentions']:,}" for r in rows]
        figures.append(Figure("bars", "What reviews say about each aspect", {"groups": names, "series": series}))
    if themes:
        cells = [[t.language, t.name, t.clauses, f"{t.stability:.2f}"] for t in themes[:20]]
        columns = ["language", "theme", "clauses", "stability"]
        figures.append(Figure("table", "Themes outside the taxonomy", {"columns": columns, "rows": cells}))
    return figures
