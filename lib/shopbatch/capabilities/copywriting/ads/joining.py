"""Joins products, offers and segments into the tables `ads_with_facts` and `ad_wordings`, at the start of write_ads.

`ads_with_facts` has a row per product, segment and channel with everything that the ad may state. It is the source of
the inference job. A changed product or offer changes only its own rows, so that only these ads are computed again.
`ad_wordings` numbers the products that share a short name, see wordings.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import ray
import xxhash

from shopbatch.capabilities.copywriting.ads import offers, plan
from shopbatch.capabilities.copywriting.ads.channels import channels
from shopbatch.capabilities.copywriting.ads.config import WriteAdsConfig
from shopbatch.capabilities.copywriting.ads.names import short_name
from shopbatch.capabilities.copywriting.ads.wordings import Wording, numbered
from shopbatch.capabilities.copywriting.ads.words import occasion_of
from shopbatch.capabilities.copywriting.coverage import most_specific_name
from shopbatch.capabilities.copywriting.facts import CONTENT, known_facts
from shopbatch.capabilities.copywriting.writer import stored
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import UserError
from shopbatch.core.sessions import start_ray
from shopbatch.grounding.lexicon import LANGUAGES, is_chinese
from shopbatch.runs.report import Report
from shopbatch.tables.ads import AD_WORDINGS, ADS_WITH_FACTS
from shopbatch.tables.offers import OFFERS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.user_profiles import SEGMENTS
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, rows_of, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

VERSION = 1  # of the joined rows; raise it if equal sources give other rows
_SEGMENTS_TABLE = "user_segments"
_OTHERS = ("product_id", "language", "market", "availability", "updated_at")
_CHUNK = 2_000  # maximum products per Ray task


@dataclass(frozen=True)
class Advertised:
    """The facts that the ads of one product in one language may state.

    Attributes:
        product_id: The product.
        language: ISO 639 code.
        market: Code of the country whose advertising rules and offers apply.
        facts: The product's attributes, as JSON.
        names: {channel: short name of the product}; None for a channel for which no form of its name is short enough.
        offer: The offer that is valid on the day; None if there is none.
    """

    product_id: str
    language: str
    market: str
    facts: str
    names: Mapping[str, str | None]
    offer: offers.Offer | None

    def wording(self, channel: str) -> Wording:
        """Return the product's row of `ad_wordings` for a channel; its number is None until `numbered` assigns one."""
        offer = "" if self.offer is None else self.offer.text()
        name = self.names[channel]
        said = "\x1f".join([self.market, self.facts, offer, name or ""])
        return Wording(self.product_id, self.language, channel, name, xxhash.xxh3_128_hexdigest(said.encode()))


def join_facts(config: WriteAdsConfig, store: Store, report: Report) -> str:
    """Join products with the offers of the day and publish the tables `ad_wordings` and `ads_with_facts`.

    Also numbers the products that share a short name, so that their texts differ (wordings.py). Nothing is done if the
    tables were already made from the same sources and settings.

    Args:
        config: Settings of write_ads.
        store: The warehouse.
        report: The run's report; it records the versions that were read and written.

    Returns:
        A sentence about repairs of the two tables: changes by other programs that were undone, damaged files; "" if
        none.

    Raises:
        UserError: There are no products, or no segments.
        GateRefused: The table `ads_with_facts` would shrink too far.
        Superseded: Another run wrote a table meanwhile.
    """
    products = store.require(PRODUCTS, (*CONTENT, *_OTHERS))
    offered = store.find(OFFERS.name)
    if offered is not None:
        offered = store.require(OFFERS, offers.COLUMNS)
    sources = [products, *([] if offered is None else [offered])]
    report.tables |= {source.name: {"read": source.version} for source in sources}
    undone = []
    damaged: dict[str, Any] = {}
    for table in (AD_WORDINGS, ADS_WITH_FACTS):
        damaged[table.name], said = put_in_order(store, table, report.run_id)
        undone.append(said)
    segments = segment_names(config, store)
    origin = _origin(config, sources, segments)
    before, wordings = store.find(ADS_WITH_FACTS.name), store.find(AD_WORDINGS.name)
    if before is not None and not any(undone) and before.metadata.get("origin") == origin:
        report.tables[ADS_WITH_FACTS.name] = {"read": before.version}
        return ""
    start_ray()
    with report.stage("join") as stage, Publication(store, report.run_id) as publication:
        advertised = _advertised(config, products, offered)
        rows = numbered(
            [row.wording(channel) for row in advertised for channel in config.channels],
            {} if damaged[AD_WORDINGS.name] else _known(wordings),
            lambda channel, language: plan.capacity(channel, language, config.variants),
        )
        metadata = {"job": report.job, "run_id": report.run_id, "origin": origin}
        publication.add(AD_WORDINGS, _write(store, AD_WORDINGS.name, report.run_id, [_wording_table(rows, report)]))
        publication.commit(AD_WORDINGS, metadata, check=unless_changed(wordings.files if wordings else ()))
        crash_point("wordings_written")
        written = _written(store, report, advertised, rows, (segments, config.channels))
        stage.rows = sum(file.rows for file in written)
        publication.add(ADS_WITH_FACTS, written)
        read = rows_of({PRODUCTS.name: products, OFFERS.name: offered})
        refuse_if_failed(publication.judge(ADS_WITH_FACTS, config.gates.rows, read, before, sized=False))
        done = publication.commit(ADS_WITH_FACTS, metadata, check=unless_changed(before.files if before else ()))
    for table in (AD_WORDINGS, ADS_WITH_FACTS):
        move_away(store, table, damaged[table.name])
    report.tables[ADS_WITH_FACTS.name] = {"written": done.version}
    return "; ".join(filter(None, undone))


def segment_names(config: WriteAdsConfig, store: Store) -> tuple[str, ...]:
    """Return the names of the segments in alphabetical order; nothing else about segments is read.

    They are the names in the settings; if there are none, those in the table `user_segments`; without that table, those
    that the table `user_profiles` can contain.

    Args:
        config: Settings of write_ads.
        store: The warehouse.

    Raises:
        UserError: The table `user_segments` names no segment.
    """
    if config.segments:
        return tuple(sorted(config.segments))
    table = store.find(_SEGMENTS_TABLE)
    if table is None or "segment" not in table.schema.names:
        return tuple(sorted(SEGMENTS))
    names: set[str] = set()
    for file in table.files:  # file by file, because the table has a row per user and day
        segments = files.read(file.uri, table.select(["segment"]), file.partition)["segment"]
        names |= {str(name) for name in segments.unique().to_pylist() if name}
    if not names:
        raise UserError(f"table {_SEGMENTS_TABLE!r} names no segment; name some: segments=[new_customers,loyal]")
    return tuple(sorted(names))


def _origin(config: WriteAdsConfig, sources: Sequence[Snapshot], segments: Sequence[str]) -> dict[str, Any]:
    """Return everything that the tables depend on: versions of code and words, settings, sources.

    It is stored with the tables; if it is equal, they need not be made again.
    """
    include = {"channels", "languages", "markets", "variants", "timezone", "available_only", "with_offer_only"}
    conf = config.model_dump(mode="json", include=include) | {"day": config.day.isoformat(), "segments": [*segments]}
    made_from = {s.name: {"table_id": s.table_id, "version": s.version} for s in sources}
    versions = [VERSION, offers.VERSION, plan.VERSION, plan.words_identity()]
    return {"version": versions, "conf": conf, "sources": made_from}


def _known(wordings: Snapshot | None) -> dict[tuple[str, str, str], Wording]:
    """Return the present rows of `ad_wordings` as {`Wording.key`: row}; {} if there is no table."""
    if wordings is None:
        return {}
    names = [name for name in AD_WORDINGS.names if name != "run_id"]
    rows = [Wording(**row) for row in wordings.read(names).to_pylist()]
    return {row.key: row for row in rows}


def _advertised(config: WriteAdsConfig, products: Snapshot, offered: Snapshot | None) -> list[Advertised]:
    """Find the products that are advertised on the day, with what their ads may state; computed in Ray tasks.

    Args:
        config: Settings of write_ads.
        products: The table `products`.
        offered: The table `offers`; None if there is none.

    Returns:
        One Advertised per product, in the order of the product ids.
    """
    rows = products.read([*CONTENT, *_OTHERS])
    rows = rows.take(pa.array(_newest(rows, "product_id")))
    of_product: dict[str, list[dict[str, Any]]] = {}
    if offered is not None:
        known = offered.read(list(offers.COLUMNS))
        for row in known.take(pa.array(_newest(known, "offer_id"))).to_pylist():
            of_product.setdefault(row["product_id"], []).append(row)
    task, there = ray.remote(advertise), ray.put(config)
    tasks = []
    for start in range(0, rows.num_rows, _CHUNK):
        part = rows.slice(start, _CHUNK)
        own = {p: of_product[p] for p in part["product_id"].to_pylist() if p in of_product}
        tasks.append(task.remote(part, own, there))
    return [row for part in ray.get(tasks) for row in part]


def _newest(rows: pa.Table, key: str) -> list[int]:
    """Return the row numbers of the newest rows (latest `updated_at`), one per key and sorted by key.

    Args:
        rows: A table with the key column and updated_at.
        key: Name of the key column; rows without a key are ignored.
    """
    both = pl.DataFrame({"key": pl.from_arrow(rows[key]), "at": pl.from_arrow(rows["updated_at"])}).with_row_index("n")
    newest = both.sort("at", "n", nulls_last=False).unique("key", keep="last").drop_nulls("key")
    return newest.sort("key")["n"].to_list()


def advertise(
    rows: pa.Table, of_product: Mapping[str, Sequence[Mapping[str, Any]]], config: WriteAdsConfig
) -> list[Advertised]:
    """Return what the ads of some products may state; run as a Ray task.

    Left out are products in languages without ads; and, if the settings ask for it, products out of stock or without an
    offer.

    Args:
        rows: The columns of CONTENT and `_OTHERS` of `products`, one row per product.
        of_product: {product_id: its rows of `offers`}.
        config: Settings of write_ads.
    """
    advertised = []
    columns = (rows[name].to_pylist() for name in ("product_id", "language", "market", "availability"))
    for facts, product, declared, market, stock in zip(known_facts(rows.select(CONTENT)), *columns, strict=True):
        language = language_of(facts, declared)
        if language not in config.languages or (config.available_only and stock == "out_of_stock"):
            continue
        sold_in = market or config.markets.get(language, "")
        offer = offers.chosen(of_product.get(product, ()), sold_in, config.day, config.zone)
        if offer is None and config.with_offer_only:
            continue
        rooms = {name: channels()[name].name_room[language] for name in config.channels}
        names: dict[str, str | None] = {name: short_name(facts, language, room) for name, room in rooms.items()}
        advertised.append(Advertised(product, language, sold_in, stored(facts), names, offer))
    return advertised


def language_of(facts: Mapping[str, str | None], declared: str | None) -> str | None:
    """Return the language of a product's ads: "zh" if its name has Chinese characters, else "en".

    It is None if the product has no name, or if `declared` is a language in which no ads are written.

    Args:
        facts: The product's attributes.
        declared: The language in the table `products`; None if unknown.
    """
    name = most_specific_name(facts)
    if not name or (declared is not None and declared.split("-")[0].lower() not in LANGUAGES):
        return None
    return "zh" if is_chinese(name) else "en"


def _wording_table(rows: Sequence[Wording], report: Report) -> pa.Table:
    """Return the numbers that select each product's text variant (see wordings.py) as rows of `ad_wordings`."""
    schema = AD_WORDINGS.file_schema()
    columns = {name: [getattr(row, name) for row in rows] for name in AD_WORDINGS.names if name != "run_id"}
    columns["run_id"] = [report.run_id] * len(rows)
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def _write(store: Store, table: str, run_id: str, pieces: Sequence[pa.Table]) -> list[DataFile]:
    """Write the non-empty pieces as data files of a table, each named by the run and its number."""
    root = store.uri(table)
    return [write_rows(root, f"{run_id}/part-{n:05d}.parquet", rows) for n, rows in enumerate(pieces) if rows.num_rows]


def write_rows(root: str, path: str, rows: pa.Table) -> DataFile:
    """Write rows to a data file and return the description with which a commit adds the file to its table.

    Args:
        root: URI of the table.
        path: Path of the file, relative to `root`.
        rows: The rows, with the columns of the table.
    """
    files.write(f"{root}/{path}", rows)
    return files.describe(root, path, rows.schema)


def _written(
    store: Store,
    report: Report,
    advertised: Sequence[Advertised],
    rows: Sequence[Wording],
    by: tuple[Sequence[str], Sequence[str]],
) -> list[DataFile]:
    """Write the data files of `ads_with_facts` in Ray tasks and return their descriptions.

    Args:
        store: The warehouse.
        report: The run's report, whose run_id names the files.
        advertised: What may be stated about each product.
        rows: The rows of `ad_wordings`, with the number of each product by channel.
        by: (names of the segments, names of the channels).
    """
    numbers = {row.key: row.wording for row in rows if row.live}
    task, root = ray.remote(write_ads_with_facts), store.uri(ADS_WITH_FACTS.name)
    tasks = []
    for start in range(0, len(advertised), _CHUNK):
        part = advertised[start : start + _CHUNK]
        own = [[numbers[row.product_id, row.language, channel] for channel in by[1]] for row in part]
        path = f"{report.run_id}/part-{start // _CHUNK:05d}.parquet"
        tasks.append(task.remote(root, path, report.run_id, part, own, by))
    return [file for file in ray.get(tasks) if file is not None]


def write_ads_with_facts(
    root: str,
    path: str,
    run_id: str,
    advertised: Sequence[Advertised],
    numbers: Sequence[Sequence[int | None]],
    by: tuple[Sequence[str], Sequence[str]],
) -> DataFile | None:
    """Write the rows of some products, one per segment and channel, to one data file of `ads_with_facts`.

    Run as a Ray task. A product is left out of a channel if no wording (number of a text variant, see wordings.py) is
    free for it.

    Args:
        root: URI of the table.
        path: Path of the file, relative to `root`.
        run_id: Id of the run, for the column run_id.
        advertised: What may be stated about each product.
        numbers: For each product its wording in each channel of `by`; None if no number is free.
        by: (names of the segments, names of the channels).

    Returns:
        The description of the file; None if there are no rows.
    """
    segments, shown = by
    made = []
    for row, own in zip(advertised, numbers, strict=True):
        offer = None if row.offer is None else row.offer.text()
        for channel, wording in zip(shown, own, strict=True):
            if wording is None and row.names[channel] is not None:
                continue  # all wordings of the name are in use; the report counts these products
            for segment in segments:
                made.append((
                    f"{segment}:{channel}:{row.language}:{row.product_id}", segment, row.product_id, channel,
                    row.language, row.market, occasion_of(segment), row.names[channel], wording, row.facts, offer,
                    row.offer.offer_id if row.offer else None, _until(row.offer), run_id,
                ))  # fmt: skip
    if not made:
        return None
    schema = ADS_WITH_FACTS.file_schema()
    columns = zip(*made, strict=True)
    arrays = [pa.array(column, f.type) for column, f in zip(columns, schema, strict=True)]
    return write_rows(root, path, pa.table(arrays, schema=schema))


def _until(offer: offers.Offer | None) -> dt.date | None:
    """Return the last day of an offer; None if there is no offer or no end."""
    return None if offer is None or offer.until is None else dt.date.fromisoformat(offer.until)
