"""Fits the position-based click model, tests its forecasts, and turns it into relevance judgements.

The model assumes that a product is clicked if the shopper looks at its position in the list and finds the product
attractive for the query (see `evaluation.click_model`). `clicks/run.py` uses it. A pair is a query and a product.
"""

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

_BLOCKS = 2000  # groups of queries, over which the bootstrap draws


@dataclass(frozen=True)
class Fitted:
    """The position-based click model (see the module), fitted to clicks.

    Attributes:
        clicks: The impressions and clicks that the model was fitted to.
        examined: Probability that shoppers look at each position, relative to the position that they look at most
            (1.0); nan where unknown, float64 [places].
        attractive: Probability that each (query, product) pair is clicked when it is looked at, float64 [pairs].
        looks: Estimated number of times that shoppers looked at each pair: its impressions, weighted by `examined` of
            their positions, float64 [pairs].
    """

    clicks: Clicks
    examined: np.ndarray
    attractive: np.ndarray
    looks: np.ndarray

    @classmethod
    def of(cls, clicks: Clicks, prior: float) -> Fitted:
        """Fit the model to clicks.

        Args:
            clicks: The impressions and clicks by pair and position.
            prior: Strength of the smoothing: every pair is pulled towards the mean of all pairs, as if shoppers had
                looked at it this many more times and clicked at the mean rate.
        """
        examined = examination(clicks)
        return cls(clicks, examined, *attraction(clicks, examined, prior))

    @property
    def moved_share(self) -> float:
        """Share of the impressions, 0 to 1, whose (query, product) pair was shown at more than one position.

        Only these pairs tell the effect of a position from that of a product.
        """
        shown = self.clicks.shown
        return float(shown[self.clicks.moved].sum() / shown.sum()) if len(shown) else 0.0

    @property
    def click_rates(self) -> np.ndarray:
        """Click rate (clicks / impressions) of each position, float64 [places]; nan where nothing was shown."""
        places = self.clicks.places
        shown = np.bincount(self.clicks.place, self.clicks.shown, places)
        clicked = np.bincount(self.clicks.place, self.clicks.clicked, places)
        return np.where(shown > 0, clicked / np.maximum(shown, 1), np.nan)


def forecasts(counted: Counted, config: JudgeByClicksConfig) -> dict[str, Interval]:
    """Compare the model's forecast of held-out clicks with two simpler forecasts; all are fitted to the other visits.

    Args:
        counted: Impressions, clicks and purchases by query, product and position.
        config: Settings of the job.

    Returns:
        The model's mean log likelihood per impression minus that of a simpler forecast, with a confidence interval over
        queries; above 0 the model is better. "products": the forecast is the click rate of each (query, product) pair;
        "places": the forecast is the click rate of each position.
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
    """Return the rows of `search_judgements`, one per (query, product) pair that was looked at often enough.

    Args:
        counted: Impressions, clicks and purchases by query, product and position.
        fitted: The click model, fitted to all visits.
        config: Settings of the job; `least_looks` is the least estimated number of looks.
        run_id: The run.
    """
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
