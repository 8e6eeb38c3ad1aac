"""Reads the totals of `review_aspects`, and makes the gates of `summarise_reviews` from them.

`read_facts` reads the totals before anything is counted. `judge` makes the gates, some of which compare the new counts
with the totals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import polars as pl

from shopbatch.capabilities.insights.windows import Calendar
from shopbatch.tables.product_aspects import EVERY, SATISFACTION
from shopbatch.tables.review_aspects import REMARKS
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import DEFECT, Gate, explain, shrinking
from shopbatch.warehouse.store import Snapshot

RESERVED = (SATISFACTION, *REMARKS)


@dataclass(frozen=True)
class Facts:
    """Totals of `review_aspects`, read without Spark; the counts of `summarise_reviews` must add up to them.

    Attributes:
        reviews: Number of rows (one per review).
        mentions: Number of aspects mentioned, summed over all reviews.
        recipes: Number of rows by recipe.
        days: Number of rows by day of the review; None: rows without a date.
        reserved: Aspects found in the data that have a name which `product_aspects` uses for something else
            (satisfaction, or a kind of remark).
        no_product: Number of rows without a product.
    """

    reviews: int
    mentions: int
    recipes: dict[str, int]
    days: dict[date | None, int]
    reserved: tuple[str, ...]
    no_product: int

    @property
    def recipe(self) -> str:
        """Return the recipe with the most rows; "" if there are no rows."""
        return max(self.recipes, key=lambda name: (self.recipes[name], name), default="")

    @property
    def newest(self) -> date | None:
        """Return the day of the newest review; None if no review has a date."""
        return max((day for day in self.days if day is not None), default=None)

    def outside(self, windows: Calendar | None) -> dict[str, int]:
        """Return the number of reviews outside all windows, by reason, and of reviews without a product.

        Args:
            windows: The time windows; None: every review with a date counts as before the first window.
        """
        out = {"without a date": 0, "after the last window": 0, "before the first window": 0}
        for day, rows in self.days.items():
            if day is None:
                out["without a date"] += rows
            elif windows is not None and day >= windows.as_of:
                out["after the last window"] += rows
            elif windows is None or day < windows.starts[0]:
                out["before the first window"] += rows
        return out | {"without a product": self.no_product}


def read_facts(reviews: Snapshot) -> Facts:
    """Read the totals of a snapshot of `review_aspects` with Polars in streaming mode."""
    if not reviews.files:
        return Facts(0, 0, {}, {}, (), 0)
    scan = files.scan([f.uri for f in reviews.files], reviews.schema)
    names = pl.col("aspects").list.eval(pl.element().struct.field("aspect"))
    parts: list[Any] = pl.collect_all(
        [
            scan.select(
                pl.len().alias("reviews"),
                pl.col("aspects").list.len().sum().cast(pl.Int64).alias("mentions"),
                pl.col("product_id").null_count().alias("no_product"),
                *(names.list.contains(name).any().alias(f"has {name}") for name in RESERVED),
            ),
            scan.group_by("recipe").len(),
            scan.group_by(pl.col("created_at").dt.date().alias("day")).len(),
        ],
        engine="streaming",
    )
    whole = parts[0].row(0, named=True)
    reserved = tuple(name for name in RESERVED if whole[f"has {name}"])
    recipes, days = (dict(part.iter_rows()) for part in parts[1:])
    return Facts(whole["reviews"], whole["mentions"], recipes, days, reserved, whole["no_product"])


def judge(
    facts: Facts, uris: Sequence[str] | None, published: int, live: int, rows: float | Literal["any"]
) -> list[Gate]:
    """Return the gates of `summarise_reviews`: for the sources alone, or for the files just written.

    Args:
        facts: Totals of the sources.
        uris: Files of the new table, not yet committed; None to judge the sources before anything is counted.
        published: Number of rows in these files.
        live: Number of rows in the published version; 0 if there is none.
        rows: Least number of rows as a share of `live`; "any" switches this gate off (setting `gates.rows`).
    """
    gates = [_recipes(facts), _names(facts)]
    if uris is None:
        if not facts.reviews:
            gates.append(shrinking(rows, "review_aspects", 0, 0, live))
        return gates
    table = files.scan(uris).filter((pl.col("level") == "all") & (pl.col("window") == EVERY))
    counted = table.select(
        pl.col("mentions").filter(~pl.col("aspect").is_in(list(RESERVED))).sum().alias("mentions"),
        pl.col("reviews").filter(pl.col("aspect") == SATISFACTION).sum().alias("reviews"),
    ).collect()
    mentions, reviews = counted["mentions"][0], counted["reviews"][0]
    twice = files.duplicate_keys(uris, ["level", "name", "aspect", "window"])
    lost = f"{facts.mentions:,} mentions in {facts.reviews:,} reviews became {mentions:,} in {reviews:,}"
    return [
        *gates,
        shrinking(rows, "review_aspects", facts.reviews, published, live),
        _defect("one row per key", twice, f"{twice:,} rows repeat the key of another row"),
        _defect("every mention is accounted for", abs(facts.mentions - mentions) + abs(facts.reviews - reviews), lost),
    ]


def _recipes(facts: Facts) -> Gate:
    """Return the gate that requires all rows of `review_aspects` to have one recipe.

    With two recipes, a change of the model would look like a change of the products.
    """
    passed = len(facts.recipes) <= 1
    mixed = ", ".join(f"{name} ({rows:,} rows)" for name, rows in sorted(facts.recipes.items())[:5])
    what = f"review_aspects holds rows of {len(facts.recipes)} recipes: {mixed}"
    why = "a change of the model would look like a change of the products"
    do = "run analyse_reviews without limit= until it computes all rows, then run this again"
    return Gate("one recipe", len(facts.recipes), 1, passed, explain(passed, what, why, do))


def _names(facts: Facts) -> Gate:
    """Return the gate that refuses aspects named like the reserved rows of `product_aspects`."""
    passed = not facts.reserved
    what = f"an aspect of the taxonomy is called {', '.join(facts.reserved)}"
    why = "product_aspects has rows of that name which mean something else"
    do = "rename the aspect in the taxonomy, and run analyse_reviews"
    return Gate("names of aspects", len(facts.reserved), 0, passed, explain(passed, what, why, do))


def _defect(name: str, difference: int, what: str) -> Gate:
    """Return a gate that fails if `difference` is not 0, which only a defect of the job can cause."""
    passed = difference == 0
    return Gate(name, difference, 0, passed, explain(passed, what, "the page would show wrong numbers", DEFECT))
