"""The index in memory: made of rows of product_embeddings and their vectors, asked by queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search.conditions import COLUMNS
from shopbatch.capabilities.search.fusion import Ranked, fuse
from shopbatch.capabilities.search.language_vectors import ROWS, LanguageVectors, means_of
from shopbatch.capabilities.search.lexical import LexicalIndex, QueryTerms, count_terms, weigh
from shopbatch.capabilities.search.product_text import lexical_fields
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.capabilities.search.stated import Stated
from shopbatch.capabilities.search.synonyms import NO_SYNONYMS, Synonyms
from shopbatch.vectors.dense import DenseIndex, quantised

AGAIN = 5  # the best 5 k of a query are scored again from 16 bits


@dataclass(frozen=True)
class SearchIndex:
    """All that a search needs.

    Attributes:
        products: The products' columns COLUMNS, sorted by product_id: a product's number is its place here.
        lexical, dense: The two indexes.
        spoken: What the vectors of a language have in common.
        fusion: How the two scores become one.
        stated: What the products state; None if a query is only words.
        synonyms: What is looked up besides the words of a query.
    """

    products: pa.Table
    lexical: LexicalIndex
    dense: DenseIndex
    spoken: LanguageVectors
    fusion: FusionSettings
    stated: Stated | None = None
    synonyms: Synonyms = NO_SYNONYMS

    @cached_property
    def languages(self) -> tuple[list[str], np.ndarray]:
        """The languages of the products, and the number of each product's language in that list."""
        coded = self.products["language"].combine_chunks().fill_null("und").dictionary_encode()
        return coded.dictionary.to_pylist(), coded.indices.to_numpy()

    def search(
        self,
        terms: Sequence[QueryTerms],
        vectors: np.ndarray,
        languages: Sequence[str | None],
        masks: Sequence[np.ndarray | None],
        k: int,
    ) -> list[Ranked]:
        """Answer queries.

        Args:
            terms: The terms of the queries, as `lexical.look_up` gives them, [n].
            vectors: As the encoder gives them, float32 [n, dim].
            languages: Their languages; None where unknown.
            masks: bool [products] for each: the products that may be returned; None for all.
            k: Most products of an answer.

        Returns:
            The products of each query by their numbers, best first; of equal scores the lower product_id first.
        """
        known = [language or self.main_language for language in languages]
        queries = self.spoken.of_queries(vectors, known, self.shares)
        out: list[Ranked | None] = [None] * len(terms)
        for rows, mask in _by_mask(masks):
            for start in range(0, len(rows), self.dense.batch):
                some = rows[start : start + self.dense.batch]
                dense = self.dense.top(queries[some], self.fusion.depth, mask, AGAIN * k)
                for row, near in zip(some, dense, strict=True):
                    out[row] = self._fused(terms[row], near, known[row], mask, k)
        return [ranked for ranked in out if ranked is not None]

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of the products in each language."""
        names, codes = self.languages
        counts = np.bincount(codes, minlength=len(names)) / max(1, len(codes))
        return dict(zip(names, counts.tolist(), strict=True))

    @cached_property
    def main_language(self) -> str:
        """The language that a query is taken to be in whose text does not show it: the most frequent one in Latin
        letters, else English."""
        spelt = [name for name in self.shares if name not in ("zh", "ja", "ko", "und")]
        return max(spelt, key=lambda name: (self.shares[name], name), default="en")

    def _fused(
        self,
        terms: QueryTerms,
        near: tuple[np.ndarray, np.ndarray],
        language: str,
        mask: np.ndarray | None,
        k: int,
    ) -> Ranked:
        lexical = self.lexical.top(terms, self.fusion.depth, mask)
        names, codes = self.languages
        shares = np.array([self.fusion.share(language, name) for name in names] or [0.5], np.float32)
        return fuse(lexical, near, self.fusion, lambda products: shares[codes[products]], k)

    def terms_in(self, query: QueryTerms, product: int) -> list[str]:
        """Return the terms of a query that stand in a product."""
        held = []
        for term, number in zip(query.terms, query.numbers, strict=True):
            start, end = self.lexical.starts[number : number + 2]
            here = self.lexical.products[start:end]
            at = np.searchsorted(here, here.dtype.type(product))  # of another type, all of `here` would be converted
            if at < len(here) and here[at] == product:
                held.append(term)
        return held


def _by_mask(masks: Sequence[np.ndarray | None]) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Group the queries that have the same mask (the same object)."""
    groups: dict[int, tuple[list[int], np.ndarray | None]] = {}
    for row, mask in enumerate(masks):
        groups.setdefault(id(mask), ([], mask))[0].append(row)
    return [(np.array(rows), mask) for rows, mask in groups.values()]


def make_index(
    rows: pa.Table,
    vectors: np.ndarray,
    queries: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
    lexical: LexicalSettings,
    fusion: FusionSettings,
    stated: Stated | None = None,
    synonyms: Synonyms = NO_SYNONYMS,
) -> SearchIndex:
    """Make the index of a catalogue.

    Args:
        rows: Rows of product_embeddings, sorted by product_id.
        vectors: Their vectors as the encoder gives them, float [n, dim].
        queries: The mean vectors of queries and the maps between languages (see `language_vectors.learnt`).
        lexical, fusion: Settings.
        stated: What the products state.
        synonyms: What is looked up besides the words of a query.
    """
    languages = pc.fill_null(rows["language"], "und").to_pylist()
    spoken = LanguageVectors(means_of(vectors, languages), *queries)
    dense = dense_of(vectors, languages, spoken)
    return SearchIndex(
        rows.select(COLUMNS),
        weigh(count_terms(lexical_fields(rows)), lexical),
        dense,
        spoken,
        fusion,
        stated,
        synonyms,
    )


def dense_of(vectors: np.ndarray, languages: Sequence[str], spoken: LanguageVectors) -> DenseIndex:
    """Centre the vectors of products, float [n, dim], and round them, in blocks."""
    codes, fine = np.empty(vectors.shape, np.int8), np.empty(vectors.shape, np.float16)
    scales = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), ROWS):
        here = slice(start, start + ROWS)
        block = spoken.of_products(vectors[here], languages[here])
        codes[here], scales[here] = quantised(block)
        fine[here] = block
    return DenseIndex(codes, scales, fine)
