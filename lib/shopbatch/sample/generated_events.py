"""Generated events: what users looked at, put into the cart and searched for. Called by `generated`.

Row i is a function of (seed, i) and the size of the shop; no row needs another.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import Mask, Rows, below, chance, from_seconds, names, nulled, pick
from shopbatch.sample.generated_reviews import Shop, favourite
from shopbatch.sample.generated_times import LATE, delay, in_order, where_late
from shopbatch.tables.events import EVENTS

TYPES, SHARES = ("view", "cart", "search", "invitation"), (0.70, 0.15, 0.10, 0.05)
OF_PRODUCTS = 2  # of the types, the first ones
REPEATED = 0.002  # share of the rows that are an earlier event, sent once more
_NEAR = 1_000  # rows: how far back that one lies, so that data files stay of neighbouring days


def events(shop: Shop, first: int, count: int) -> pa.Table:
    """Rows [first, first + count), in order of time but for those that repeat an event."""
    rows, seed = np.arange(first, first + count, dtype=np.uint64), shop.seed
    repeats = _is_repeat(shop, rows)
    identity = rows.copy()
    identity[repeats] = _repeated(shop, rows[repeats])
    user = below(seed, "visitor", identity, shop.users)
    kind = pick(seed, "event type", identity, SHARES)
    product = names("g-", favourite(shop, "event", user, identity))
    moment = in_order(seed, "event moment", identity, shop.events)
    late = chance(seed, "late event", identity, LATE)
    arrived = moment + np.where(late, delay(seed, "event delay", identity), 0)
    # a repeat arrives after the event itself did, whether that was late or not
    arrived += np.where(repeats, delay(seed, "repeat delay", rows), 0)
    columns = {
        "event_id": names("g-", identity),
        "user_id": names("g-", user),
        "event_type": pc.take(pa.array(TYPES), pa.array(kind)),
        "product_id": nulled(product, kind >= OF_PRODUCTS),
        "event_time": from_seconds(moment),
        "ingested_at": where_late(late | repeats, arrived),
        "source": pa.repeat("generated", count),
    }
    return pa.table(columns, schema=EVENTS.schema())


def _is_repeat(shop: Shop, rows: Rows) -> Mask:
    return chance(shop.seed, "repeat", rows, REPEATED) & (rows > 0)


def _repeated(shop: Shop, rows: Rows) -> Rows:
    """For each row (> 0) a row shortly before it that is no repeat itself; row 0 never is."""
    back = 1 + below(shop.seed, "repeated", rows, _NEAR).astype(np.uint64)
    found = rows - np.minimum(back, rows)
    todo = _is_repeat(shop, found)
    while todo.any():
        found[todo] -= np.uint64(1)
        todo = _is_repeat(shop, found)
    return found
