"""Generated transactions: what a till logs, basket after basket. Called by `generated`.

Line i is a function of (seed, i) and the size of the shop; no line needs another.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shopbatch.sample.draws import Numbers, below, chance, from_cents, from_seconds, names, pick
from shopbatch.sample.generated_reviews import Shop, favourite
from shopbatch.sample.generated_times import LATE, delay, in_order, where_late
from shopbatch.tables.transactions import TRANSACTIONS

_LINES = np.array([1, 2, 3, 4, 5, 1, 8, 2])  # products of one basket, in turn
_ENDS = np.cumsum(_LINES)


def transactions(shop: Shop, first: int, count: int) -> pa.Table:
    """Lines [first, first + count): baskets of 1 to 8 neighbouring products, so that some are bought together.

    Baskets are numbered in order of time, so that data files hold neighbouring days.
    """
    line, seed = np.arange(first, first + count, dtype=np.int64), shop.seed
    number, place = _baskets(line)
    basket = number.astype(np.uint64)
    user = below(seed, "buyer", basket, shop.users)
    # neighbours are of one taste; the smallest catalogue has 16 products, so a basket of 8 has 8 different ones
    product = (favourite(shop, "basket", user, basket) + place * shop.clusters) % shop.products
    rows = line.astype(np.uint64)
    quantity = np.array([1, 2, 3, 0, -1])[pick(seed, "quantity", rows, (0.8, 0.13, 0.055, 0.01, 0.005))]
    value = (99 + below(seed, "price", product.astype(np.uint64), 9_900)) * quantity
    loyal, coupon = chance(seed, "loyal", rows, 0.3), chance(seed, "coupon", rows, 0.02)
    retail = np.where(loyal, np.abs(value) // 10, 0)
    paper = np.where(coupon, np.abs(value) // 20, 0)
    moment = in_order(seed, "moment", basket, int(_baskets(np.array([shop.lines - 1]))[0][0]) + 1)
    late = chance(seed, "late basket", basket, LATE)
    columns = {
        "basket_id": names("g-", basket),
        "product_id": names("g-", product),
        "user_id": names("g-", user),
        "store_id": names("g-", below(seed, "store", basket, 50)),
        "quantity": pa.array(quantity),
        "sales_value": from_cents(np.where(value > 0, value - retail - paper, value)),
        "retail_discount": from_cents(retail),
        "coupon_discount": from_cents(paper),
        "coupon_match_discount": from_cents(np.where(coupon, paper // 2, 0)),
        "transaction_at": from_seconds(moment),
        "ingested_at": where_late(late, moment + delay(seed, "basket delay", basket)),
        "source": pa.repeat("generated", count),
    }
    return pa.table(columns, schema=TRANSACTIONS.schema())


def _baskets(line: Numbers) -> tuple[Numbers, Numbers]:
    """The basket that each line is of, and its place in it; int64 [n] both."""
    turn, step = np.divmod(line, _ENDS[-1])
    kind = np.searchsorted(_ENDS, step, side="right")
    return turn * len(_LINES) + kind, step - (_ENDS[kind] - _LINES[kind])
