"""Generated logs in order of time: transactions (what a till logs, basket after basket) and events (what users do).

Row i is a function of (seed, i) and the size of the shop, so rows can be made in any order. Some rows reach the
warehouse late.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import (
    Mask,
    Numbers,
    Rows,
    below,
    chance,
    draw,
    from_cents,
    from_seconds,
    names,
    nulled,
    pick,
    price_from_thousandths,
)
from shopbatch.sample.experiments import buyers
from shopbatch.sample.offers import unit_cents
from shopbatch.sample.shop import START, YEARS, Shop, favourite
from shopbatch.sample.shop_words import shop_words
from shopbatch.sample.visits import TYPES, searches, visits
from shopbatch.tables.events import EVENTS
from shopbatch.tables.transactions import ORDER_STATUS, TRANSACTIONS

LATE = 0.02  # share of baskets and events that reach the warehouse later than they happen
REPEATED = 0.002  # share of the events that are an earlier event, sent once more
_SPAN = YEARS * 365 * 86_400  # seconds
_HOUR = 3_600
_LINES = np.array([1, 2, 3, 4, 5, 1, 8, 2])  # numbers of products of one basket, in turn
_ENDS = np.cumsum(_LINES)
_SHARES = (0.70, 0.15, 0.10, 0.05)  # of TYPES
_STATUS = (0.99, 0.005, 0.005)  # shares of ORDER_STATUS
_ABOUT_PRODUCTS = 2  # the first types of events name a product
_NEAR = 1_000  # rows: how far back a repeated event lies, so that data files hold neighbouring days


def transactions(shop: Shop, first: int, count: int) -> pa.Table:
    """Lines [first, first + count): baskets of 1 to 8 neighbouring products, so some products are bought together.

    Baskets are numbered in order of time, so that data files hold neighbouring days. What a line brings is its unit
    price times its quantity, less all discounts; a return takes the whole price back. Baskets are cancelled or refunded
    as a whole.
    """
    line, seed = np.arange(first, first + count, dtype=np.int64), shop.seed
    number, place = _baskets(line)
    basket = number.astype(np.uint64)
    moment = _in_order(seed, "moment", basket, int(_baskets(np.array([shop.lines - 1]))[0][0]) + 1)
    user = buyers(shop, basket, moment)
    # neighbours are of one taste; even the smallest catalogue has 16 products, so a basket of 8 has 8 different ones
    product = (favourite(shop, "basket", user, basket) + place * shop.clusters) % shop.products
    rows = line.astype(np.uint64)
    quantity = np.array([1, 2, 3, 0, -1])[pick(seed, "quantity", rows, (0.8, 0.13, 0.055, 0.01, 0.005))]
    price = unit_cents(seed, product.astype(np.uint64))
    value, sold = price * quantity, quantity > 0
    loyal, coupon = chance(seed, "loyal", rows, 0.3), chance(seed, "coupon", rows, 0.02)
    retail = np.where(loyal & sold, value // 10, 0)
    paper = np.where(coupon & sold, value // 20, 0)
    match = paper // 2
    late = chance(seed, "late basket", basket, LATE)
    columns = {
        "basket_id": names("g-", basket),
        "product_id": names("g-", product),
        "line_number": pa.array(place + 1),
        "user_id": names("g-", user),
        "store_id": names("g-", below(seed, "store", basket, 50)),
        "quantity": pa.array(quantity),
        "sales_value": from_cents(value - retail - paper - match),
        "retail_discount": from_cents(retail),
        "coupon_discount": from_cents(paper),
        "coupon_match_discount": from_cents(match),
        "unit_price": price_from_thousandths(price * 10),
        "currency": pa.repeat(shop_words().products.currency, count),
        "order_status": pc.take(pa.array(ORDER_STATUS), pa.array(pick(seed, "status", basket, _STATUS))),
        "transaction_at": from_seconds(moment),
        "ingested_at": _where_late(late, moment + _delay(seed, "basket delay", basket)),
        "source": pa.repeat("generated", count),
    }
    return TRANSACTIONS.fill(count, **columns)


def _baskets(line: Numbers) -> tuple[Numbers, Numbers]:
    """The basket of each line and the line's place in it; both int64 [n]."""
    turn, step = np.divmod(line, _ENDS[-1])
    kind = np.searchsorted(_ENDS, step, side="right")
    return turn * len(_LINES) + kind, step - (_ENDS[kind] - _LINES[kind])


def events(shop: Shop, first: int, count: int) -> pa.Table:
    """Rows [first, first + count) of the events, in order of time except for those that repeat an event."""
    rows, seed = np.arange(first, first + count, dtype=np.uint64), shop.seed
    repeats = _is_repeat(shop, rows)
    identity = rows.copy()
    identity[repeats] = _repeated(shop, rows[repeats])
    user = below(seed, "visitor", identity, shop.users)
    kind = pick(seed, "event type", identity, _SHARES)
    product = favourite(shop, "event", user, identity)
    moment = _in_order(seed, "event moment", identity, shop.events)
    late = chance(seed, "late event", identity, LATE)
    arrived = moment + np.where(late, _delay(seed, "event delay", identity), 0)
    # a repeat arrives after the event itself did, whether that was late or not
    arrived += np.where(repeats, _delay(seed, "repeat delay", rows), 0)
    columns = {
        "event_id": names("g-", identity),
        "user_id": names("g-", user),
        "event_type": pc.take(pa.array(TYPES), pa.array(kind)),
        "product_id": nulled(names("g-", product), kind >= _ABOUT_PRODUCTS),
        **visits(shop, identity, user, kind, moment),
        **searches(shop, identity, np.flatnonzero(kind == TYPES.index("search")), product),
        "event_time": from_seconds(moment),
        "ingested_at": _where_late(late | repeats, arrived),
        "source": pa.repeat("generated", count),
    }
    return EVENTS.fill(count, **columns)


def _is_repeat(shop: Shop, rows: Rows) -> Mask:
    return chance(shop.seed, "repeat", rows, REPEATED) & (rows > 0)


def _repeated(shop: Shop, rows: Rows) -> Rows:
    """For each row (> 0) a row shortly before it that is no repeat itself; row 0 is never a repeat."""
    back = 1 + below(shop.seed, "repeated", rows, _NEAR).astype(np.uint64)
    source = rows - np.minimum(back, rows)
    todo = _is_repeat(shop, source)
    while todo.any():
        source[todo] -= np.uint64(1)
        todo = _is_repeat(shop, source)
    return source


def _in_order(seed: int, field: str, rows: Rows, count: int) -> Numbers:
    """Times of the rows of a log with `count` rows: seconds since 1970 UTC that grow with the row, int64 [n]."""
    fraction = (draw(seed, field, rows) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    share = (rows.astype(np.float64) + fraction) / count
    return START + (share * _SPAN).astype(np.int64)


def _delay(seed: int, field: str, rows: Rows) -> Numbers:
    """Seconds from 1 to 72 hours, int64 [n]."""
    return _HOUR + below(seed, field, rows, 71 * _HOUR + 1)


def _where_late(late: Mask, seconds: Numbers) -> pa.Array:
    """Times of arrival; null for a row that arrived when it happened."""
    return nulled(from_seconds(seconds), ~late)
