"""Judged queries, and clicks if asked for -> training examples: a query, a useful product, and hard negatives.

Of the judged queries only those of the tuning half take part: 70 % train, 30 % say which weights are best and tune the
fusion. A query that resembles one of the test half, or one that chooses, is not trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.product_text import encoder_text
from shopbatch.capabilities.search.quality.queries import JudgedQuery, read_judgements
from shopbatch.capabilities.search.retriever.config import PairsConfig
from shopbatch.evaluation.judged import Judged
from shopbatch.evaluation.near_duplicates import near_duplicates
from shopbatch.training.contrast import useful_keys
from shopbatch.warehouse import files
from shopbatch.warehouse.snapshot import Snapshot

EXAMPLES = pa.schema(
    [
        ("query", pa.string()),
        ("number", pa.int32()),
        ("products", pa.list_(pa.int32())),
        ("texts", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class Groups:
    """The queries by what they are for.

    Attributes:
        train, val: Those that are trained on, and those that choose.
        tuning, test: All judged ones of either half.
        alike: How many were left out since they resemble one that is not trained on.
    """

    train: list[JudgedQuery]
    val: list[JudgedQuery]
    tuning: list[JudgedQuery]
    test: list[JudgedQuery]
    alike: int = 0

    @classmethod
    def of(cls, queries: Sequence[JudgedQuery], clicked: Sequence[JudgedQuery] = ()) -> Groups:
        """Split judged queries, and add those that are only known from clicks to those that are trained on."""
        val = [query for query in queries if query.is_choosing]
        tuning, test = ([query for query in queries if query.is_tuning == half] for half in (True, False))
        train = _joined([query for query in tuning if not query.is_choosing], clicked)
        alike = near_duplicates([query.text for query in [*val, *test]], [query.text for query in train])
        kept = [query for query, same in zip(train, alike.tolist(), strict=True) if not same]
        return cls(kept, val, tuning, test, int(alike.sum()))


def _joined(judged: Sequence[JudgedQuery], clicked: Sequence[JudgedQuery]) -> list[JudgedQuery]:
    """Make one query of all of the same text: what was judged is not changed by a click."""
    by_text: dict[str, JudgedQuery] = {}
    for query in (*judged, *clicked):
        known = by_text.get(query.text)
        if known is None:
            by_text[query.text] = query
            continue
        gains = dict(zip(query.judged.products.tolist(), query.judged.gains.tolist(), strict=True))
        gains |= dict(zip(known.judged.products.tolist(), known.judged.gains.tolist(), strict=True))
        by_text[query.text] = replace(known, judged=Judged.of(gains))
    return sorted(by_text.values(), key=lambda query: (query.place, query.text))


def clicked_queries(events: Snapshot, index: SearchIndex, least: int) -> list[JudgedQuery]:
    """Return queries with the products that were opened from them in so many visits; queries of the test half and
    those that choose are left out.

    Args:
        events: A snapshot of `events`.
        index: The index that the products are looked up in.
        least: Fewest visits.
    """
    rows = files.scan([file.uri for file in events.files], events.schema)
    visit = pl.coalesce("session_id", "user_id", "event_id")  # as judge_by_clicks tells visits and queries apart
    text = pl.col("query").str.strip_chars().str.to_lowercase()
    opened = rows.filter(pl.col("event_type") == "view", text.str.len_bytes() > 0, pl.col("product_id").is_not_null())
    pairs = (
        opened.select(text.alias("text"), "product_id", visit.alias("visit"))
        .group_by("text", "product_id")
        .agg(pl.col("visit").n_unique().alias("visits"))
        .filter(pl.col("visits") >= least)
        .collect(engine="streaming")
    )
    ids = pl.Series(index.products["product_id"].to_pylist(), dtype=pl.String)
    numbers = pl.DataFrame({"product_id": ids}).with_row_index("number")
    by_query = pairs.join(numbers, on="product_id").group_by("text").agg("number").sort("text")
    looked_up = [
        JudgedQuery(text, None, Judged.of(dict.fromkeys(numbers, 1.0)), "clicks")
        for text, numbers in by_query.iter_rows()
    ]
    return [query for query in looked_up if query.is_tuning and not query.is_choosing]


def judged_by_clicks(judgements: Snapshot, index: SearchIndex) -> list[JudgedQuery]:
    """Return the queries of `search_judgements`; those of the test half and those that choose are left out."""
    rows = judgements.read(["query", "product_id", "grade", "language", "source"])
    queries, _ = read_judgements(rows, index, ())
    return [query for query in queries if query.is_tuning and not query.is_choosing]


@dataclass(frozen=True)
class Examples:
    """Makes training examples.

    Attributes:
        index: The published index: its words find hard negatives.
        config: Which examples.
        seed: Seed of what is drawn.
    """

    index: SearchIndex
    config: PairsConfig
    seed: int

    @cached_property
    def texts(self) -> list[str]:
        """What the encoder reads of each product, [products]."""
        return list(encoder_text(self.index.products).to_pylist())

    @cached_property
    def numbers(self) -> np.ndarray:
        """The number of each product's text, int32 [products]: products of equal texts have one number."""
        coded = pa.array(self.texts, pa.string()).dictionary_encode()
        return np.asarray(coded.indices.to_numpy(), np.int32)

    def useful(self, numbers: Mapping[str, int], queries: Sequence[JudgedQuery]) -> np.ndarray:
        """Return the pairs of a query and a useful product, as `training.contrast.useful_keys` makes them."""
        of, products = [], []
        for query in queries:
            here = self.numbers[query.judged.products[query.judged.gains > 0]]
            of.append(np.full(len(here), numbers[query.text]))
            products.append(here)
        none = np.zeros(0, np.int64)
        return useful_keys(np.concatenate([none, *of]), np.concatenate([none, *products]), len(self.texts))

    def table(
        self, numbers: Mapping[str, int], queries: Sequence[JudgedQuery], per_query: int | None = None
    ) -> pa.Table:
        """Return the examples of some queries, with the columns of EXAMPLES, in the order of the queries.

        Args:
            numbers: The number of each query's text.
            queries: The queries.
            per_query: Most examples of a query; None for `pairs.per_query`.
        """
        most = self.config.per_query if per_query is None else per_query
        rows: list[tuple[str, int, list[int], list[str]]] = []
        terms = self.index.lexical.look_up([query.text for query in queries])
        for query, looked_up in zip(queries, terms, strict=True):
            draw = np.random.default_rng([self.seed, int.from_bytes(query.place, "little")])
            wanted = query.judged.products[query.judged.gains >= self.config.grade]
            wanted = draw.permutation(wanted)[:most]
            near, _ = (
                self.index.lexical.top(looked_up, self.config.hard_depth) if self.config.hard else (wanted[:0], None)
            )
            hard = draw.permutation(self._not_useful(near, query))
            for turn, product in enumerate(wanted.tolist()):
                # the examples of a query take their negatives in turn, so that as many as possible take part
                taken = np.roll(hard, -turn * self.config.hard)[: self.config.hard].tolist()
                chosen = [product, *taken]
                rows.append(
                    (query.text, numbers[query.text], self.numbers[chosen].tolist(), [self.texts[p] for p in chosen])
                )
        columns: list[Any] = list(zip(*rows, strict=True)) or [()] * len(EXAMPLES)
        return pa.table([pa.array(c, f.type) for c, f in zip(columns, EXAMPLES, strict=True)], schema=EXAMPLES)

    def _not_useful(self, products: np.ndarray, query: JudgedQuery) -> np.ndarray:
        """The products whose text is that of no useful product, each text once."""
        known = self.numbers[query.judged.products[query.judged.gains > 0]]
        _, first = np.unique(self.numbers[products], return_index=True)
        once = products[np.sort(first)]
        return once[~np.isin(self.numbers[once], known)]


def numbered(queries: Sequence[JudgedQuery]) -> dict[str, int]:
    """Number the texts of queries."""
    return {text: number for number, text in enumerate(sorted({query.text for query in queries}))}


def digest_of_products(index: SearchIndex, contents: Sequence[str]) -> str:
    """Digest what is read of the products of an index: their ids and contents, but no vector."""
    hashed = hashlib.blake2b(digest_size=16)
    for product, content in zip(index.products["product_id"].to_pylist(), contents, strict=True):
        hashed.update(f"{len(product)}:{product}{content}".encode())
    return hashed.hexdigest()
