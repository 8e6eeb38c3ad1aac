"""Draw the report's figures of one day's profiles: sizes of the segments, and distributions of some features."""

from __future__ import annotations

import polars as pl

from shopbatch.runs.report import Figure
from shopbatch.tables.user_profiles import SEGMENTS

SHOWN = (
    "days_since_last", "baskets_90d", "sales_90d", "basket_spend_mean", "interval_mean", "department_entropy",
    "price_level", "discount_share", "private_label_share", "buy_probability_30d", "expected_spend_30d",
    "campaign_response_rate",
)  # fmt: skip
BINS = 20


def figures(frame: pl.LazyFrame) -> list[Figure]:
    """Return a bar chart of users by RFM segment and, if any feature varies, histograms of the features SHOWN.

    Args:
        frame: The rows of user_profiles of one day.
    """
    sizes = dict(frame.group_by("rfm_segment").len().collect().iter_rows())
    segments = [s for s in SEGMENTS if s in sizes]
    users = {"groups": segments, "series": {"users": [sizes[s] for s in segments]}}
    bars = Figure("bars", "Users by segment", users)
    panels = _panels(frame.select(pl.col(SHOWN).cast(pl.Float64)))
    if not panels:
        return [bars]
    caption = "Users, from the 1st to the 99th hundredth of each feature; what lies beyond is in the outer bars."
    return [bars, Figure("histograms", "How features are distributed", {"panels": panels}, caption)]


def _panels(values: pl.LazyFrame) -> dict[str, dict[str, object]]:
    """Return a histogram with BINS bins for each feature of SHOWN, as the `panels` of a figure of histograms.

    The bins reach from the 1st to the 99th percentile. Values beyond are counted in the outer bins. A feature is left
    out if these percentiles are equal, or if all its values are null.
    """
    ends = values.select(
        *(pl.col(n).quantile(0.01).alias(f"low_{n}") for n in SHOWN),
        *(pl.col(n).quantile(0.99).alias(f"high_{n}") for n in SHOWN),
    ).collect().row(0, named=True)  # fmt: skip
    panels: dict[str, dict[str, object]] = {}
    for name in SHOWN:
        low, high = ends[f"low_{name}"], ends[f"high_{name}"]
        if low is None or high <= low:
            continue
        place = ((pl.col(name) - low) / (high - low) * BINS).floor().clip(0, BINS - 1).cast(pl.Int64)
        counts = dict(values.select(place.alias("bin")).drop_nulls().group_by("bin").len().collect().iter_rows())
        panels[name] = {"low": low, "high": high, "counts": [counts.get(i, 0) for i in range(BINS)]}
    return panels
