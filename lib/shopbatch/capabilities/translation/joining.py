"""Writes the tables `product_texts` and `reply_texts`, which hold one row per text to translate.

A changed product, reply or glossary entry changes only the rows of its own texts, so only these are translated again.
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

_CHUNK = 2_000  # source rows per Ray task
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
    """The table that Ray tasks write text rows for, and the values that all these rows share.

    Attributes:
        table: Declaration of the table, PRODUCT_TEXTS or REPLY_TEXTS.
        root: URI of the table's folder.
        run_id: The run that writes the rows.
        default: Language of texts whose language is unknown; None: it stays null.
    """

    table: Table
    root: str
    run_id: str
    default: str | None


def join_texts(config: TranslateRepliesConfig, store: Store, report: Report, table: Table) -> str:
    """Write the table of texts to translate, unless it was already made from the same versions of its source tables.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Report of the run; the table versions read and written are added to it.
        table: The table to write: PRODUCT_TEXTS or REPLY_TEXTS.

    Returns:
        One line that says which changes by other clients were undone and which damaged files were found; "" for none.

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
    """Write the texts of all source tables in Ray tasks of 2,000 rows each.

    Args:
        target: The table to write for.
        parts: {table: snapshot} of the tables whose texts are translated.
        sources: {table: snapshot} of all tables that are read: those in `parts` and, if they exist, `glossary` and
            `products` (for the brands).

    Returns:
        The files written, not yet committed.
    """
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
    """Return the function that turns rows of a source table into texts (`Text`).

    Args:
        name: A key of READ, such as "products".
        brands: {product id: brand}, used for copy and ads, whose tables have no column `brand`.
    """
    if name == "products":
        return texts.product_texts
    if name == "ticket_answers":
        return texts.reply_texts
    return partial(texts.copy_texts if name == "product_descriptions" else texts.ad_texts, brands=brands)


@ray.remote
def write_texts(target: Target, path: str, rows: pa.Table, read: Read, glossary: Glossary) -> DataFile | None:
    """Write the texts of some source rows as one Parquet file, in its final place; runs as a Ray task.

    Args:
        target: The table to write for.
        path: Path of the file, relative to the table.
        rows: Rows of the source table.
        read: Turns the rows into texts, see `reader_of`.
        glossary: The shop's glossary.

    Returns:
        The file, not yet committed; None if no row has a text with a word.
    """
    schema = target.table.file_schema()
    made = texts.rows_of([*read(rows.to_pylist())], schema, glossary, target.default, target.run_id)
    if not made.num_rows:
        return None
    files.write(f"{target.root}/{path}", made)
    return files.describe(target.root, path, schema)


def _newest(rows: pa.Table) -> list[int]:
    """Return the row numbers of the newest row (by `updated_at`) of each product, sorted by product id.

    Of rows with equal `updated_at` the last one is taken. Rows without a product id are left out.
    """
    both = pl.DataFrame({"key": pl.from_arrow(rows["product_id"]), "at": pl.from_arrow(rows["updated_at"])})
    numbered = both.with_row_index("n").sort("at", "n", nulls_last=False)
    return numbered.unique("key", keep="last").drop_nulls("key").sort("key")["n"].to_list()


def _brands(sources: Mapping[str, Snapshot]) -> dict[str, str]:
    """Return {product id: brand} of the products with a brand; {} if there is no table `products`."""
    if PRODUCTS.name not in sources:
        return {}
    rows = pl.DataFrame(sources[PRODUCTS.name].read(["product_id", "brand"])).drop_nulls()
    return dict(zip(rows["product_id"].to_list(), rows["brand"].to_list(), strict=True))
