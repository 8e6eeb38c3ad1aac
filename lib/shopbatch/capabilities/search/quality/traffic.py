"""Counts in `events` the searches that led to no result or to no click, for the report of `evaluate_search`.

A search that found nothing has null in `results_shown`, and so has every search of a shop that does not record results.
Searches are therefore only reported if some search has a list of results. A click is a view of a product that names the
query, in the same session (or by the same user if the session is unknown). Nothing is learnt from clicks here.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from shopbatch.warehouse import files
from shopbatch.warehouse.snapshot import Snapshot

FEWEST = 3  # least visits of a listed query: a rarer one may reveal who typed it
_COLUMNS = ("event_type", "query", "results_shown", "session_id", "user_id")


@dataclass(frozen=True)
class Unanswered:
    """Counts of the searches that led to nothing.

    Attributes:
        searches: Number of all searches.
        with_result: Number of searches that showed products; if it is 0, the events do not record results, and the
            fields below are 0 or empty.
        without_result: Number of searches that showed no product.
        without_click: Number of searches that showed products and led to no click.
        most_without_result: The queries with most searches without result: (query, number of these searches, their
            share of all searches for the query).
        most_without_click: The queries with most searches without click, in the same form.
    """

    searches: int
    with_result: int
    without_result: int
    without_click: int
    most_without_result: list[tuple[str, int, float]]
    most_without_click: list[tuple[str, int, float]]


def unanswered(events: Snapshot, most: int) -> Unanswered:
    """Count the searches without result and without click.

    Args:
        events: A snapshot of `events`.
        most: Number of queries in each list, at most.
    """
    rows = files.scan([file.uri for file in events.files], events.schema).select(_COLUMNS)
    text = pl.col("query").str.strip_chars().str.to_lowercase()
    visit = pl.coalesce("session_id", "user_id")
    rows = rows.filter(pl.col("query").is_not_null()).with_columns(text.alias("text"), visit.alias("visit"))
    clicks = rows.filter(pl.col("event_type") == "view").select("text", "visit").unique()
    searches = rows.filter(pl.col("event_type") == "search").join(
        clicks.with_columns(clicked=pl.lit(True)), on=["text", "visit"], how="left"
    )
    shown = pl.col("results_shown").list.len()
    shows = (shown > 0).fill_null(False)
    by_query = (
        searches.group_by("text")
        .agg(
            pl.len().alias("searches"),
            pl.col("visit").n_unique().alias("visits"),
            shows.sum().alias("with_result"),
            (~shows).sum().alias("without_result"),
            # nobody can say whether a search of an unknown visit led to a click
            (shows & pl.col("clicked").is_null() & pl.col("visit").is_not_null()).sum().alias("without_click"),
        )
        .collect(engine="streaming")
    )
    total = by_query.select("searches", "with_result", "without_result", "without_click").sum().row(0, named=True)
    if not total["with_result"]:
        return Unanswered(total["searches"], 0, 0, 0, [], [])
    return Unanswered(
        total["searches"],
        total["with_result"],
        total["without_result"],
        total["without_click"],
        _most(by_query, "without_result", most),
        _most(by_query, "without_click", most),
    )


def _most(by_query: pl.DataFrame, column: str, most: int) -> list[tuple[str, int, float]]:
    listed = by_query.filter((pl.col(column) > 0) & (pl.col("visits") >= FEWEST)).sort(
        [pl.col(column), pl.col("text")], descending=[True, False]
    )
    share = (pl.col(column) / pl.col("searches")).alias("share")
    return list(listed.head(most).select("text", column, share).iter_rows())
