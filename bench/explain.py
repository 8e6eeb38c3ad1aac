"""Test whether the words that `shopbatch why` names decide the sentiment label: delete them, compute the label again.

From each review it deletes the fifth of its words (at least one) that speak most for the label. For comparison it
deletes as many words at random. It prints how often the label flips, with 95 % intervals, by language.

Run: python -m bench.explain WAREHOUSE [--reviews 200]     (a warehouse with reviews and a live sentiment model)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from bench.side_by_side import benchmark

from shopbatch.capabilities.sentiment.explain import Explainer, Word
from shopbatch.capabilities.sentiment.head import NAME, SentimentHead
from shopbatch.core.hashing import digest
from shopbatch.evaluation.paired import difference
from shopbatch.models import registry
from shopbatch.warehouse.store import Store

SHARE = 0.2  # share of a review's words that is deleted


def without(text: str, words: list[Word]) -> str:
    """Return a text without some of its words, with single spaces between the rest.

    Args:
        text: The text.
        words: The words to delete, with their positions in the text.
    """
    for word in sorted(words, key=lambda word: -word.start):
        text = text[: word.start] + text[word.end :]
    return " ".join(text.split())


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Sample reviews of each language by the hash of their ids, delete words, and print how often labels flip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse")
    parser.add_argument("--reviews", type=int, default=200)
    given = parser.parse_args(argv)
    store = Store(given.warehouse)
    head = SentimentHead.load(registry.find(f"{store.root}/_models", f"{NAME}@live").path)
    explainer = Explainer(Path(registry.find(f"{store.root}/_models", head.encoder).path), head)
    reviews = pl.DataFrame(store.snapshot("reviews").read(["review_id", "text", "language"]))
    reviews = reviews.filter(pl.col("text").str.len_chars() > 20).drop_nulls("language")
    for (language,), rows in reviews.sort("review_id").group_by("language", maintain_order=True):
        order = np.argsort([digest(key) for key in rows["review_id"]], kind="stable")[: given.reviews]
        flips = []
        for row in order.tolist():
            text, draw = rows["text"][row], np.random.default_rng(row)
            told = explainer.explain(text)
            count = max(1, round(SHARE * len(told.words)))
            if len(told.words) < 2:
                continue
            best = sorted(told.words, key=lambda word: -word.share)[:count]
            random = [told.words[i] for i in draw.choice(len(told.words), count, replace=False)]
            flips.append([explainer.explain(without(text, some)).label != told.label for some in (best, random)])
        values = np.array(flips, float)
        for name, column in zip(
            ("the words that speak most for the label", "as many at random"), values.T, strict=True
        ):
            mean = difference(column, np.zeros(len(column)), 0)
            print(f"{language}, {len(values)} reviews, {name}: {mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}] flip")


if __name__ == "__main__":
    main()
