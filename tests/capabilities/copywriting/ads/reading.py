"""Writes ads of the hand-written catalogue, holds them against the checker, and prints some to be read.

python -m tests.capabilities.copywriting.ads.reading en 60 1    # language, ads to print, seed of the draw
"""

from __future__ import annotations

import random
import sys
from collections import Counter

from tests.capabilities.copywriting.ads import checker, workshop

SEGMENTS = ("new_customers", "loyal", "at_risk", "promising")  # one an occasion


def main(language: str, shown: int, seed: int) -> None:
    """Print the counts, what the checker found, and a sample."""
    products = workshop.catalogue(language)
    offers = workshop.offers_of(products)
    shop = {"en": "Maple Shop", "zh": "枫叶小店"}[language]
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
