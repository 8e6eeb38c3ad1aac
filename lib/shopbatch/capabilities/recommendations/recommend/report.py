"""Fill the report of `recommend_products`: figures about the published lists, and a few lists without user ids."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import polars as pl

from shopbatch.capabilities.recommendations.recommend.exposure import Shown, shown
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.recommendations import RECOMMENDATIONS
from shopbatch.warehouse.rows import Query, read_table
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_TOP = (0.001, 0.01, 0.1)  # shares of the products that count as "most shown"
_USERS, _ITEMS = 4, 5  # users, and places of each list, in the table of examples


def add_figures(store: Store, report: Report, products: int) -> None:
    """Add metrics and figures about the live lists to the report: sources, exposure, and a few lists.

    Args:
        store: The warehouse.
        report: The report to fill.
        products: Number of products that the model knows.
    """
    table = store.snapshot(RECOMMENDATIONS.name)
    names = sorted({f.partition["list"] or "" for f in table.files})
    parts = {name: table.part({"list": name}) for name in names}
    counted = {name: shown([f.uri for f in part.files]) for name, part in parts.items()}
    report.metrics["lists"] = {name: _numbers(each, products) for name, each in counted.items()}
    users = max((each.lists for each in counted.values()), default=0)
    report.highlights = {"users": f"{users:,}", "lists": f"{sum(each.lists for each in counted.values()):,}"}
    report.figures += [_sources(counted), _exposure(counted, products), _some_lists(parts)]


def _numbers(each: Shown, products: int) -> dict[str, Any]:
    places = int(each.products.sum())
    return {
        "lists": each.lists,
        "empty": each.empty,
        "products per list": round(places / max(1, each.lists), 3),
        "kinds": _shares(each, 0),
        "sources": _shares(each, 1),
        "products shown": len(each.products),
        "coverage": round(len(each.products) / max(1, products), 5),
        "gini": round(each.gini(products), 5) if places else None,
        "places of the top": {f"{share:g}": round(each.share_of_top(share, products), 5) for share in _TOP},
    }


def _shares(each: Shown, part: int) -> dict[str, float]:
    """Return the share (0..1) of the listed products that have each kind, or each source, by its name.

    Args:
        each: Counts of the products in one sort of list, such as `discover`.
        part: 0 to group the listed products by kind, 1 by source.
    """
    counts: dict[str, int] = {}
    for names, number in each.places.items():
        counts[names[part]] = counts.get(names[part], 0) + number
    return {name: round(number / max(1, sum(counts.values())), 5) for name, number in sorted(counts.items())}


def _sources(counted: Mapping[str, Shown]) -> Figure:
    cells = sorted({cell for each in counted.values() for cell in each.places})
    series = {
        f"{kind}, {source}": [each.places.get((kind, source), 0) for each in counted.values()] for kind, source in cells
    }
    caption = "Places of the lists by kind of product and by the part of the model that its score comes from."
    return Figure("bars", "What the lists hold", {"groups": list(counted), "series": series}, caption)


def _exposure(counted: Mapping[str, Shown], products: int) -> Figure:
    """Return a bar chart: how much of all lists the most shown 0.1 %, 1 %, 10 % and the rest of the products fill."""
    edges = (0.0, *_TOP, 1.0)
    series = {}
    for low, high in pairwise(edges):
        name = f"top {high:.1%}" if not low else f"next, to {high:.1%}"
        series[name] = [
            round(
                (each.share_of_top(high, products) - (each.share_of_top(low, products) if low else 0))
                * each.products.sum()
            )
            for each in counted.values()
        ]
    caption = f"Places by how often a product is shown, of {products:,} products that the model knows."
    return Figure("bars", "Exposure", {"groups": list(counted), "series": series}, caption)


def _some_lists(parts: Mapping[str, Snapshot]) -> Figure:
    """Return a table of the first places of a few users' lists; the users appear as "user 1", "user 2", ..."""
    rows: list[list[Any]] = []
    numbers: dict[str, int] = {}
    for name, part in parts.items():
        for row in pl.DataFrame(read_table(part, Query(_USERS))).sort("user_id").iter_rows(named=True):
            number = numbers.setdefault(row["user_id"], len(numbers) + 1)
            for place, item in enumerate(row["items"][:_ITEMS], 1):
                reason = item["reason"] or ""
                rows.append([f"user {number}", name, place, item["product_id"], item["kind"], item["source"], reason])
    rows.sort(key=lambda row: (row[0], row[1], row[2]))
    columns = ["user", "list", "place", "product", "kind", "source", "reason"]
    return Figure("table", "Some lists", {"columns": columns, "rows": rows}, "The first places, with their reasons.")
