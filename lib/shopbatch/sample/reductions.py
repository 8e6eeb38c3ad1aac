"""Generates `offers` of the generated shop: one per product with a reduced price.

The shop has two years of data. Offers begin in the last 30 days of these years and end up to 60 days after their end.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import below, from_seconds, names
from shopbatch.sample.shop import START, YEARS, Shop, products
from shopbatch.tables.offers import OFFERS

_DAY = 86_400
_END = START + YEARS * 365 * _DAY
_BEFORE, _AFTER = 30, 60  # offers begin up to 30 days before the shop's last day, end up to 60 after


def reductions(shop: Shop, first: int, count: int) -> pa.Table:
    """Return the offers of the products [first, first + count) that have a `sale_price`, in their order.

    `former_price` is the price in the catalogue; `percent` is null.
    """
    catalogue = products(shop, first, count)
    reduced = catalogue["sale_price"].is_valid().to_numpy()
    rows = np.arange(first, first + count, dtype=np.uint64)[reduced]
    catalogue = catalogue.filter(pa.array(reduced))
    starts = _END - _DAY * below(shop.seed, "offer starts", rows, _BEFORE)
    ends = _END + _DAY * (1 + below(shop.seed, "offer ends", rows, _AFTER))
    return OFFERS.fill(
        len(rows),
        offer_id=names("g-offer-", rows),
        product_id=catalogue["product_id"],
        market=catalogue["market"],
        currency=catalogue["currency"],
        price=catalogue["sale_price"],
        former_price=catalogue["price"],
        starts_at=from_seconds(starts),
        ends_at=from_seconds(ends),
        updated_at=pc.subtract(from_seconds(starts), pa.scalar(_DAY * 10**6, pa.duration("us"))),
        source=pa.repeat("generated", len(rows)),
    )
