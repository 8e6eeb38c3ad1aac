"""The offers of the generated shop: one for every product on sale, for some weeks around the end of its two years."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import below, from_seconds, names
from shopbatch.sample.shop import START, YEARS, Shop, products
from shopbatch.tables.offers import OFFERS

_DAY = 86_400
_END = START + YEARS * 365 * _DAY
_BEFORE, _AFTER = 30, 60  # days before the shop's last one in which offers begin, and behind it in which they end


def reductions(shop: Shop, first: int, count: int) -> pa.Table:
    """The offers among the products [first, first + count), in their order: those with a `sale_price`.

    The price before is that of the catalogue; no reduction in per cent is stated.
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
