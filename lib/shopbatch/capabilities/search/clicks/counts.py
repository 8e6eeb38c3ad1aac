"""Rows of search_events -> how often each product was shown, clicked and bought for a query, by place."""

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
    """What was counted.

    Attributes:
        rows: query, product_id, position, held_out, shown, clicked, purchased; a visit counts once for each.
        events: Rows that were read.
        queries: Queries, and how many of them too few visits typed.
    """

    rows: pl.DataFrame
    events: int
    queries: tuple[int, int]

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """Every query and product once, with its number `pair`, sorted, and its counts."""
        sums = [pl.col(name).sum() for name in ("shown", "clicked", "purchased")]
        grouped = self.rows.group_by("query", "product_id").agg(*sums).sort("query", "product_id")
        return grouped.with_row_index("pair")

    def clicks(self, held_out: bool | None = None) -> Clicks:
        """Return the clicks of all visits, or of those that are held out or not."""
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
    """Count the showings and clicks of the queries that enough visits typed.

    A visit is a session, else a user, else the row itself. Queries are compared in small letters, without the blanks at
    their ends.
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
