"""Counts in `search_events` the impressions, clicks and purchases of each product for each query, by position.

`judge_by_clicks` fits its click model to these counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from shopbatch.capabilities.search.clicks.config import JudgeByClicksConfig
from shopbatch.evaluation.click_model import Clicks
from shopbatch.warehouse import files
from shopbatch.warehouse.snapshot import Snapshot

_COLUMNS = ("event_id", "query", "product_id", "position", "clicked", "purchased", "session_id", "user_id")
_OF_1000 = 1000


@dataclass(frozen=True)
class Counted:
    """Impressions, clicks and purchases by query, product and position in the list of results.

    Attributes:
        rows: Columns query, product_id, position (from 1), held_out (True: visits on which the model is tested), shown
            (impressions), clicked and purchased. One visit adds at most 1 to each number.
        events: Number of rows of `search_events` (all of the snapshot).
        queries: (number of distinct queries, number of those that were dropped because too few visits typed them).
    """

    rows: pl.DataFrame
    events: int
    queries: tuple[int, int]

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """One row per (query, product) pair, sorted by both, with its totals over all positions.

        The columns are pair (the pair's number, from 0), query, product_id, shown, clicked and purchased.
        """
        sums = [pl.col(name).sum() for name in ("shown", "clicked", "purchased")]
        grouped = self.rows.group_by("query", "product_id").agg(*sums).sort("query", "product_id")
        return grouped.with_row_index("pair")

    def clicks(self, held_out: bool | None = None) -> Clicks:
        """Return the impressions and clicks of each (query, product) pair by position, as input of the click model.

        Args:
            held_out: True: only held-out visits; False: only the others; None: all visits.
        """
        rows = self.rows if held_out is None else self.rows.filter(pl.col("held_out") == held_out)
        numbered = rows.join(self.pairs.select("pair", "query", "product_id"), on=["query", "product_id"])
        sums = numbered.group_by("pair", "position").agg(pl.col("shown").sum(), pl.col("clicked").sum())
        sums = sums.sort("pair", "position")
        places = max(self.rows["position"].to_list(), default=0)
        return Clicks(
            sums["pair"].to_numpy().astype(np.int64),
            sums["position"].to_numpy().astype(np.int64) - 1,
            sums["shown"].to_numpy().astype(np.float64),
            sums["clicked"].to_numpy().astype(np.float64),
            len(self.pairs),
            places,
        )


def count(events: Snapshot, config: JudgeByClicksConfig) -> Counted:
    """Count impressions, clicks and purchases for the queries that enough visits typed (`config.least_visits`).

    A visit is identified by its session, else by its user; an event without either is a visit of its own. Queries are
    compared in lower case, without spaces at their ends.

    Args:
        events: A snapshot of `search_events`.
        config: Settings of the job.
    """
    rows = files.scan([file.uri for file in events.files], events.schema).select(_COLUMNS)
    text = pl.col("query").str.strip_chars().str.to_lowercase()
    visit = pl.coalesce("session_id", "user_id", "event_id").hash(seed=11)
    rows = rows.filter(pl.col("query").is_not_null(), pl.col("product_id").is_not_null())
    rows = rows.filter(pl.col("position").is_between(1, config.max_position)).select(
        text.alias("query"),
        "product_id",
        "position",
        pl.col("clicked").fill_null(False),
        (pl.col("purchased") & pl.col("clicked")).fill_null(False).alias("purchased"),
        visit.alias("visit"),
    )
    rows = rows.filter(pl.col("query").str.len_bytes() > 0)
    by_visit = (
        rows.group_by("query", "product_id", "position", "visit")
        .agg(pl.col("clicked").any(), pl.col("purchased").any())
        .with_columns((pl.col("visit") % _OF_1000 < round(_OF_1000 * config.held_out)).alias("held_out"))
    )
    visits = rows.group_by("query").agg(pl.col("visit").n_unique().alias("visits")).collect(engine="streaming")
    enough = visits.filter(pl.col("visits") >= config.least_visits).select("query")
    counted = (
        by_visit.join(enough.lazy(), on="query", how="semi")
        .group_by("query", "product_id", "position", "held_out")
        .agg(pl.len().alias("shown"), pl.col("clicked").sum(), pl.col("purchased").sum())
        .collect(engine="streaming")
    )
    return Counted(counted, events.rows, (len(visits), len(visits) - len(enough)))
