"""Writes `product_texts` and `reply_texts`: what is to be translated, a row a text.

A changed product, reply or entry of the glossary changes the rows that it touches and no others, so only these are
translated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa
import ray

from shopbatch.capabilities.translation import texts
from shopbatch.capabilities.translation.config import TranslateProductsConfig, TranslateRepliesConfig
from shopbatch.capabilities.translation.glossary import Glossary
from shopbatch.capabilities.translation.texts import Text
from shopbatch.core.crash_points import crash_point
from shopbatch.core.sessions import start_ray
from shopbatch.runs.report import Report
from shopbatch.tables.ads import ADS
from shopbatch.tables.glossary import GLOSSARY
from shopbatch.tables.product_descriptions import PRODUCT_DESCRIPTIONS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.schema import Table
from shopbatch.tables.ticket_answers import TICKET_ANSWERS
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, rows_of, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_CHUNK = 2_000  # rows of one task
GLOSSARY_READ = ("source_language", "target_language", "term", "translation", "forbidden")
READ = {
    "products": ("product_id", "title", "description", "brand", "language", "updated_at"),
    "product_descriptions": ("product_id", "language", "headline", "description", "bullets", "meta_description"),
    "ads": ("ad_id", "product_id", "language", "variants"),
    "ticket_answers": ("ticket_id", "user_id", "language", "reply"),
}
TABLES_READ = {
    "products": PRODUCTS,
    "product_descriptions": PRODUCT_DESCRIPTIONS,
    "ads": ADS,
    "ticket_answers": TICKET_ANSWERS,
}
Read = Callable[[Sequence[Mapping[str, Any]]], Iterator[Text]]


@dataclass(frozen=True)
class Target:
    """Where the rows go, and what holds for all of them."""

    table: Table
    root: str
    run_id: str
    default: str | None


def join_texts(config: TranslateRepliesConfig, store: Store, report: Report, table: Table) -> str:
    """Write the texts that are to be translated, unless that was done already.

    Args:
        config: The job's configuration.
        store: The warehouse.
        report: Is filled.
        table: The table to write: PRODUCT_TEXTS or REPLY_TEXTS.

    Returns:
        What others had done to the table and was undone; "" for nothing.

    Raises:
        UserError: A table or a column is missing.
        GateRefused: One of the tables has shrunk too far.
        Superseded: Another run wrote the table meanwhile.
    """
    names = config.parts if isinstance(config, TranslateProductsConfig) else ("ticket_answers",)
    sources = {name: store.require(TABLES_READ[name], READ[name]) for name in names}
    glossary = store.find(GLOSSARY.name)
    if glossary is not None:
        sources[GLOSSARY.name] = store.require(GLOSSARY, GLOSSARY_READ)
    branded = store.find(PRODUCTS.name) if set(names) & {"product_descriptions", "ads"} else None
    if branded is not None:
        sources[PRODUCTS.name] = store.require(PRODUCTS, READ["products"])
    report.tables |= {name: {"read": source.version} for name, source in sources.items()}
    damaged, undone = put_in_order(store, table, report.run_id)
    before = store.find(table.name)
    made_from = {name: {"table_id": source.table_id, "version": source.version} for name, source in sources.items()}
    origin = {"version": texts.VERSION, "parts": [*names], "default": config.default_source, "sources": made_from}
    if before is not None and not undone and before.metadata.get("origin") == origin:
        report.tables[table.name] = {"read": before.version}
        return undone
    start_ray()
    with report.stage("join") as stage, Publication(store, report.run_id) as publication:
        target = Target(table, store.uri(table.name), report.run_id, config.default_source)
        written = _written(target, {name: sources[name] for name in names}, sources)
        stage.rows = sum(file.rows for file in written)
        publication.add(table, written)
        read = rows_of({**sources, GLOSSARY.name: glossary})
        refuse_if_failed(publication.judge(table, config.gates.rows, read, before, sized=False))
        crash_point("texts_written")
        metadata = {"job": report.job, "run_id": report.run_id, "origin": origin}
        done = publication.commit(table, metadata, check=unless_changed(before.files if before else ()))
    move_away(store, table, damaged)
    report.tables[table.name] = {"written": done.version}
    return undone


def _written(target: Target, parts: Mapping[str, Snapshot], sources: Mapping[str, Snapshot]) -> list[DataFile]:
    terms = sources[GLOSSARY.name].read(list(GLOSSARY_READ)).to_pylist() if GLOSSARY.name in sources else []
    glossary = ray.put(Glossary(terms))
    tasks = []
    for name, source in parts.items():
        rows = source.read(list(READ[name]))
        if name == "products":
            rows = rows.take(pa.array(_newest(rows)))
        brands = _brands(sources) if name in ("product_descriptions", "ads") else {}
        for start in range(0, rows.num_rows, _CHUNK):
            piece = rows.slice(start, _CHUNK)
            own = {p: brands[p] for p in piece["product_id"].to_pylist() if p in brands} if brands else {}
            path = f"{target.run_id}/{name}-{start // _CHUNK:05d}.parquet"
            tasks.append(write_texts.remote(target, path, piece, reader_of(name, own), glossary))
    return [file for file in ray.get(tasks) if file is not None]


def reader_of(name: str, brands: Mapping[str, str]) -> Read:
    """What reads the texts of rows of a table, by its name; brands: of products, where the table does not hold them."""
    if name == "products":
        return texts.product_texts
    if name == "ticket_answers":
        return texts.reply_texts
    return partial(texts.copy_texts if name == "product_descriptions" else texts.ad_texts, brands=brands)


@ray.remote
def write_texts(target: Target, path: str, rows: pa.Table, read: Read, glossary: Glossary) -> DataFile | None:
    """Write the texts of some rows where they will stay."""
    schema = target.table.file_schema()
    made = texts.rows_of([*read(rows.to_pylist())], schema, glossary, target.default, target.run_id)
    if not made.num_rows:
        return None
    files.write(f"{target.root}/{path}", made)
    return files.describe(target.root, path, schema)


def _newest(rows: pa.Table) -> list[int]:
    """Where the newest row of each product stands, in the order of the products."""
    both = pl.DataFrame({"key": pl.from_arrow(rows["product_id"]), "at": pl.from_arrow(rows["updated_at"])})
    numbered = both.with_row_index("n").sort("at", "n", nulls_last=False)
    return numbered.unique("key", keep="last").drop_nulls("key").sort("key")["n"].to_list()


def _brands(sources: Mapping[str, Snapshot]) -> dict[str, str]:
    if PRODUCTS.name not in sources:
        return {}
    rows = pl.DataFrame(sources[PRODUCTS.name].read(["product_id", "brand"])).drop_nulls()
    return dict(zip(rows["product_id"].to_list(), rows["brand"].to_list(), strict=True))
