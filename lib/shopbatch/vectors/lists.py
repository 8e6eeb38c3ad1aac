"""Inverted lists of vectors (Jegou, Douze and Schmid 2011): a query reads only the clusters nearest to it.

They make the search in a large catalogue fast. The lists are clusters by cosine (spherical k-means; Dhillon and Modha
2001) and seeded: the same vectors and the same number of threads give the same lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PER_LIST = 50  # sampled vectors per list from which the centres are learned
ROUNDS = 8  # iterations of k-means
ROWS = 8192  # vectors compared with all centres at once
CANDIDATES = 1 << 24  # scores in memory at once: 192 MB with the product numbers


@dataclass(frozen=True)
class Lists:
    """The assignment of the products to lists (clusters), and the number of lists that a query reads.

    Attributes:
        centres: Centres of the lists, at length 1, float32 [lists, dim].
        members: The products (row numbers of the index), list after list, ascending within a list, int32 [products].
        starts: Start of each list in `members` and the end of the last one, int64 [lists + 1].
        nprobe: Number of lists that a query reads: more is slower and finds more.
    """

    centres: np.ndarray
    members: np.ndarray
    starts: np.ndarray
    nprobe: int

    @cached_property
    def sizes(self) -> np.ndarray:
        """Return the number of products in each list, int64 [lists]."""
        return np.diff(self.starts)

    @cached_property
    def list_of(self) -> np.ndarray:
        """Return the number of the list that each product is in, int32 [products]."""
        out = np.empty(len(self.members), np.int32)
        out[self.members] = np.repeat(np.arange(len(self.centres), dtype=np.int32), self.sizes)
        return out

    def places(self, queries: np.ndarray) -> np.ndarray:
        """Return the rank of each list by nearness to each query, 0 for the nearest, int32 [queries, lists].

        A query finds a product of a list only if the rank of the list is below `nprobe`.
        """
        order = np.argsort(-(queries @ self.centres.T), axis=1, kind="stable")
        places = np.empty(order.shape, np.int32)
        np.put_along_axis(places, order, np.arange(order.shape[1], dtype=np.int32)[None, :], axis=1)
        return places

    def scored(
        self, queries: np.ndarray, codes: np.ndarray, scales: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Score all products in the `nprobe` lists nearest to each query.

        Args:
            queries: float32 [queries, dim].
            codes: Product vectors in 8 bits, int8 [products, dim].
            scales: Scale of each product vector, float32 [products].

        Yields:
            For each query the row numbers of these products in the index, int64 [m], and their scores, float32 [m],
            unsorted.
        """
        nearness = queries @ self.centres.T
        probed = np.argpartition(-nearness, self.nprobe - 1, axis=1)[:, : self.nprobe]
        many = self.sizes[probed].sum(axis=1)
        start = 0
        while start < len(queries):  # as many queries at once as memory allows, because they share the reading
            end = start + max(1, int(np.searchsorted(np.cumsum(many[start:]), CANDIDATES, side="right")))
            yield from self._scored(queries[start:end], probed[start:end], codes, scales)
            start = end

    def _scored(
        self, queries: np.ndarray, probed: np.ndarray, codes: np.ndarray, scales: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        sizes = self.sizes[probed]
        ends = np.cumsum(sizes, dtype=np.int64).reshape(sizes.shape)
        begins = (ends - sizes).ravel()
        scores = np.empty(int(ends[-1, -1]), np.float32)
        flat = probed.ravel()
        by_list = np.argsort(flat, kind="stable")
        bounds = np.flatnonzero(np.diff(flat[by_list], prepend=-1, append=-1))
        # reused for every list: allocating it again would take longer than filling it
        longest = int(self.sizes.max())
        block, exact = np.empty((longest, codes.shape[1]), np.int8), np.empty((longest, codes.shape[1]), np.float32)
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            pairs = by_list[first:last]
            rows = self._list(int(flat[pairs[0]]))
            here = slice(0, len(rows))
            np.copyto(exact[here], np.take(codes, rows, axis=0, out=block[here], mode="clip"))
            made = queries[pairs // self.nprobe] @ exact[here].T
            made *= scales[rows]
            for row, begin in zip(made, begins[pairs].tolist(), strict=True):
                scores[begin : begin + len(rows)] = row
        for query, lists in enumerate(probed.tolist()):
            numbers = np.concatenate([self._list(number) for number in lists]).astype(np.int64)
            begin = int(begins[query * self.nprobe])
            yield numbers, scores[begin : begin + len(numbers)]

    def _list(self, number: int) -> np.ndarray:
        return self.members[self.starts[number] : self.starts[number + 1]]


def make_lists(vectors: np.ndarray, count: int, seed: int) -> Lists:
    """Cluster vectors into lists for a search.

    `nprobe` of the result is the number of all lists; the index build of `search` lowers it afterwards.

    Args:
        vectors: Vectors of length 1, float [n, dim], with n at least `count`.
        count: Number of lists.
        seed: Seed of the sample and of the first centres.
    """
    draw = np.random.default_rng(seed)
    size = min(len(vectors), count * PER_LIST)
    sample = np.sort(draw.choice(len(vectors), size, replace=False)) if size < len(vectors) else np.arange(size)
    centres = _centres(np.asarray(vectors[sample], np.float32), count, draw)
    own = _nearest(lambda start: np.asarray(vectors[start : start + ROWS], np.float32), len(vectors), centres)[0]
    members = np.argsort(own, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(own, minlength=count))]).astype(np.int64)
    return Lists(centres, members, starts, count)


def _centres(vectors: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    centres = vectors[np.sort(draw.choice(len(vectors), count, replace=False))].copy()
    for _ in range(ROUNDS):
        own, near = _nearest(lambda start: vectors[start : start + ROWS], len(vectors), centres)
        order = np.argsort(own, kind="stable")
        counts = np.bincount(own, minlength=count)
        filled = np.flatnonzero(counts)
        begins = np.concatenate([[0], np.cumsum(counts)])[filled]
        centres[filled] = np.add.reduceat(vectors[order], begins, axis=0)
        # an empty list restarts at a vector that is far from all centres
        empty = np.flatnonzero(counts == 0)
        centres[empty] = vectors[np.argsort(near, kind="stable")[: len(empty)]]
        length = np.linalg.norm(centres, axis=1, keepdims=True)
        centres /= np.where(length > 0, length, 1)
    return centres


def _nearest(read: Callable[[int], np.ndarray], size: int, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest centre of each vector; of equally near centres the first.

    Args:
        read: Function that returns the vectors from a row number on, at most ROWS of them, float32 [rows, dim].
        size: Number of vectors.
        centres: float32 [centres, dim].

    Returns:
        The number of the centre, int32 [size], and the cosine with it, float32 [size].
    """
    own, near = np.empty(size, np.int32), np.empty(size, np.float32)
    for start in range(0, size, ROWS):
        cosines = read(start) @ centres.T
        here = slice(start, start + len(cosines))
        own[here] = cosines.argmax(axis=1)
        near[here] = np.take_along_axis(cosines, own[here, None].astype(np.int64), axis=1)[:, 0]
    return own, near
