"""The numbers that the page shows, read from the published table: nothing is computed that is not in it."""

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

GROUPS = ("product_type", "category", "department", "division")  # from fine to large
_TITLES = ("title", "product_type", "category", "department")
Row = dict[str, Any]


def begins(day: date | None) -> pl.Expr:
    """Whether a row is of the window that begins on a day; no row is if there is no such window."""
    return pl.lit(False) if day is None else pl.col("window_start") == day


@dataclass(frozen=True)
class Numbers:
    """Rows of product_aspects.

    Attributes:
        rows: Those of the window `all`, of the newest window and of the one before.
        trend: Those of the level `all` that are about satisfaction, the oldest window first.
        newest: The first day of the newest window; None: no review has a date.
        titles: The title of each product that has one.
        categories: The category of each product that has one.
        compared: How many comparisons were made in all windows.
    """

    rows: pl.DataFrame
    trend: list[Row]
    newest: date | None
    titles: dict[str, str]
    categories: dict[str, str]
    compared: int

    @property
    def compared_now(self) -> int:
        """How many comparisons of the newest window with the one before were made."""
        return int(self.rows.filter(begins(self.newest))["p_value"].count())

    def usual(self, category: str | None = None) -> dict[str, float]:
        """The share of negative mentions of each aspect in a category; in the whole shop without one."""
        rows = self.whole("all") if category is None else self.whole("category", category)
        return {row["aspect"]: row["share_negative"] for row in rows if row["share_negative"] is not None}

    def whole(self, level: str, name: str | None = None) -> list[Row]:
        """The rows of a level over all reviews, by name and aspect."""
        return self._of((pl.col("level") == level) & (pl.col("window") == EVERY), name)

    def changes(self, up: bool) -> list[Row]:
        """The changes of the newest window that stand out, the greatest first, with the counts of the window before."""
        sign = pl.col("change") > 0 if up else pl.col("change") < 0
        rows = self._of(begins(self.newest) & pl.col("alarm") & sign)
        return sorted(rows, key=lambda r: (-abs(r["change"]), r["level"], r["name"], r["aspect"]))

    def _of(self, where: pl.Expr, name: str | None = None) -> list[Row]:
        rows = self.rows.filter(where if name is None else where & (pl.col("name") == name))
        return rows.sort("name", "aspect").to_dicts()

    def products(self, count: int) -> list[str]:
        """The products with most negative mentions, at most so many."""
        rows = self.rows.filter((pl.col("level") == "product") & (pl.col("window") == EVERY))
        aspects = ~pl.col("aspect").is_in([SATISFACTION, *REMARKS])
        order = rows.group_by("name").agg(
            pl.col("negatives").filter(aspects).sum(), pl.col("reviews").max()
        ).sort(-pl.col("negatives"), -pl.col("reviews"), "name")  # fmt: skip
        return [str(name) for name in order["name"].head(count)]

    def label(self, row: Row) -> str:
        """What a reader calls a product, a category or the shop."""
        if row["level"] == "all":
            return "The whole shop"
        return self.titles.get(row["name"], f"Product {row['name']}") if row["level"] == "product" else str(row["name"])

    def summaries(self, language: str) -> list[tuple[str, str, str]]:
        """Product, title and paragraph of each product, by name."""
        rows = self.rows.filter(pl.col("level") == "product")
        rows = rows.filter((pl.col("window") == EVERY) | begins(self.newest))
        out = []
        for (name,), part in rows.sort("name", "aspect", "window").group_by("name", maintain_order=True):
            listed = part.to_dicts()
            title = self.label(listed[0])
            out.append((str(name), title, paragraph(title, listed, language)))
        return out


def read_numbers(live: Snapshot, products: Snapshot | None, category: str) -> Numbers:
    """Read what the page needs of product_aspects, and the titles of `products`.

    Args:
        live: The published table.
        products: The catalogue; None: there is none.
        category: The column of `products` that is the level `category`.
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
    """The first of these columns of `products` that has a value, by product; of several rows the latest counts."""
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
