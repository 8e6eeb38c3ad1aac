"""Writes `ad_wordings` and `ads_with_facts`: products with what their ads may state, by segment and channel.

A changed product or offer changes the rows that it touches and no others, so only these are computed again.
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

VERSION = 1  # of what is joined
_SEGMENTS_TABLE = "user_segments"
_OTHERS = ("product_id", "language", "market", "availability", "updated_at")
_CHUNK = 2_000  # products of one task


@dataclass(frozen=True)
class Advertised:
    """What ads of one product in one language may state. names: by channel, None where none has room."""

    product_id: str
    language: str
    market: str
    facts: str
    names: Mapping[str, str | None]
    offer: offers.Offer | None

    def wording(self, channel: str) -> Wording:
        """Its row of `ad_wordings`, still without a number."""
        offer = "" if self.offer is None else self.offer.text()
        name = self.names[channel]
        said = "\x1f".join([self.market, self.facts, offer, name or ""])
        return Wording(self.product_id, self.language, channel, name, xxhash.xxh3_128_hexdigest(said.encode()))


def join_facts(config: WriteAdsConfig, store: Store, report: Report) -> str:
    """Join products with the offers of the day, give them wordings, and show the rows, unless that was done already.

    Returns:
        What others had done to the tables and was undone; "" for nothing.

    Raises:
        UserError: There are no products, or no segments.
        GateRefused: One of the tables has shrunk too far.
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
    """The names of the segments, in the order of the alphabet; nothing else of them is read."""
    if config.segments:
        return tuple(sorted(config.segments))
    table = store.find(_SEGMENTS_TABLE)
    if table is None or "segment" not in table.schema.names:
        return tuple(sorted(SEGMENTS))
    names: set[str] = set()
    for file in table.files:  # there is a row for every user and day
        segments = files.read(file.uri, table.select(["segment"]), file.partition)["segment"]
        names |= {str(name) for name in segments.unique().to_pylist() if name}
    if not names:
        raise UserError(f"table {_SEGMENTS_TABLE!r} names no segment; name some: segments=[new_customers,loyal]")
    return tuple(sorted(names))


def _origin(config: WriteAdsConfig, sources: Sequence[Snapshot], segments: Sequence[str]) -> dict[str, Any]:
    """What the rows are made from."""
    include = {"channels", "languages", "markets", "variants", "timezone", "available_only", "with_offer_only"}
    conf = config.model_dump(mode="json", include=include) | {"day": config.day.isoformat(), "segments": [*segments]}
    made_from = {s.name: {"table_id": s.table_id, "version": s.version} for s in sources}
    versions = [VERSION, offers.VERSION, plan.VERSION, plan.words_identity()]
    return {"version": versions, "conf": conf, "sources": made_from}


def _known(wordings: Snapshot | None) -> dict[tuple[str, str, str], Wording]:
    if wordings is None:
        return {}
    names = [name for name in AD_WORDINGS.names if name != "run_id"]
    rows = [Wording(**row) for row in wordings.read(names).to_pylist()]
    return {row.key: row for row in rows}


def _advertised(config: WriteAdsConfig, products: Snapshot, offered: Snapshot | None) -> list[Advertised]:
    """What is advertised on the day, in the order of the products' names."""
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
    """Where the newest row of each key stands, in the order of the keys."""
    both = pl.DataFrame({"key": pl.from_arrow(rows[key]), "at": pl.from_arrow(rows["updated_at"])}).with_row_index("n")
    newest = both.sort("at", "n", nulls_last=False).unique("key", keep="last").drop_nulls("key")
    return newest.sort("key")["n"].to_list()


def advertise(
    rows: pa.Table, of_product: Mapping[str, Sequence[Mapping[str, Any]]], config: WriteAdsConfig
) -> list[Advertised]:
    """Say what ads of some products may state.

    Args:
        rows: Columns CONTENT and those beside them, one row a product.
        of_product: Rows of `offers`, by product.
        config: The job's configuration.
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
    """The language of a product's ads: that in whose script it is named; None without a name, or in other languages."""
    name = most_specific_name(facts)
    if not name or (declared is not None and declared.split("-")[0].lower() not in LANGUAGES):
        return None
    return "zh" if is_chinese(name) else "en"


def _wording_table(rows: Sequence[Wording], report: Report) -> pa.Table:
    schema = AD_WORDINGS.file_schema()
    columns = {name: [getattr(row, name) for row in rows] for name in AD_WORDINGS.names if name != "run_id"}
    columns["run_id"] = [report.run_id] * len(rows)
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def _write(store: Store, table: str, run_id: str, pieces: Sequence[pa.Table]) -> list[DataFile]:
    root = store.uri(table)
    return [write_rows(root, f"{run_id}/part-{n:05d}.parquet", rows) for n, rows in enumerate(pieces) if rows.num_rows]


def write_rows(root: str, path: str, rows: pa.Table) -> DataFile:
    """Write rows where they will stay."""
    files.write(f"{root}/{path}", rows)
    return files.describe(root, path, rows.schema)


def _written(
    store: Store,
    report: Report,
    advertised: Sequence[Advertised],
    rows: Sequence[Wording],
    by: tuple[Sequence[str], Sequence[str]],
) -> list[DataFile]:
    """Write the rows of `ads_with_facts` in tasks. by: segments and channels."""
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
    """Write the rows of some products: one a segment and channel. numbers: wordings by product and channel."""
    segments, shown = by
    made = []
    for row, own in zip(advertised, numbers, strict=True):
        offer = None if row.offer is None else row.offer.text()
        for channel, wording in zip(shown, own, strict=True):
            if wording is None and row.names[channel] is not None:
                continue  # every wording of the name is taken: `ad_wordings` says so, and the report counts them
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
    return None if offer is None or offer.until is None else dt.date.fromisoformat(offer.until)
