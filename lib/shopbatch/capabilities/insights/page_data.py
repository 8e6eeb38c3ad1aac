"""Reads the rows of `product_aspects` that the merchant's page of `summarise_reviews` shows; makes no new estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import pyarrow as pa

from shopbatch.capabilities.insights.page_words import paragraph
from shopbatch.tables.product_aspects import EVERY, PRODUCT_ASPECTS, SATISFACTION
from shopbatch.tables.review_aspects import REMARKS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

GROUPS = ("product_type", "category", "department", "division")  # from the smallest grouping to the largest
_TITLES = ("title", "product_type", "category", "department")
Row = dict[str, Any]


def begins(day: date | None) -> pl.Expr:
    """Return a Polars condition: the row's window begins on `day`; always False if `day` is None."""
    return pl.lit(False) if day is None else pl.col("window_start") == day


@dataclass(frozen=True)
class Numbers:
    """The rows of `product_aspects` that the page shows, with titles and categories of the products.

    Attributes:
        rows: Rows about all reviews (window `all`), about the newest time window and about the window before it. Rows
            of the newest window also have counts of the window before: `mentions_before` and `before` (negative
            mentions); these are null in all other rows.
        trend: Rows about the whole shop's reviews as a whole (aspect `satisfaction`), one per window, the oldest first.
        newest: First day of the newest window; None if no review has a date.
        titles: Title of each product that has one.
        categories: Category of each product that has one.
        compared: Number of rows, over all windows, whose share of negative mentions was tested against the window
            before.
    """

    rows: pl.DataFrame
    trend: list[Row]
    newest: date | None
    titles: dict[str, str]
    categories: dict[str, str]
    compared: int

    @property
    def compared_now(self) -> int:
        """Return the number of rows of the newest window that were tested against the window before."""
        return int(self.rows.filter(begins(self.newest))["p_value"].count())

    def usual(self, category: str | None = None) -> dict[str, float]:
        """Return the share of negative mentions (0 to 1) of each aspect, in a category or the whole shop (None).

        Aspects with too few mentions for a share are left out.
        """
        rows = self.whole("all") if category is None else self.whole("category", category)
        return {row["aspect"]: row["share_negative"] for row in rows if row["share_negative"] is not None}

    def whole(self, level: str, name: str | None = None) -> list[Row]:
        """Return the rows about all reviews (window `all`) of products, categories or the shop, by name and aspect.

        Args:
            level: product, category or all (the shop).
            name: Id of one product, or one category; None for every one of the level.
        """
        return self._of((pl.col("level") == level) & (pl.col("window") == EVERY), name)

    def changes(self, up: bool) -> list[Row]:
        """Return the rows of the newest window that have an alarm, the greatest change first.

        A row has an alarm if its share of negative mentions changed, against the window before, by more than chance
        explains. Each row has the counts of the window before as `mentions_before` and `before` (negative mentions).

        Args:
            up: True for shares of negative mentions that rose, False for those that fell.
        """
        sign = pl.col("change") > 0 if up else pl.col("change") < 0
        rows = self._of(begins(self.newest) & pl.col("alarm") & sign)
        return sorted(rows, key=lambda r: (-abs(r["change"]), r["level"], r["name"], r["aspect"]))

    def _of(self, where: pl.Expr, name: str | None = None) -> list[Row]:
        """Return the rows that meet the condition `where` as dicts, sorted by name and aspect.

        Args:
            where: A Polars condition on the columns of `rows`.
            name: Return only the rows of this product or category; None for all.
        """
        rows = self.rows.filter(where if name is None else where & (pl.col("name") == name))
        return rows.sort("name", "aspect").to_dicts()

    def products(self, count: int) -> list[str]:
        """Return the ids of at most `count` products, those with the most negative mentions of aspects first."""
        rows = self.rows.filter((pl.col("level") == "product") & (pl.col("window") == EVERY))
        aspects = ~pl.col("aspect").is_in([SATISFACTION, *REMARKS])
        order = rows.group_by("name").agg(
            pl.col("negatives").filter(aspects).sum(), pl.col("reviews").max()
        ).sort(-pl.col("negatives"), -pl.col("reviews"), "name")  # fmt: skip
        return [str(name) for name in order["name"].head(count)]

    def label(self, row: Row) -> str:
        """Return the title of the product, category or shop that a row is about, for the page.

        It is a product's title ("Product <id>" if it has none), a category's name, or "The whole shop".
        """
        if row["level"] == "all":
            return "The whole shop"
        return self.titles.get(row["name"], f"Product {row['name']}") if row["level"] == "product" else str(row["name"])

    def summaries(self, language: str) -> list[tuple[str, str, str]]:
        """Return (product_id, title, summary) of every product, sorted by id.

        Args:
            language: Language of the summaries, en or zh.
        """
        rows = self.rows.filter(pl.col("level") == "product")
        rows = rows.filter((pl.col("window") == EVERY) | begins(self.newest))
        out = []
        for (name,), part in rows.sort("name", "aspect", "window").group_by("name", maintain_order=True):
            listed = part.to_dicts()
            title = self.label(listed[0])
            out.append((str(name), title, paragraph(title, listed, language)))
        return out


def read_numbers(live: Snapshot, products: Snapshot | None, category: str) -> Numbers:
    """Read the rows of `product_aspects` that the page needs, and the products' titles and categories.

    Args:
        live: The published `product_aspects`.
        products: The catalogue; None if there is none.
        category: The column of `products` by which `summarise_reviews` grouped products.
    """
    uris = [f.uri for f in live.files]
    table = files.scan(uris, PRODUCT_ASPECTS.file_schema())
    newest = table.select(pl.col("window_start").max()).collect().item()
    starts = table.select(pl.col("window_start").unique().sort()).collect()["window_start"].drop_nulls().to_list()
    shown = starts[-2:]
    rows = table.filter((pl.col("window") == EVERY) | pl.col("window_start").is_in(shown)).collect(engine="streaming")
    before = rows.filter(begins(shown[0] if len(shown) == 2 else None)).select(
        "level", "name", "aspect", pl.col("mentions").alias("mentions_before"), pl.col("negatives").alias("before")
    )
    now = begins(newest)
    rows = rows.join(before, on=["level", "name", "aspect"], how="left").with_columns(
        pl.when(now).then(pl.col(name)).alias(name) for name in ("mentions_before", "before")
    )
    trend = (
        table.filter((pl.col("level") == "all") & (pl.col("aspect") == SATISFACTION) & (pl.col("window") != EVERY))
        .sort("window_start")
        .collect()
    )
    groups = GROUPS[GROUPS.index(category) :]
    names, kinds = _named(products, rows, _TITLES), _named(products, rows, groups)
    compared = int(table.select(pl.col("p_value").count()).collect().item())
    return Numbers(rows, trend.to_dicts(), newest, names, kinds, compared)


def _named(products: Snapshot | None, rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, str]:
    """Return, for each product, its value in the first of `columns` that is not empty.

    Products without any value are left out; of several rows of one product, the latest is used.
    """
    names = [n for n in columns if products is not None and n in products.schema.names]
    if products is None or not products.files or not names:
        return {}
    latest = [n for n in ("updated_at",) if n in products.schema.names]
    schema = pa.schema([products.schema.field(n) for n in ("product_id", *names, *latest)])
    wanted = rows.filter(pl.col("level") == "product")["name"].unique().sort().to_list()
    listed = files.scan([f.uri for f in products.files], schema).filter(pl.col("product_id").is_in(wanted))
    frame = listed.collect(engine="streaming")
    value = pl.coalesce(pl.col(n).cast(pl.String).str.strip_chars(" ").replace("", None) for n in names)
    frame = frame.with_columns(value.alias("value")).sort([*latest, "value"], nulls_last=False, maintain_order=True)
    newest = frame.group_by("product_id", maintain_order=True).agg(pl.col("value").last())
    return dict(newest.drop_nulls().sort("product_id").iter_rows())
