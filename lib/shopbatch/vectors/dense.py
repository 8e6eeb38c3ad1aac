"""The dense index: vectors of 8 bits in blocks, filters first, and the best of them scored again from 16 bits.

A search with a mask is always exact: it reads the products of the mask and no others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shopbatch.vectors.lists import Lists
from shopbatch.vectors.ranking import best, sort_key

BLOCK = 8192  # products of one matrix product: with 1,024 queries, their scores are 32 MB


def quantised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round vectors to 8 bits.

    Args:
        vectors: float [n, dim].

    Returns:
        int8 [n, dim] and a scale per row, float32 [n]; their product is the vector.
    """
    scale = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / 127
    safe = np.where(scale > 0, scale, 1).astype(np.float32)
    return np.rint(vectors / safe[:, None]).astype(np.int8), scale


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors at length 1, float32 [n, dim]; a vector of zeros stays."""
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


@dataclass(frozen=True)
class DenseIndex:
    """The vectors of a catalogue.

    Attributes:
        codes: The vectors in 8 bits, int8 [products, dim].
        scales: float32 [products].
        fine: The same vectors as float16 [products, dim].
        lists: The vectors in lists, of which a search without a mask reads the nearest; None: it reads all vectors.
    """

    codes: np.ndarray
    scales: np.ndarray
    fine: np.ndarray
    lists: Lists | None = None

    @property
    def batch(self) -> int:
        """Queries of one call of `top`: those of a call share what is read."""
        return 256 if self.lists is None else 4096

    def top(
        self, queries: np.ndarray, k: int, mask: np.ndarray | None = None, again: int = 0
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the best products of each query with their scores, best first.

        Args:
            queries: float32 [queries, dim].
            k: Most products of a query.
            mask: bool [products]: those that may be returned; None: all. The others are not read.
            again: How many of the best are scored again from 16 bits; they then stand before the rest.

        Returns:
            For each query (product numbers, int64, and scores, float32), [at most k] each.
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
        """The best k of each query among the products of the lists nearest to it."""
        out = []
        for query, (products, scores) in zip(queries, lists.scored(queries, self.codes, self.scales), strict=True):
            chosen = best(scores, products, k)
            out.append(self._again(query, products[chosen], scores[chosen], again))
        return out

    def _candidates(
        self, queries: np.ndarray, k: int, rows: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best k of each query by the 8-bit scores: query, key and score, sorted by query and key."""
        size = len(self.codes) if rows is None else len(rows)
        empty = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32))
        held, least, waiting = empty, np.full(len(queries), -np.inf, np.float32), [empty]
        # the same memory for every block: to get it anew would take longer than to fill it
        buffer = np.empty((min(BLOCK, size), self.codes.shape[1]), np.float32)
        products = np.empty((len(queries), len(buffer)), np.float32)
        for start in range(0, size, BLOCK):
            chosen = slice(start, start + BLOCK) if rows is None else rows[start : start + BLOCK]
            codes = self.codes[chosen]
            block = buffer[: len(codes)]
            np.copyto(block, codes)
            scores = np.matmul(queries, block.T, out=products[:, : len(codes)])
            scores *= self.scales[chosen]
            if start == 0 and k < len(block):  # a bound from the first block, so that few of its scores are sorted
                least = np.nextafter(np.partition(scores, -k, axis=1)[:, -k], np.float32(-np.inf))
            # a later product has a higher number, so that one with the score of the k-th is no better
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
        """Score the first `again` products of a query once more, from 16 bits, and sort these anew."""
        again = min(again, len(products))
        if again:
            scores[:again] = self.fine[products[:again]].astype(np.float32) @ np.asarray(query, np.float32)
            order = np.argsort(sort_key(scores[:again], products[:again]))
            products[:again], scores[:again] = products[order], scores[order]
        return products, scores


def _cut(
    pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]], k: int, queries: int
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Keep the best k of each query; returns them sorted, and the least score that each query keeps."""
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
