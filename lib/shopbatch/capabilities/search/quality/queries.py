"""Reads the judged queries, and splits them by hash into a half to tune on and a half to test on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.capabilities.search.encoder import SearchEncoder
from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.plan import Asked, Plan, plans
from shopbatch.capabilities.search.query_check import MAX_BYTES, refusals
from shopbatch.evaluation.judged import Judged

_CHOOSING = 77  # of 256 hash values: 30 % of the tuning half choose, 70 % train


@dataclass(frozen=True)
class JudgedQuery:
    """A query with its judged products.

    Attributes:
        text: The query as a shopper types it.
        language: ISO 639-1 code from the judgements; None if they have none.
        judged: The grades of the judged products, which are given by their row numbers in the index.
        source: Source of the judgements; of several sources the first one in alphabetical order.
    """

    text: str
    language: str | None
    judged: Judged
    source: str = ""

    @property
    def place(self) -> bytes:
        """Hash of the text (8 bytes). Its last bit decides the half (0: tuning, 1: test).

        Queries are sorted by it, so that a limit on their number selects the same ones in every run.
        """
        return hashlib.blake2b(self.text.encode(), digest_size=8).digest()

    @property
    def is_tuning(self) -> bool:
        """True if the query belongs to the tuning half, False if to the test half."""
        return self.place[-1] % 2 == 0

    @property
    def is_choosing(self) -> bool:
        """True if the query belongs to the 30 % of the tuning half on which no encoder is trained.

        See `finetune_retriever`: these queries choose its best checkpoint and tune the fusion weights.
        """
        return self.is_tuning and self.place[-2] < _CHOOSING


@dataclass(frozen=True)
class Prepared:
    """Judged queries that are planned and embedded, so that every method can search for them.

    Attributes:
        queries: The queries, [n].
        plans: How each query is searched for, [n].
        languages: The language of each query: that of the judgements, else the one that its script reveals, else the
            catalogue's main language, [n].
        vectors: The queries' vectors, as the encoder returns them, float32 [n, dim].
    """

    queries: list[JudgedQuery]
    plans: list[Plan]
    languages: list[str]
    vectors: np.ndarray

    @property
    def texts(self) -> list[str]:
        """The text of each query whose words are looked up, including synonyms."""
        return [plan.words for plan in self.plans]

    def first(self, count: int) -> Prepared:
        """Return the first `count` queries."""
        return Prepared(self.queries[:count], self.plans[:count], self.languages[:count], self.vectors[:count])


def fair_to_tune_on(queries: list[JudgedQuery], encoder: SearchEncoder) -> list[JudgedQuery]:
    """Return the queries of the tuning half on which fusion weights may be tuned.

    If the encoder was trained on judged queries, these are the ones with `is_choosing`, which no training uses. On its
    training queries an encoder looks better than it is, so that its scores would get too much weight.

    Args:
        queries: All judged queries.
        encoder: The encoder of the index.
    """
    return [query for query in queries if (query.is_choosing if encoder.trained else query.is_tuning)]


def read_judgements(
    rows: pa.Table, index: SearchIndex, sources: tuple[str, ...]
) -> tuple[list[JudgedQuery], dict[str, int]]:
    """Group the rows of a table of judgements by query.

    The grades of a source are divided by its greatest grade (0 to 1); a product that several sources judge gets their
    mean.

    Args:
        rows: The columns query, product_id, grade, language and source.
        index: The index in which products are looked up; judgements of other products are ignored.
        sources: Only judgements with one of these values in the column `source` are read; empty: all.

    Returns:
        The queries, ordered by their hashes, and counts of the rows for the report.
    """
    read = pl.DataFrame(rows).with_columns(pl.col("grade").cast(pl.Float64), pl.col("query").str.strip_chars())
    if sources:
        read = read.filter(pl.col("source").is_in(sources))
    greatest = pl.col("grade").max().over("source")
    read = read.with_columns(pl.when(greatest > 0).then(pl.col("grade") / greatest).otherwise(0.0).alias("gain"))
    numbers = pl.DataFrame({"product_id": pl.Series(index.products["product_id"].to_pylist(), dtype=pl.String)})
    known = read.join(numbers.with_row_index("number"), on="product_id")
    known = known.with_columns(pl.lit(_refused(known["query"])).alias("refused"))
    pairs = (
        known.filter(~pl.col("refused"))
        .group_by("query", "language", "number")
        .agg(pl.col("gain").mean(), pl.col("source").min())
    )
    by_query = pairs.sort("number").group_by("query", "language").agg("number", "gain", pl.col("source").min())
    queries = [
        JudgedQuery(text, language, Judged(np.array(numbers, np.int64), np.array(gains)), source or "")
        for text, language, numbers, gains, source in by_query.iter_rows()
    ]
    counts = {
        "judgements": len(read),
        "of products that are not in the index": len(read) - len(known),
        "queries": len(queries),
        "queries that no search can answer": known.filter("refused")["query"].n_unique(),
        "queries without a useful product": sum(not query.judged.useful for query in queries),
    }
    return sorted(queries, key=lambda query: (query.place, query.text, query.language or "")), counts


def _refused(texts: pl.Series) -> pl.Series:
    """Return per text True if a search would reject it as a query."""
    distinct = texts.unique()
    wrong = refusals(distinct.to_arrow().cast(pa.string()), MAX_BYTES).is_valid()
    return texts.is_in(distinct.filter(pl.Series(wrong)).implode())


def prepare(index: SearchIndex, encoder: SearchEncoder, queries: list[JudgedQuery]) -> Prepared:
    """Plan and embed judged queries, so that they can be searched for.

    Args:
        index: The index.
        encoder: The encoder of the index.
        queries: The queries.
    """
    planned = plans([Asked(query.text, query.language) for query in queries], index) if queries else []
    vectors = encoder.embed_queries([query.text for query in queries]) if queries else np.zeros((0, 0), np.float32)
    return Prepared(queries, planned, [plan.language or index.main_language for plan in planned], vectors)
