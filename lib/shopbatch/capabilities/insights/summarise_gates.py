"""What is known of the reviews before they are counted, and the gates that judge the counts against it."""

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
    """What one pass over review_aspects tells, without Spark: the numbers that the counts must add up to.

    Attributes:
        reviews: Rows.
        mentions: Entries of all lists of aspects.
        recipes: The recipes of the rows, with the rows of each.
        days: Rows by day; None: without a date.
        reserved: Aspects that are named like something else.
        no_product: Rows without a product.
    """

    reviews: int
    mentions: int
    recipes: dict[str, int]
    days: dict[date | None, int]
    reserved: tuple[str, ...]
    no_product: int

    @property
    def recipe(self) -> str:
        """The recipe with most rows; empty if there are none."""
        return max(self.recipes, key=lambda name: (self.recipes[name], name), default="")

    @property
    def newest(self) -> date | None:
        """The newest day."""
        return max((day for day in self.days if day is not None), default=None)

    def outside(self, windows: Calendar | None) -> dict[str, int]:
        """Count the reviews that are in no window, by reason, and those without a product."""
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
    """Read the facts of review_aspects in one streaming pass each."""
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
    """Judge the sources (uris is None) or the files just written.

    Args:
        facts: What the sources say.
        uris: The candidate's files.
        published: Its rows.
        live: Rows that are live.
        rows: `gates.rows`.
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
    """Numbers of two recipes cannot be compared: a change of the model would pass for one of the products."""
    passed = len(facts.recipes) <= 1
    mixed = ", ".join(f"{name} ({rows:,} rows)" for name, rows in sorted(facts.recipes.items())[:5])
    what = f"review_aspects holds rows of {len(facts.recipes)} recipes: {mixed}"
    why = "a change of the model would look like a change of the products"
    do = "run analyse_reviews without limit= until it computes all rows, then run this again"
    return Gate("one recipe", len(facts.recipes), 1, passed, explain(passed, what, why, do))


def _names(facts: Facts) -> Gate:
    passed = not facts.reserved
    what = f"an aspect of the taxonomy is called {', '.join(facts.reserved)}"
    why = "product_aspects has rows of that name which mean something else"
    do = "rename the aspect in the taxonomy, and run analyse_reviews"
    return Gate("names of aspects", len(facts.reserved), 0, passed, explain(passed, what, why, do))


def _defect(name: str, difference: int, what: str) -> Gate:
    """A gate that only a defect of the job can fail."""
    passed = difference == 0
    return Gate(name, difference, 0, passed, explain(passed, what, "the page would show wrong numbers", DEFECT))
