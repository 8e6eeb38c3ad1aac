"""The search index in memory: built by `embed_products`, searched by `search_products` and `shopbatch search`."""

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

AGAIN = 5  # the best 5 * k products of a query are scored again from 16 bits


@dataclass(frozen=True)
class SearchIndex:
    """A searchable catalogue: product columns, a lexical (BM25F) index and a dense (vector) index.

    Attributes:
        products: The columns of `conditions.COLUMNS`, sorted by `product_id`. A product's number is its row here.
        lexical: The index of words.
        dense: The index of vectors.
        spoken: The mean vectors of each language and the maps between languages; they transform a query's vector before
            the search.
        fusion: How the lexical and the dense score are combined.
        stated: The facts that the products state (price, colour, ...), against which the conditions of a query are
            checked; None if queries are searched for as words alone.
        synonyms: The synonyms that are looked up besides the words of a query.
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
        """The distinct languages of the products, and for each product its position in that list, int [products]."""
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
        """Return the best products of each query, by words and by vectors.

        Args:
            terms: The terms of the queries, as `LexicalIndex.look_up` returns them, [n].
            vectors: The queries' vectors, as the encoder returns them, float32 [n, dim].
            languages: ISO 639-1 code of each query; None where unknown.
            masks: For each query the products that may be returned, bool [products]; None for all.
            k: Number of products of an answer, at most.

        Returns:
            For each query its products as row numbers of the index, best first; of equal scores the lower `product_id`
            first.
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
        """The share of the products in each language, 0 to 1, by language."""
        names, codes = self.languages
        counts = np.bincount(codes, minlength=len(names)) / max(1, len(codes))
        return dict(zip(names, counts.tolist(), strict=True))

    @cached_property
    def main_language(self) -> str:
        """The language assumed for a query whose language is unknown.

        It is the catalogue's most frequent language, apart from Chinese, Japanese and Korean, which a query's script
        would reveal, and from "und" (undetermined). It is "en" if the catalogue has no other language.
        """
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
        """Return those terms of a query that occur in a product.

        Args:
            query: The query's terms.
            product: The product's number in the index.
        """
        held = []
        for term, number in zip(query.terms, query.numbers, strict=True):
            start, end = self.lexical.starts[number : number + 2]
            here = self.lexical.products[start:end]
            at = np.searchsorted(here, here.dtype.type(product))  # another type would convert all of `here`
            if at < len(here) and here[at] == product:
                held.append(term)
        return held


def _by_mask(masks: Sequence[np.ndarray | None]) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Group the queries whose masks are the same object, so that the queries of a group are searched together.

    Returns:
        For each group the numbers of its queries, and the mask.
    """
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
    """Build the index of a catalogue in memory.

    Args:
        rows: Rows of `product_embeddings`, sorted by `product_id`, [n].
        vectors: Their vectors as the encoder returns them, float [n, dim].
        queries: (mean vector of queries by language, maps between languages), as `language_vectors.learnt` returns
            them.
        lexical: How words are scored.
        fusion: How the lexical and the dense score are combined.
        stated: The facts that the products state; None if queries are searched for as words alone.
        synonyms: The synonyms that are looked up besides the words of a query.
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
    """Build the dense index: subtract from each vector the mean of its language, and round to 8 and to 16 bits.

    The vectors are read in blocks of `ROWS`, so that only one block is held in 32 bits.

    Args:
        vectors: The products' vectors, float [n, dim].
        languages: The products' languages, [n].
        spoken: Has the mean vector of each language.
    """
    codes, fine = np.empty(vectors.shape, np.int8), np.empty(vectors.shape, np.float16)
    scales = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), ROWS):
        here = slice(start, start + ROWS)
        block = spoken.of_products(vectors[here], languages[here])
        codes[here], scales[here] = quantised(block)
        fine[here] = block
    return DenseIndex(codes, scales, fine)
