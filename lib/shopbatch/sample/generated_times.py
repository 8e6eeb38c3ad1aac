"""Moments of the generated shop: rows of a log in order of time, some of which reach the warehouse late.

Called by the generators of transactions and events.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shopbatch.sample.draws import Mask, Numbers, Rows, below, draw, from_seconds, nulled
from shopbatch.sample.generated_reviews import START, YEARS

SPAN = YEARS * 365 * 86_400  # seconds
LATE = 0.02  # share of baskets and events that reach the warehouse later than they happen
_HOUR = 3_600


def in_order(seed: int, field: str, rows: Rows, count: int) -> Numbers:
    """When each of `count` rows of a log happened: seconds since 1970 UTC that grow with the row, int64 [n]."""
    fraction = (draw(seed, field, rows) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    share = (rows.astype(np.float64) + fraction) / count
    return START + (share * SPAN).astype(np.int64)


def delay(seed: int, field: str, rows: Rows) -> Numbers:
    """Seconds from 1 to 72 hours, int64 [n]."""
    return _HOUR + below(seed, field, rows, 71 * _HOUR + 1)


def where_late(late: Mask, seconds: Numbers) -> pa.Array:
    """Moments of arrival; null where a row arrived when it happened."""
    return nulled(from_seconds(seconds), ~late)
