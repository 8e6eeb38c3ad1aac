"""The generated sample: a joined-up shop of any size, the same bytes for the same seed. `shopbatch sample generated`.

Products and users are made here, every other subject in a `generated_` file of its own. Memory does not grow with the
rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.sample import fill, generated_dialogs, phrases, product_copy
from shopbatch.sample.draws import Rows, below, chance, names, nulled
from shopbatch.sample.fill import SampleReport, Source
from shopbatch.sample.generated_campaigns import CAMPAIGNS_SENT, COUPON_ROWS, campaigns, coupons, redemptions
from shopbatch.sample.generated_events import REPEATED, events
from shopbatch.sample.generated_reviews import Mess, Shop, reviews
from shopbatch.sample.generated_times import LATE
from shopbatch.sample.generated_transactions import transactions
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Table
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store

VERSION = 3  # of what is generated: to be raised with every change of it
MAX_ROWS = 2 ** (phrases.TEXT_BITS - 1)
MAX_LINES = 100 * MAX_ROWS
_EVENTS_PER_LINE = 1.0
_Make = Callable[[Shop, int, int], pa.Table]  # rows [first, first + count) of a table
_COPIED = 20_000  # products that examples of copy are drawn from
_CHUNK = 65_536  # rows made at a time: small enough for the processor's caches

DEPARTMENTS = ("Clothing", "Kitchen", "Electronics", "Home", "Office", "Sport", "Travel", "Garden")
CATEGORIES = ("Basics", "Premium", "Gifts", "Outdoor", "Seasonal", "Accessories", "Tools", "Textiles")
COLOURS = (
    "black",
    "white",
    "blue",
    "green",
    "red",
    "grey",
    "beige",
    "navy",
    "pink",
    "brown",
    "silver",
    "olive",
)
SIZES = ("S", "M", "L", "XL", "250 g", "500 g", "1 kg", "2 pieces", "6 pieces")
AGES = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
INCOMES = ("Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K")
HOMES = ("Homeowner", "Renter", "Probable Homeowner", "Probable Renter")
COMPOSITIONS = ("1 Adult No Kids", "1 Adult Kids", "2 Adults No Kids", "2 Adults Kids")


def fill_generated(
    store: Store,
    rows: int,
    seed: int = 0,
    transactions_per_review: float = 2.0,
    mess: Mess | None = None,
    lines: int | None = None,
) -> SampleReport:
    """Fill the source tables with `rows` reviews, the shop around them, and dialogs and examples of copy.

    lines: how many transaction lines, and as many events; None: `transactions_per_review` for each review. A shop has
    a user for ten reviews or for a hundred lines, whatever gives more.
    About 250,000 reviews, or 500,000 lines with their events, a second on one core; less than 1 GB of memory at any
    size. The same arguments give the same data files byte for byte; where they are there already, nothing is written.
    UserError if a table holds other rows.
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
    products, users = max(rows // 50, lines // 1000, 16), max(rows // 10, lines // 100, 4)
    shop = Shop(rows, products, users, seed, mess or Mess(), lines, round(lines * _EVENTS_PER_LINE))
    versions = [VERSION, generated_dialogs.VERSION, product_copy.VERSION]
    content = fill.digest(kind="generated", version=versions, rows=rows, seed=seed, lines=lines, mess=vars(shop.mess))
    fresh: list[int] = []
    sources = _sources(shop, fresh)
    if fill.there(store, [s.table for s in sources], content):
        distinct = int(store.snapshot(REVIEWS.name).metadata["distinct_texts"])
        return SampleReport("generated", fill.described(store, sources), False, clock.seconds(), distinct)
    fills = fill.fill(store, content, sources)
    return SampleReport("generated", fills, True, clock.seconds(), sum(fresh))


def _sources(shop: Shop, fresh: list[int]) -> list[Source]:
    """All tables. `fresh` collects the number of new texts of each chunk of reviews."""

    def review_chunk(shop: Shop, first: int, count: int) -> pa.Table:
        chunk, new = reviews(shop, first, count)
        fresh.append(new)
        return chunk

    def dialog_chunk(shop: Shop, first: int, count: int) -> pa.Table:
        return generated_dialogs.dialogs(count, shop.seed, first)

    def copy_chunk(shop: Shop, first: int, count: int) -> pa.Table:
        return product_copy.pairs(_products(shop, 0, min(shop.products, _COPIED)), count, shop.seed)

    def source(
        table: Table, make: _Make, rows: int, note: str, facts: Callable[[], Mapping[str, Any]] = dict
    ) -> Source:
        origin = f"the generator (seed {shop.seed})"
        return Source(table, lambda: _files(shop, make, rows), origin, "Apache-2.0", note, facts)

    mess, sent = shop.mess, CAMPAIGNS_SENT * shop.users
    return [
        source(PRODUCTS, _products, shop.products, "invented catalogue in 16 tastes"),
        source(USERS, _users, shop.users, "two in three say nothing"),
        source(
            TRANSACTIONS, transactions, shop.lines,
            f"baskets follow their buyer's taste, in order of time; {LATE:.0%} arrived late",
        ),
        source(CAMPAIGNS, campaigns, sent, "each user gets one in four of 12 campaigns, of 30 days each"),
        source(COUPONS, coupons, COUPON_ROWS, "20 a campaign, each good for 5 products"),
        source(REDEMPTIONS, redemptions, sent, "of one in 20 campaigns received, one coupon or two"),
        source(
            EVENTS, events, shop.events,
            f"in order of time; {LATE:.0%} arrived late, {REPEATED:.1%} arrived once more",
        ),
        source(
            REVIEWS, review_chunk, shop.reviews,
            f"{mess.duplicate_texts:.1%} repeat a text, {mess.duplicate_keys:.1%} are later versions, "
            f"{mess.null_text + mess.blank_text:.1%} have no text",
            lambda: {"distinct_texts": sum(fresh)},
        ),
        source(SUPPORT_DIALOGS, dialog_chunk, generated_dialogs.count(shop.reviews), generated_dialogs.NOTE),
        source(PRODUCT_COPY, copy_chunk, product_copy.count(shop.reviews), product_copy.NOTE),
    ]  # fmt: skip


def _files(shop: Shop, make: _Make, rows: int) -> Iterator[pa.Table]:
    """All rows of a table, one data file at a time. `make` may give fewer rows than it is asked for."""
    waiting: list[pa.Table] = []
    for first in range(0, rows, _CHUNK):
        waiting.append(make(shop, first, min(_CHUNK, rows - first)))
        if sum(t.num_rows for t in waiting) >= fill.ROWS_PER_FILE:
            yield pa.concat_tables(waiting)
            waiting = []
    if any(t.num_rows for t in waiting):
        yield pa.concat_tables(waiting)


def _words(shop: Shop, field: str, rows: Rows, words: tuple[str, ...]) -> pa.Array:
    return pc.take(pa.array(words), pa.array(below(shop.seed, field, rows, len(words))))


def _products(shop: Shop, first: int, count: int) -> pa.Table:
    rows, seed = np.arange(first, first + count, dtype=np.uint64), shop.seed
    nouns = tuple(phrases.NOUNS[phrases.ENGLISH].split("|"))
    noun, colour = _words(shop, "noun", rows, nouns), _words(shop, "colour", rows, COLOURS)
    brand = names("Brand ", below(seed, "brand", rows, max(shop.products // 40, 1)))
    columns = {
        "product_id": names("g-", rows),
        "title": pc.binary_join_element_wise(brand, colour, noun, " "),
        "division": nulled(
            _words(shop, "division", rows, ("General", "Petite", "Outlet")), chance(seed, "d", rows, 0.1)
        ),
        "department": _words(shop, "department", rows, DEPARTMENTS),
        "category": _words(shop, "category", rows, CATEGORIES),
        "product_type": noun,
        "brand": brand,
        "manufacturer_id": names("m-", below(seed, "maker", rows, max(shop.products // 100, 1))),
        "package_size": nulled(_words(shop, "size", rows, SIZES), chance(seed, "no size", rows, 0.33)),
        "source": pa.repeat("generated", count),
    }
    return pa.table(columns, schema=PRODUCTS.schema())


def _users(shop: Shop, first: int, count: int) -> pa.Table:
    rows, seed = np.arange(first, first + count, dtype=np.uint64), shop.seed
    silent = chance(seed, "silent", rows, 0.67)
    columns = {
        "user_id": names("g-", rows),
        "age": nulled(_words(shop, "age", rows, AGES), silent),
        "income": nulled(_words(shop, "income", rows, INCOMES), silent),
        "home_ownership": nulled(_words(shop, "home", rows, HOMES), silent | chance(seed, "no home", rows, 0.29)),
        "marital_status": nulled(
            _words(shop, "marital", rows, ("Married", "Unmarried")),
            silent | chance(seed, "no marital", rows, 0.17),
        ),
        "household_size": nulled(_words(shop, "household", rows, ("1", "2", "3", "4", "5+")), silent),
        "household_comp": nulled(_words(shop, "composition", rows, COMPOSITIONS), silent),
        "kids_count": nulled(_words(shop, "kids", rows, ("0", "1", "2", "3+")), silent),
        "source": pa.repeat("generated", count),
    }
    return pa.table(columns, schema=USERS.schema())
