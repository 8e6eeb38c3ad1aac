"""Ads of a shop in this process, without Ray and without tables: the same functions as the job's, row by row."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import resources
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.copywriting.ads import joining, plan
from shopbatch.capabilities.copywriting.ads.config import WriteAdsConfig
from shopbatch.capabilities.copywriting.ads.run import ad_spec
from shopbatch.capabilities.copywriting.ads.wordings import Wording, numbered
from shopbatch.capabilities.copywriting.ads.words import occasion_of
from shopbatch.runs.report import Report
from shopbatch.tables.offers import OFFERS
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.store import Store

DAY = dt.date(2024, 11, 20)
Before = Mapping[tuple[str, str, str], Wording]


def at(day: int, month: int = 12, hour: int = 0) -> dt.datetime:
    return dt.datetime(2024, month, day, hour, tzinfo=dt.UTC)


def offers_of(products: pa.Table, every: int = 3) -> list[dict[str, Any]]:
    """An offer for every third product: with and without price before, per cent, code, terms and end."""
    rows = []
    for n, row in enumerate(products.to_pylist()):
        if n % every:
            continue
        price = (row["price"] * Decimal("0.8")).quantize(Decimal("0.01"))
        rows.append(offer(
            f"o{n}", row["product_id"], currency=row["currency"], price=None if n % 4 == 0 else price,
            former_price=row["price"] if n % 2 else None, percent=Decimal(20) if n % 4 == 0 else None,
            code="HELLO20" if n % 5 == 0 else None, terms="One per customer" if n % 7 == 0 else None,
            ends_at=None if n % 11 == 0 else at(6),
        ))  # fmt: skip
    return rows


def offer(name: str, product: str, **values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(OFFERS.names), "offer_id": name, "product_id": product, "starts_at": at(1, 11), **values}


def product(name: str, title: str, **values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(PRODUCTS.names), "product_id": name, "title": title, **values}


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    columns = {c.name: pa.array([row[c.name] for row in rows], c.type) for c in PRODUCTS.columns}
    return PRODUCTS.fill(len(rows), **columns)


def written(
    products: pa.Table, offers: Sequence[Mapping[str, Any]] = (), before: Before | None = None, **settings: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[tuple[str, str, str], Wording]]:
    """Published ads, rejected rows with their `reason`, and the table of wordings by key."""
    config = WriteAdsConfig.model_validate({"send_on": DAY, "segments": ("new_customers", "at_risk")} | settings)
    of_product: dict[str, list[Any]] = {}
    for row in offers:
        of_product.setdefault(row["product_id"], []).append(row)
    advertised = joining.advertise(products, of_product, config)
    wanted = [row.wording(channel) for row in advertised for channel in config.channels]
    rows = numbered(wanted, before or {}, lambda c, x: plan.capacity(c, x, config.variants))
    numbers = {row.key: row.wording for row in rows}
    source = [
        {
            "ad_id": f"{segment}:{channel}:{row.language}:{row.product_id}", "segment": segment,
            "product_id": row.product_id, "channel": channel, "language": row.language, "market": row.market,
            "occasion": occasion_of(segment), "name": row.names[channel],
            "wording": numbers[row.product_id, row.language, channel], "facts": row.facts,
            "offer": row.offer.text() if row.offer else None, "offer_id": row.offer.offer_id if row.offer else None,
            "valid_until": dt.date.fromisoformat(row.offer.until) if row.offer and row.offer.until else None,
        }
        for row in advertised for channel in config.channels for segment in config.segments
        if row.names[channel] is None or numbers[row.product_id, row.language, channel] is not None
    ]  # fmt: skip
    return *published(config, source), {row.key: row for row in rows}


def published(
    config: WriteAdsConfig, source: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    spec = ad_spec(config, Store("/nowhere"), Report(job="write_ads"))
    stage, names = spec.stage, spec.source.schema()
    rows = pa.table({n: pa.array([r[n] for r in source], names.field(n).type) for n in source[0]})
    checked = stage.check(rows.select(stage.content)).to_pylist()
    good = [n for n, reason in enumerate(checked) if reason is None]
    passing = rows.take(pa.array(good, pa.int64()))
    raw = stage.open().run(passing.select(stage.content), np.ones(len(good), np.int8))
    for n, verdict in zip(good, stage.judge(raw).to_pylist(), strict=True):
        checked[n] = verdict
    kept = [n for n, i in enumerate(good) if checked[i] is None]
    passed, raw = passing.take(pa.array(kept, pa.int64())), raw.take(pa.array(kept, pa.int64()))
    columns = {n: passed[n] for n in ("ad_id", *stage.passthrough_columns)} | stage.publish(passed, raw)
    rejected = [{**row, "reason": reason} for row, reason in zip(source, checked, strict=True) if reason]
    return pa.table(columns).to_pylist(), rejected


def catalogue(language: str) -> pa.Table:
    """The hand-written catalogue of a language as products with prices."""
    lines = resources.files("tests.capabilities.copywriting").joinpath(f"catalogue.{language}.jsonl")
    rows = []
    for number, line in enumerate(lines.read_text("utf-8").splitlines()):
        facts = json.loads(line)
        entries = [(name.split(".", 1)[1], value) for name, value in facts.items() if name.startswith("attributes.")]
        columns = {name: value for name, value in facts.items() if not name.startswith("attributes.")}
        price = Decimal(999 + 731 * number % 20_000) / 100
        currency = "CNY" if language == "zh" else "USD"
        title = columns.pop("title", None)
        rows.append(product(f"p{number}", title, attributes=entries or None, price=price, currency=currency, **columns))
    return table(rows)
