"""The dense index: finds the products whose vectors have the greatest dot product with a query vector.

Vectors are searched in 8 bits, block by block; the best ones are scored again in 16 bits. Filters (a mask of products)
are applied before the search: a search with a mask reads only the products of the mask, and is always exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.vectors.lists import Lists
from shopbatch.vectors.ranking import best, sort_key

BLOCK = 8192  # products of one matrix product: with 1,024 queries, their scores are 32 MB


def quantised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantise vectors to 8 bits with one scale per vector.

    Args:
        vectors: float [n, dim].

    Returns:
        The codes, int8 [n, dim], and the scales, float32 [n]; code times scale is about the vector.
    """
    scale = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / 127
    safe = np.where(scale > 0, scale, 1).astype(np.float32)
    return np.rint(vectors / safe[:, None]).astype(np.int8), scale


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors scaled to length 1, float32 [n, dim]; a vector of zeros stays as it is."""
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


@dataclass(frozen=True)
class DenseIndex:
    """A searchable index of the product vectors of a catalogue. A product number is the row of the product's vector.

    Attributes:
        codes: The vectors in 8 bits, int8 [products, dim].
        scales: Scale of each vector, float32 [products] (see `quantised`).
        fine: The same vectors as float16 [products, dim].
        lists: Clusters of the vectors (inverted lists); a search without a mask reads only the nearest clusters and is
            approximate. None: every search reads all vectors.
    """

    codes: np.ndarray
    scales: np.ndarray
    fine: np.ndarray
    lists: Lists | None = None

    @property
    def batch(self) -> int:
        """Return how many queries one call of `top` should get: 256 if it reads all vectors, 4,096 with lists.

        All queries of a call share one pass over the vectors, so larger batches are faster.
        """
        return 256 if self.lists is None else 4096

    def top(
        self, queries: np.ndarray, k: int, mask: np.ndarray | None = None, again: int = 0
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the best products of each query with their scores, best first.

        Args:
            queries: Query vectors, float32 [queries, dim].
            k: Most products per query.
            mask: Products that may be returned, bool [products]; the others are not read. None: all products.
            again: How many of the best products are scored again from 16 bits; they stand before the remaining ones.

        Returns:
            For each query the numbers of its products (rows of the index), int64 [at most k], and their scores, float32
            [at most k].
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if self.lists is not None and mask is None and len(queries):
            return self._in_lists(self.lists, queries, k, again)
        rows = None if mask is None else np.flatnonzero(mask)
        number, key, score = self._candidates(queries, k, rows)
        out = []
        for query in range(len(queries)):
            here = slice(*np.searchsorted(number, [query, query + 1]))
            products = (key[here] & 0xFFFFFFFF).astype(np.int64)
            out.append(self._again(queries[query], products, score[here].copy(), again))
        return out

    def _in_lists(self, lists: Lists, queries: np.ndarray, k: int, again: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the best k products of each query, with their scores, from the clusters nearest to the query.

        It is the approximate search of `top`, with the same arguments and result.
        """
        out = []
        for query, (products, scores) in zip(queries, lists.scored(queries, self.codes, self.scales), strict=True):
            chosen = best(scores, products, k)
            out.append(self._again(query, products[chosen], scores[chosen], again))
        return out

    def _candidates(
        self, queries: np.ndarray, k: int, rows: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the best k products of each query by their 8-bit scores.

        Args:
            queries: float32 [queries, dim].
            k: Most products per query.
            rows: Rows of the index to read, ascending; None: all.

        Returns:
            Row of the query in `queries`, sort key (see `ranking.sort_key`) and score of each candidate, sorted by
            query and key; [m] each.
        """
        size = len(self.codes) if rows is None else len(rows)
        empty = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32))
        held, least, waiting = empty, np.full(len(queries), -np.inf, np.float32), [empty]
        # reused for every block: allocating it again would take longer than filling it
        buffer = np.empty((min(BLOCK, size), self.codes.shape[1]), np.float32)
        products = np.empty((len(queries), len(buffer)), np.float32)
        for start in range(0, size, BLOCK):
            chosen = slice(start, start + BLOCK) if rows is None else rows[start : start + BLOCK]
            codes = self.codes[chosen]
            block = buffer[: len(codes)]
            np.copyto(block, codes)
            scores = np.matmul(queries, block.T, out=products[:, : len(codes)])
            scores *= self.scales[chosen]
            if start == 0 and k < len(block):  # a lower bound, so that few scores of the first block are sorted
                least = np.nextafter(np.partition(scores, -k, axis=1)[:, -k], np.float32(-np.inf))
            # on equal scores the lower product number wins, so a later product must exceed the k-th score
            query, column = np.nonzero(scores > least[:, None])
            value = scores[query, column]
            product = column + start if rows is None else rows[start + column]
            waiting.append((query.astype(np.int32), sort_key(value, product), value))
            if sum(len(w[0]) for w in waiting) > 2 * k * len(queries) or start + BLOCK >= size:
                held, least = _cut([held, *waiting], k, len(queries))
                waiting = []
        return held

    def _again(
        self, query: np.ndarray, products: np.ndarray, scores: np.ndarray, again: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score the first `again` products of a query once more, with their 16-bit vectors, and sort them anew.

        Args:
            query: The query vector, float32 [dim].
            products: The products as rows of the index, best first.
            scores: Scores of the products from 8-bit vectors.
            again: How many products to score again.

        Returns:
            All products (as rows of the index) and all scores, in the new order.
        """
        again = min(again, len(products))
        if again:
            scores[:again] = self.fine[products[:again]].astype(np.float32) @ np.asarray(query, np.float32)
            order = np.argsort(sort_key(scores[:again], products[:again]))
            products[:again], scores[:again] = products[order], scores[order]
        return products, scores


def _cut(
    pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]], k: int, queries: int
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Merge candidates and keep the best k of each query.

    Args:
        pieces: Candidates as (query number, sort key, score) arrays.
        k: Most candidates per query.
        queries: Number of queries.

    Returns:
        The candidates that stay, sorted by query and key; and the least score that a new candidate of each query must
        exceed, float32 [queries], -inf while a query has fewer than k.
    """
    query, key, score = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.lexsort((key, query))
    query, key, score = query[order], key[order], score[order]
    first = np.searchsorted(query, np.arange(queries + 1))
    place = np.arange(len(query)) - first[query]
    keep = place < k
    least = np.full(queries, -np.inf, np.float32)
    full = np.flatnonzero(np.diff(first) >= k)
    least[full] = score[first[full] + k - 1]
    return (query[keep], key[keep], score[keep]), least
