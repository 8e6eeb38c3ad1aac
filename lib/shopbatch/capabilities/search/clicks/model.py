"""Counts of showings and clicks -> the position-based model, its judgements, and how well it forecasts clicks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search.clicks.config import JudgeByClicksConfig
from shopbatch.capabilities.search.clicks.counts import Counted
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.click_model import Clicks, attraction, examination, log_likelihood, rates
from shopbatch.evaluation.paired import difference
from shopbatch.tables.search_judgements import CLICKS, SEARCH_JUDGEMENTS

_BLOCKS = 2000  # of queries, which the intervals are over


@dataclass(frozen=True)
class Fitted:
    """The model of all visits.

    Attributes:
        clicks: What it was fitted to.
        examined: How likely each place is looked at, beside the one that is looked at most; nan where unknown.
        attractive, looks: Of each pair, [pairs].
    """

    clicks: Clicks
    examined: np.ndarray
    attractive: np.ndarray
    looks: np.ndarray

    @classmethod
    def of(cls, clicks: Clicks, prior: float) -> Fitted:
        """Fit it."""
        examined = examination(clicks)
        return cls(clicks, examined, *attraction(clicks, examined, prior))

    @property
    def moved_share(self) -> float:
        """Share of the showings that are of pairs shown at several places."""
        shown = self.clicks.shown
        return float(shown[self.clicks.moved].sum() / shown.sum()) if len(shown) else 0.0

    @property
    def click_rates(self) -> np.ndarray:
        """Share of the showings at each place that were clicked, float64 [places]; nan where nothing was shown."""
        places = self.clicks.places
        shown = np.bincount(self.clicks.place, self.clicks.shown, places)
        clicked = np.bincount(self.clicks.place, self.clicks.clicked, places)
        return np.where(shown > 0, clicked / np.maximum(shown, 1), np.nan)


def forecasts(counted: Counted, config: JudgeByClicksConfig) -> dict[str, Interval]:
    """Fit the model to some visits and compare its forecast of the others' clicks with simpler ones.

    Returns:
        Log likelihood of a showing by the model - by click rates of each product, and of each place. The intervals are
        over queries.
    """
    train, test = counted.clicks(held_out=False), counted.clicks(held_out=True)
    fitted = Fitted.of(train, config.prior)
    test = test.of(~np.isnan(fitted.examined)[test.place])
    chances = {
        "model": fitted.examined[test.place] * fitted.attractive[test.pair],
        "products": rates(train, train.pair, train.pairs, config.prior)[test.pair],
        "places": rates(train, train.place, train.places, config.prior)[test.place],
    }
    number = counted.pairs["query"].rank("dense").to_numpy().astype(np.int64) - 1
    block = number[test.pair] % _BLOCKS
    shown = np.bincount(block, test.shown, _BLOCKS)
    present = shown > 0
    means = {
        name: np.bincount(block, log_likelihood(test, chance), _BLOCKS)[present] / shown[present]
        for name, chance in chances.items()
    }
    against = ("products", "places")
    return {name: difference(means["model"], means[name], config.seed, shown[present]) for name in against}


def judgements(counted: Counted, fitted: Fitted, config: JudgeByClicksConfig, run_id: str) -> pa.Table:
    """Return the rows of search_judgements: the pairs that were looked at often enough."""
    pairs = counted.pairs.with_columns(
        pl.Series("attraction", fitted.attractive, pl.Float64), pl.Series("looks", fitted.looks, pl.Float64)
    ).filter(pl.col("looks") >= config.least_looks)
    gain = pl.col("attraction")
    if pairs["purchased"].sum() and config.purchase_weight:
        mean = float(pairs["purchased"].sum()) / float(pairs["clicked"].sum())
        buys = (pl.col("purchased") + config.prior * mean) / (pl.col("clicked") + config.prior)
        gain = gain * (1 + config.purchase_weight * buys) / (1 + config.purchase_weight)
    grade = pl.when(pl.col("attraction") >= config.least_attraction).then(gain).otherwise(0.0)
    rows = pairs.with_columns(grade.round(4).alias("grade"))
    schema = SEARCH_JUDGEMENTS.schema()
    names = ("query", "product_id", "attraction", "looks", "shown", "clicked", "purchased")
    columns = {name: rows[name].to_arrow().cast(schema.field(name).type) for name in names}
    columns["grade"] = pc.cast(rows["grade"].to_arrow(), schema.field("grade").type, safe=False)
    columns["source"] = pa.repeat(CLICKS, len(rows))
    columns["run_id"] = pa.repeat(run_id, len(rows))
    return SEARCH_JUDGEMENTS.fill(len(rows), **columns)
