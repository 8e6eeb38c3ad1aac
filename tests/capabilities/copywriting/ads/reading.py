"""Writes ads of the hand-written catalogue, holds them against the checker, and prints some to be read.

python -m tests.capabilities.copywriting.ads.reading en 60 1           # language, ads to print, seed of the draw
python -m tests.capabilities.copywriting.ads.reading groceries 60 1    # of the real sample, which has no titles

Of the groceries it also prints how many products have no wording of their own, by channel, and writes ads of 600.
"""

from __future__ import annotations

import random
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq

from shopbatch.capabilities.copywriting.ads import joining
from shopbatch.capabilities.copywriting.ads.config import WriteAdsConfig
from shopbatch.capabilities.copywriting.ads.plan import capacity
from shopbatch.capabilities.copywriting.ads.wordings import numbered
from shopbatch.sample import real, real_tables
from shopbatch.tables.products import PRODUCTS
from tests.capabilities.copywriting.ads import checker, workshop

SEGMENTS = ("new_customers", "loyal", "at_risk", "promising")  # one an occasion


def groceries(seed: int) -> pa.Table:
    """Some groceries of the real sample, after saying how many of all have no wording of their own."""
    folder = real._groceries()
    bought = real_tables._transactions(pq.read_table(folder / "transactions.parquet"))
    known = pq.read_table(folder / "products.parquet")
    products = real_tables._groceries_products(known, real_tables.usual_prices(bought))
    products = PRODUCTS.fill(products.num_rows, **{name: products[name] for name in products.column_names})
    config = WriteAdsConfig()
    advertised = joining.advertise(products, {}, config)
    wanted = [row.wording(channel) for row in advertised for channel in config.channels]
    rows = numbered(wanted, {}, lambda c, x: capacity(c, x, config.variants))
    without = Counter(row.channel for row in rows if row.wording is None)
    shares = {channel: f"{without[channel] / max(len(advertised), 1):.0%}" for channel in config.channels}
    print(f"{len(advertised):,} groceries; without a wording of their own: {shares}")
    return products.take(pa.array(random.Random(seed).sample(range(products.num_rows), 600)))


def main(language: str, shown: int, seed: int) -> None:
    """Print the counts, what the checker found, and a sample."""
    products = groceries(seed) if language == "groceries" else workshop.catalogue(language)
    offers = workshop.offers_of(products)
    shop = {"zh": "枫叶小店"}.get(language, "Maple Shop")
    ads, rejected, _ = workshop.written(products, offers, shop=shop, segments=SEGMENTS)
    found = checker.problems(ads, products.to_pylist(), offers, workshop.DAY)
    texts = [(ad["channel"], ad["occasion"], variant) for ad in ads for variant in ad["variants"]]
    reasons = dict(Counter(row["reason"] for row in rejected))
    print(
        f"{products.num_rows} products, {len(ads)} ads, {len(texts)} texts, rejected {reasons}, problems {len(found)}"
    )
    print(*found[:20], sep="\n")
    for channel, occasion, variant in random.Random(seed).sample(texts, shown):
        title = f"{variant['title']} // " if variant["title"] else ""
        print(f"{channel}, {occasion}: {title}{variant['text']}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
