"""Makes training examples from judged queries (and clicks): a query, a useful product, and hard negatives.

Only judged queries of the tuning half are used: 70 % are trained on; the other 30 % choose the best checkpoint and tune
the fusion. A query is not trained on if it resembles one of these 30 % or one of the test half. The job
`finetune_retriever` uses the examples.
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
    """The judged queries by their use.

    Attributes:
        train: The queries that are trained on, including those known from clicks.
        val: The queries of the tuning half on which the checkpoints are compared, to choose the best.
        tuning: All judged queries of the tuning half.
        test: All judged queries of the test half.
        alike: How many queries are not trained on because they resemble one of `val` or `test`.
    """

    train: list[JudgedQuery]
    val: list[JudgedQuery]
    tuning: list[JudgedQuery]
    test: list[JudgedQuery]
    alike: int = 0

    @classmethod
    def of(cls, queries: Sequence[JudgedQuery], clicked: Sequence[JudgedQuery] = ()) -> Groups:
        """Split judged queries by their use.

        Args:
            queries: The judged queries.
            clicked: Queries with useful products from clicks; they are only trained on.
        """
        val = [query for query in queries if query.is_choosing]
        tuning, test = ([query for query in queries if query.is_tuning == half] for half in (True, False))
        train = _joined([query for query in tuning if not query.is_choosing], clicked)
        alike = near_duplicates([query.text for query in [*val, *test]], [query.text for query in train])
        kept = [query for query, same in zip(train, alike.tolist(), strict=True) if not same]
        return cls(kept, val, tuning, test, int(alike.sum()))


def _joined(judged: Sequence[JudgedQuery], clicked: Sequence[JudgedQuery]) -> list[JudgedQuery]:
    """Merge queries with the same text; a grade from `judged` is never changed by a click."""
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
    """Return queries of shoppers with the products that were opened from their results, as queries to train on.

    Left out are queries of the test half, and queries that choose the best checkpoint (`JudgedQuery.is_choosing`).

    Args:
        events: A snapshot of `events`.
        index: The index that products are looked up in.
        least: Least number of visits in which a product was opened from a query.
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
    """Return the judged queries of the table `search_judgements` that may be trained on.

    Left out are queries of the test half, and queries that choose the best checkpoint (`JudgedQuery.is_choosing`).

    Args:
        judgements: A snapshot of `search_judgements`.
        index: The index that products are looked up in.
    """
    rows = judgements.read(["query", "product_id", "grade", "language", "source"])
    queries, _ = read_judgements(rows, index, ())
    return [query for query in queries if query.is_tuning and not query.is_choosing]


@dataclass(frozen=True)
class Examples:
    """Makes the training examples of a catalogue.

    Attributes:
        index: The published index; its lexical part finds hard negatives.
        config: Which queries and products become examples.
        seed: Seed of the random choices.
    """

    index: SearchIndex
    config: PairsConfig
    seed: int

    @cached_property
    def texts(self) -> list[str]:
        """The text of each product that the encoder reads, [products]."""
        return list(encoder_text(self.index.products).to_pylist())

    @cached_property
    def numbers(self) -> np.ndarray:
        """The index of each product's text among the distinct texts, int32 [products]; equal texts share an index."""
        coded = pa.array(self.texts, pa.string()).dictionary_encode()
        return np.asarray(coded.indices.to_numpy(), np.int32)

    def useful(self, numbers: Mapping[str, int], queries: Sequence[JudgedQuery]) -> np.ndarray:
        """Return all pairs of a query and a useful product as sorted keys (see `training.contrast.useful_keys`).

        With them the training recognises products that must not count as negatives of a query.

        Args:
            numbers: The number of each query's text.
            queries: The queries.
        """
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
        """Return the training examples of queries, in the order of the queries.

        Args:
            numbers: The number of each query's text.
            queries: The queries.
            per_query: Number of examples of a query, at most; None: `pairs.per_query`.

        Returns:
            The columns of EXAMPLES: query, number (of its text), and the numbers and texts of the useful product
            followed by its hard negatives (`products`, `texts`).
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
                # a query's examples take different negatives in turn, so that as many as possible are used
                taken = np.roll(hard, -turn * self.config.hard)[: self.config.hard].tolist()
                chosen = [product, *taken]
                rows.append(
                    (query.text, numbers[query.text], self.numbers[chosen].tolist(), [self.texts[p] for p in chosen])
                )
        columns: list[Any] = list(zip(*rows, strict=True)) or [()] * len(EXAMPLES)
        return pa.table([pa.array(c, f.type) for c, f in zip(columns, EXAMPLES, strict=True)], schema=EXAMPLES)

    def _not_useful(self, products: np.ndarray, query: JudgedQuery) -> np.ndarray:
        """Drop products whose text equals that of a useful product of the query, and keep each other text once."""
        known = self.numbers[query.judged.products[query.judged.gains > 0]]
        _, first = np.unique(self.numbers[products], return_index=True)
        once = products[np.sort(first)]
        return once[~np.isin(self.numbers[once], known)]


def numbered(queries: Sequence[JudgedQuery]) -> dict[str, int]:
    """Number the distinct texts of queries, in alphabetical order from 0; returns number by text."""
    return {text: number for number, text in enumerate(sorted({query.text for query in queries}))}


def digest_of_products(index: SearchIndex, contents: Sequence[str]) -> str:
    """Return a digest of an index's products (ids and content hashes, no vectors), 32 hex digits.

    Args:
        index: The index.
        contents: The content hash of each product, [products].
    """
    hashed = hashlib.blake2b(digest_size=16)
    for product, content in zip(index.products["product_id"].to_pylist(), contents, strict=True):
        hashed.update(f"{len(product)}:{product}{content}".encode())
    return hashed.hexdigest()
