"""The generated sample (`shopbatch sample --source generated`): a consistent shop of any size.

The same seed gives the same bytes. Memory does not grow with the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.sample import dialogs, fill, orders, product_copy, support
from shopbatch.sample.activity import LATE, REPEATED, events, transactions
from shopbatch.sample.campaigns import CAMPAIGNS_SENT, COUPON_ROWS, campaigns, coupons, redemptions
from shopbatch.sample.experiments import MOVED, experiments
from shopbatch.sample.fill import SampleReport, Source
from shopbatch.sample.orders import Customers
from shopbatch.sample.reductions import reductions
from shopbatch.sample.referrals import referral_events
from shopbatch.sample.review_banks import TEXT_BITS
from shopbatch.sample.reviews import reviews
from shopbatch.sample.shop import Mess, Shop, language_of, products, users
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.experiments import EXPERIMENTS
from shopbatch.tables.offers import OFFERS
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.referral_events import REFERRAL_EVENTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Table
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store

VERSION = 7  # version of the generator; raise it with every change of the generated rows
MAX_ROWS = 2 ** (TEXT_BITS - 1)
MAX_LINES = 100 * MAX_ROWS
_EVENTS_PER_LINE = 1.0
_Make = Callable[[Shop, int, int], pa.Table]  # (shop, first, count) -> rows [first, first + count) of a table
_COPIED = 20_000  # examples of copy are about the first so many products
_CHUNK = 65_536  # rows per call of the generator; fits the processor's caches


def fill_generated(
    store: Store,
    rows: int,
    seed: int = 0,
    transactions_per_review: float = 2.0,
    mess: Mess | None = None,
    lines: int | None = None,
) -> SampleReport:
    """Fill the source tables with `rows` reviews, the shop around them, dialogs and examples of product copy.

    About 250,000 reviews, or 500,000 transaction lines with their events, per second on one core, in less than 1 GB of
    memory at any size. The same arguments give the same data files byte for byte; if they are already there, nothing is
    written.

    Args:
        store: The warehouse.
        rows: Number of reviews.
        seed: Seed of all random draws.
        transactions_per_review: Transaction lines per review, used if `lines` is None.
        mess: The shares of faulty reviews; None for the default.
        lines: Number of transaction lines, and of events. A shop has one user for ten reviews or for a hundred lines,
            whichever gives more users.

    Raises:
        UserError: A size is out of range, or a table holds rows that no sample has written.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise UserError(f"sample: rows must be from 1 to {MAX_ROWS:,}, not {rows:,}")
    if not 0 <= transactions_per_review <= 100:
        raise UserError(f"sample: transactions per review must be from 0 to 100, not {transactions_per_review}")
    if lines is None:
        lines = round(rows * transactions_per_review)
    if not 0 <= lines <= MAX_LINES:
        raise UserError(f"sample: transactions must be from 0 to {MAX_LINES:,}, not {lines:,}")
    clock = fill.Clock()
    n_products, n_users = max(rows // 50, lines // 1000, 16), max(rows // 10, lines // 100, 4)
    shop = Shop(rows, n_products, n_users, seed, mess or Mess(), lines, round(lines * _EVENTS_PER_LINE))
    versions = [VERSION, dialogs.VERSION, product_copy.VERSION, *support.versions()]
    content = fill.digest(kind="generated", version=versions, rows=rows, seed=seed, lines=lines, mess=vars(shop.mess))
    new_texts: list[int] = []
    tables = sources(shop, new_texts)
    if fill.there(store, [s.table for s in tables], content):
        distinct = int(store.snapshot(REVIEWS.name).metadata["distinct_texts"])
        return SampleReport("generated", fill.described(store, tables), False, clock.seconds(), distinct)
    fills = fill.fill(store, content, tables)
    return SampleReport("generated", fills, True, clock.seconds(), sum(new_texts))


def sources(shop: Shop, new_texts: list[int]) -> list[Source]:
    """Return all tables of a generated shop, each with the function that generates its rows.

    `new_texts` is a list to which the number of new texts is appended for each generated chunk of reviews.
    """

    def review_chunk(shop: Shop, first: int, count: int) -> pa.Table:
        chunk, new = reviews(shop, first, count)
        new_texts.append(new)
        return chunk

    def dialog_chunk(shop: Shop, first: int, count: int) -> pa.Table:
        return dialogs.dialogs(count, shop.seed, first)

    def copy_chunk(shop: Shop, first: int, count: int) -> pa.Table:
        return product_copy.pairs(products(shop, 0, min(shop.products, _COPIED)), count, shop.seed)

    def source(
        table: Table, make: _Make, rows: int, note: str, facts: Callable[[], Mapping[str, Any]] = dict
    ) -> Source:
        origin = f"the generator (seed {shop.seed})"
        return Source(table, lambda: _files(shop, make, rows), origin, "Apache-2.0", note, facts)

    def support_source(part: support.Part) -> Source:
        origin, note = support.ORIGINS[part.table.name]
        chunks = partial(_files, shop, lambda _, first, count: part.make(first, count), part.rows)
        return Source(part.table, chunks, origin.format(seed=shop.seed), "Apache-2.0", note)

    mess, sent = shop.mess, CAMPAIGNS_SENT * shop.users
    return [
        source(PRODUCTS, products, shop.products, "invented catalogue in 16 tastes"),
        source(USERS, users, shop.users, "two in three say nothing"),
        source(
            TRANSACTIONS, transactions, shop.lines,
            f"baskets follow their buyer's taste, in order of time; {LATE:.0%} arrived late",
        ),
        source(CAMPAIGNS, campaigns, sent, "each user gets one in four of 12 campaigns, of 30 days each"),
        source(COUPONS, coupons, COUPON_ROWS, "20 a campaign, each good for 5 products"),
        source(REDEMPTIONS, redemptions, sent, "of one in 20 campaigns received, one coupon or two"),
        source(OFFERS, reductions, shop.products, "of the products on sale, around the end of the shop's two years"),
        source(
            EXPERIMENTS, experiments, 2 * shop.users,
            f"one without any effect, one that moves {MOVED:.0%} of the controls' baskets to treated users",
        ),
        source(
            EVENTS, events, shop.events,
            f"in order of time; {LATE:.0%} arrived late, {REPEATED:.1%} arrived once more",
        ),
        source(
            REVIEWS, review_chunk, shop.reviews,
            f"{mess.duplicate_texts:.1%} repeat a text, {mess.duplicate_keys:.1%} are later versions, "
            f"{mess.null_text + mess.blank_text:.1%} have no text",
            lambda: {"distinct_texts": sum(new_texts)},
        ),
        source(REFERRAL_EVENTS, referral_events, shop.users, "users bring users by a branching process of known truth"),
        source(SUPPORT_DIALOGS, dialog_chunk, dialogs.count(shop.reviews), dialogs.note()),
        source(PRODUCT_COPY, copy_chunk, product_copy.count(shop.reviews), product_copy.NOTE),
        *map(support_source, support.parts(customers(shop), shop.reviews)),
    ]  # fmt: skip


def customers(shop: Shop) -> Customers:
    """Return a shop's users as customers of the generated orders and tickets.

    A user whose language is not known orders in English.
    """
    return Customers(
        shop.seed, shop.users, orders.count(shop.reviews), lambda user: (f"g-{user}", language_of(shop, user) or "en")
    )


def _files(shop: Shop, make: _Make, rows: int) -> Iterator[pa.Table]:
    """Yield all rows of a table, one data file at a time.

    Args:
        shop: The shop.
        make: Generates the rows [first, first + count); it may return fewer rows.
        rows: Number of rows to request in all.
    """
    waiting: list[pa.Table] = []
    for first in range(0, rows, _CHUNK):
        waiting.append(make(shop, first, min(_CHUNK, rows - first)))
        if sum(t.num_rows for t in waiting) >= fill.ROWS_PER_FILE:
            yield pa.concat_tables(waiting)
            waiting = []
    if any(t.num_rows for t in waiting):
        yield pa.concat_tables(waiting)
