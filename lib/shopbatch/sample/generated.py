"""The generated sample: a joined-up shop of any size, the same bytes for the same seed. `shopbatch sample generated`.

Products, users and transactions are made here, reviews in `generated_reviews`. Memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.errors import UserError
from shopbatch.sample import fill, phrases
from shopbatch.sample.draws import Rows, below, chance, draw, from_cents, from_seconds, names, nulled, pick
from shopbatch.sample.fill import SampleReport, Source
from shopbatch.sample.generated_reviews import CLUSTERS, START, YEARS, Mess, Shop, favourite, reviews
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.store import Store
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS

VERSION = 1  # of what is generated: to be raised with every change of it
MAX_ROWS = 2 ** (phrases.TEXT_BITS - 1)
_CHUNK = 65_536  # rows made at a time: small enough for the processor's caches
_LINES = np.array([1, 2, 3, 4, 5, 1, 8, 2])  # products of one basket, in turn
_ENDS = np.cumsum(_LINES)

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
    store: Store, rows: int, seed: int = 0, transactions_per_review: float = 2.0, mess: Mess | None = None
) -> SampleReport:
    """Fill the source tables with `rows` reviews and the shop around them.

    About 250,000 reviews a second on one core, less than 1 GB of memory at any size. The same arguments give the same
    data files byte for byte; where they are there already, nothing is written. UserError if a table holds other rows.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise UserError(f"sample: rows must be from 1 to {MAX_ROWS:,}, not {rows:,}")
    if not 0 <= transactions_per_review <= 100:
        raise UserError(f"sample: transactions per review must be from 0 to 100, not {transactions_per_review}")
    clock = fill.Clock()
    shop = Shop(rows, max(rows // 50, 16), max(rows // 10, 4), seed, mess or Mess())
    lines = round(rows * transactions_per_review)
    content = fill.digest(kind="generated", version=VERSION, rows=rows, seed=seed, lines=lines, mess=vars(shop.mess))
    fresh: list[int] = []
    sources = _sources(shop, lines, fresh)
    if fill.there(store, [s.table for s in sources], content):
        distinct = int(store.snapshot(REVIEWS.name).metadata["distinct_texts"])
        return SampleReport("generated", fill.described(store, sources), False, clock.seconds(), distinct)
    fills = fill.fill(store, content, sources)
    return SampleReport("generated", fills, True, clock.seconds(), sum(fresh))


def _sources(shop: Shop, lines: int, fresh: list[int]) -> list[Source]:
    """The four tables. `fresh` collects the number of new texts of each chunk of reviews."""

    def review_chunk(first: int, count: int) -> pa.Table:
        chunk, new = reviews(shop, first, count)
        fresh.append(new)
        return chunk

    def chunks(make: Callable[[int, int], pa.Table], rows: int) -> Callable[[], Iterator[pa.Table]]:
        return lambda: _files(make, rows)

    origin, licence = f"the generator (seed {shop.seed})", "Apache-2.0"
    mess = shop.mess
    return [
        Source(
            PRODUCTS, chunks(lambda a, n: _products(shop, a, n), shop.products), origin, licence,
            "invented catalogue in 16 tastes",
        ),
        Source(USERS, chunks(lambda a, n: _users(shop, a, n), shop.users), origin, licence, "two in three say nothing"),
        Source(
            TRANSACTIONS, chunks(lambda a, n: _transactions(shop, a, n), lines), origin, licence,
            "baskets follow their buyer's taste",
        ),
        Source(
            REVIEWS, chunks(review_chunk, shop.reviews), origin, licence,
            f"{mess.duplicate_texts:.1%} repeat a text, {mess.duplicate_keys:.1%} are later versions, "
            f"{mess.null_text + mess.blank_text:.1%} have no text",
            lambda: {"distinct_texts": sum(fresh)},
        ),
    ]  # fmt: skip


def _files(make: Callable[[int, int], pa.Table], rows: int) -> Iterator[pa.Table]:
    """All rows of a table, one data file at a time."""
    for start in range(0, rows, fill.ROWS_PER_FILE):
        end = min(start + fill.ROWS_PER_FILE, rows)
        yield pa.concat_tables([make(first, min(_CHUNK, end - first)) for first in range(start, end, _CHUNK)])


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


def _transactions(shop: Shop, first: int, count: int) -> pa.Table:
    """Lines [first, first + count): baskets of 1 to 8 neighbouring products, so that some are bought together."""
    line, seed = np.arange(first, first + count, dtype=np.int64), shop.seed
    turn, step = np.divmod(line, _ENDS[-1])
    kind = np.searchsorted(_ENDS, step, side="right")
    basket = (turn * len(_LINES) + kind).astype(np.uint64)
    place = step - (_ENDS[kind] - _LINES[kind])
    user = below(seed, "buyer", basket, shop.users)
    product = (favourite(shop, "basket", user, basket) + place * _stride(shop)) % shop.products
    rows = line.astype(np.uint64)
    quantity = np.array([1, 2, 3, 0, -1])[pick(seed, "quantity", rows, (0.8, 0.13, 0.055, 0.01, 0.005))]
    value = (99 + below(seed, "price", product.astype(np.uint64), 9_900)) * quantity
    loyal, coupon = chance(seed, "loyal", rows, 0.3), chance(seed, "coupon", rows, 0.02)
    retail = np.where(loyal, np.abs(value) // 10, 0)
    paper = np.where(coupon, np.abs(value) // 20, 0)
    span = YEARS * 365 * 86_400
    moment = START + (draw(seed, "moment", basket) % np.uint64(span)).astype(np.int64)
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
        "source": pa.repeat("generated", count),
    }
    return pa.table(columns, schema=TRANSACTIONS.schema())


def _stride(shop: Shop) -> int:
    """From a product to its neighbour in the same cluster; a basket of 8 then holds 8 different products."""
    return CLUSTERS if shop.products >= CLUSTERS * 16 else 1
