"""Rows of `judgements` -> judged queries, split into a half to tune on and a half to test on."""

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

_CHOOSING = 77  # of 256: 30 % of the tuning half choose, 70 % train


@dataclass(frozen=True)
class JudgedQuery:
    """A query with its judgements.

    Attributes:
        text: What a shopper types.
        language: As the judgements say it; None where they do not.
        judged: The judgements, by the products' numbers in the index.
        source: Who judged it; of several sources the first one in the alphabet.
    """

    text: str
    language: str | None
    judged: Judged
    source: str = ""

    @property
    def place(self) -> bytes:
        """A hash of the text: its last bit says the half, its order which queries are taken."""
        return hashlib.blake2b(self.text.encode(), digest_size=8).digest()

    @property
    def is_tuning(self) -> bool:
        """Whether it is of the half that is tuned on."""
        return self.place[-1] % 2 == 0

    @property
    def is_choosing(self) -> bool:
        """Whether it is of the share of the tuning half that no encoder is trained on (see finetune_retriever)."""
        return self.is_tuning and self.place[-2] < _CHOOSING


@dataclass(frozen=True)
class Prepared:
    """Queries, ready to be searched for.

    Attributes:
        queries: [n].
        plans: How each is searched for.
        languages: The language of each: given, shown by its script, or the catalogue's main one.
        vectors: As the encoder gives them, float32 [n, dim].
    """

    queries: list[JudgedQuery]
    plans: list[Plan]
    languages: list[str]
    vectors: np.ndarray

    @property
    def texts(self) -> list[str]:
        """The texts whose words are looked up."""
        return [plan.words for plan in self.plans]

    def first(self, count: int) -> Prepared:
        """Return the first queries."""
        return Prepared(self.queries[:count], self.plans[:count], self.languages[:count], self.vectors[:count])


def fair_to_tune_on(queries: list[JudgedQuery], encoder: SearchEncoder) -> list[JudgedQuery]:
    """Return the queries of the tuning half that weights are tuned on.

    An encoder looks better than it is on queries that it was trained on, and would get too much weight: for such an
    encoder only the others count.
    """
    return [query for query in queries if (query.is_choosing if encoder.trained else query.is_tuning)]


def read_judgements(
    rows: pa.Table, index: SearchIndex, sources: tuple[str, ...]
) -> tuple[list[JudgedQuery], dict[str, int]]:
    """Collect the judgements of each query.

    The grades of a source are divided by its greatest one; a product that several sources judge has their mean.

    Args:
        rows: query, product_id, grade, language and source.
        index: The index that the products are looked up in.
        sources: The sources that count; empty: all.

    Returns:
        The queries, in the order of their hashes, and counts of what was read.
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
    """Whether each text is a query that a search rejects."""
    distinct = texts.unique()
    wrong = refusals(distinct.to_arrow().cast(pa.string()), MAX_BYTES).is_valid()
    return texts.is_in(distinct.filter(pl.Series(wrong)).implode())


def prepare(index: SearchIndex, encoder: SearchEncoder, queries: list[JudgedQuery]) -> Prepared:
    """Plan and embed queries."""
    planned = plans([Asked(query.text, query.language) for query in queries], index) if queries else []
    vectors = encoder.embed_queries([query.text for query in queries]) if queries else np.zeros((0, 0), np.float32)
    return Prepared(queries, planned, [plan.language or index.main_language for plan in planned], vectors)
