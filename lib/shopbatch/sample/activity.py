"""Generates the tables `transactions` (lines of baskets) and `events` (views, carts, searches, invitations).

`generated.py` uses it for the generated shop. Rows are in order of time; 2 % of the baskets and events have a later
time of arrival in the warehouse (`ingested_at`). Row i is a function of (seed, i) and the size of the shop, so rows can
be generated in any order.
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
REPEATED = 0.002  # share of the events that repeat an earlier event
_SPAN = YEARS * 365 * 86_400  # seconds
_HOUR = 3_600
_LINES = np.array([1, 2, 3, 4, 5, 1, 8, 2])  # numbers of products of successive baskets, repeated
_ENDS = np.cumsum(_LINES)
_SHARES = (0.70, 0.15, 0.10, 0.05)  # shares of TYPES
_STATUS = (0.99, 0.005, 0.005)  # shares of ORDER_STATUS
_ABOUT_PRODUCTS = 2  # this many types at the start of TYPES (view, cart) name a product
_NEAR = 1_000  # most rows between an event and its repetition: data files hold neighbouring days


def transactions(shop: Shop, first: int, count: int) -> pa.Table:
    """Return rows [first, first + count) of `transactions`, which form baskets of 1 to 8 different products.

    The products of a basket are neighbours: product p, then the next ones of the same taste (cluster of products). Some
    products are therefore often bought together. Baskets are numbered in order of time, so that each data file covers a
    short period. The money of a line is its unit price times its quantity, less all discounts; a return gives the whole
    price back. Baskets are cancelled or refunded as a whole.
    """
    line, seed = np.arange(first, first + count, dtype=np.int64), shop.seed
    number, place = _baskets(line)
    basket = number.astype(np.uint64)
    moment = _in_order(seed, "moment", basket, int(_baskets(np.array([shop.lines - 1]))[0][0]) + 1)
    user = buyers(shop, basket, moment)
    # steps of `clusters` stay in one taste; every catalogue has 16 products or more, so 8 of a basket are different
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
    """Return the basket number of each transaction line, and its position in the basket from 0; both int64 [n]."""
    turn, step = np.divmod(line, _ENDS[-1])
    kind = np.searchsorted(_ENDS, step, side="right")
    return turn * len(_LINES) + kind, step - (_ENDS[kind] - _LINES[kind])


def events(shop: Shop, first: int, count: int) -> pa.Table:
    """Return rows [first, first + count) of `events`, in order of time except for repetitions.

    A share `REPEATED` of the rows repeat an earlier event: with the same id, content and time, but a later arrival.
    """
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
    # a repetition arrives after the event itself, whether the event was late or not
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
    """Return, for each repeating row, the row number of the event that it repeats, uint64 [n].

    It is at most about 1,000 rows earlier and is not a repetition itself.

    Args:
        shop: The shop.
        rows: Numbers of the repeating rows, all above 0, uint64 [n].
    """
    back = 1 + below(shop.seed, "repeated", rows, _NEAR).astype(np.uint64)
    source = rows - np.minimum(back, rows)
    todo = _is_repeat(shop, source)
    while todo.any():
        source[todo] -= np.uint64(1)
        todo = _is_repeat(shop, source)
    return source


def _in_order(seed: int, field: str, rows: Rows, count: int) -> Numbers:
    """Return the time of each row in seconds since 1970 UTC, int64 [n]; a later row never has an earlier time.

    Args:
        seed: Seed of the shop.
        field: Name of this random draw; draws of different names are independent.
        rows: Row numbers, uint64 [n].
        count: Number of rows of the whole table, which are spread evenly over the years of the shop.
    """
    fraction = (draw(seed, field, rows) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    share = (rows.astype(np.float64) + fraction) / count
    return START + (share * _SPAN).astype(np.int64)


def _delay(seed: int, field: str, rows: Rows) -> Numbers:
    """Return random delays of 1 to 72 hours in seconds, int64 [n]."""
    return _HOUR + below(seed, field, rows, 71 * _HOUR + 1)


def _where_late(late: Mask, seconds: Numbers) -> pa.Array:
    """Return the column `ingested_at`: the time of arrival of late rows, null for rows that arrived immediately.

    Args:
        late: Mask of the late rows, [n].
        seconds: Times of arrival in seconds since 1970 UTC, [n]; ignored for rows that are not late.
    """
    return nulled(from_seconds(seconds), ~late)
