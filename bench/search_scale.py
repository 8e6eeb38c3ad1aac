"""Measure the speed and memory of the search on generated products, and the accuracy of its approximations.

The search has two approximations. With lists (an inverted-file index), a query reads only some clusters of vectors.
With vectors of 8 bits, only the best candidates are scored a second time, with 16 bits. Commands:

- scale: answers queries on generated products, by exact search and by lists, beside faiss where that is installed;
- lists: finds from how many products on lists are faster than reading all vectors;
- titles: compares lists with exact search on vectors of real titles and queries (--folder holds the data as
  bench/search.py reads it), also enlarged to --products vectors by copies with noise;
- exact: measures how much accuracy the vectors of 8 bits lose, with and without the second scoring, and with and
  without a filter.

Run: OMP_NUM_THREADS=1 python -m bench.search_scale scale --products 1000000
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from bench.side_by_side import Side, alternate, benchmark, record

from shopbatch.capabilities.search.answers import answers
from shopbatch.capabilities.search.index import SearchIndex, make_index
from shopbatch.capabilities.search.index_files import (
    FOLDER,
    FORMAT,
    EncoderUsed,
    Manifest,
    read_index,
    read_manifest,
    write_index,
)
from shopbatch.capabilities.search.language_vectors import reference_queries
from shopbatch.capabilities.search.list_choice import choose
from shopbatch.capabilities.search.plan import Asked
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings, VectorSettings
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS
from shopbatch.vectors.dense import DenseIndex, normalised, quantised

SEED = 0


def invented(root: str, products: int, dim: int) -> None:
    """Write a search index of generated products: titles of words by Zipf's law, and vectors in clusters.

    Args:
        root: Folder for the index.
        products: Number of products.
        dim: Dimensions of the vectors.
    """
    began = time.process_time()
    rng = np.random.default_rng(SEED)
    words = pl.Series([f"word{n}" for n in range(50_000)])
    chance = 1 / np.arange(1, len(words) + 1)
    drawn = words.gather(rng.choice(len(words), size=products * 10, p=chance / chance.sum()))
    titles = drawn.reshape((products, 10)).arr.join(" ")
    ids = pl.Series([f"p{n:09d}" for n in range(products)])
    price = pa.array(rng.integers(1, 1000, products).astype(np.int32)).cast(pa.decimal128(10, 0))
    rows = PRODUCT_EMBEDDINGS.fill(
        products,
        product_id=ids.to_arrow().cast(pa.string()),
        title=titles.to_arrow().cast(pa.string()),
        language=pa.repeat("en", products),
        price=price.cast(PRODUCT_EMBEDDINGS.schema().field("price").type),
    )
    index = make_index(rows, clustered(products, dim, rng), ({}, {}), LexicalSettings(), FusionSettings())
    write_index(root, manifest(products), index)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{products:,} products: made in {time.process_time() - began:.1f} s of processor time, {peak:.2f} GiB at most"
    )


def manifest(products: int) -> Manifest:
    """Return the manifest (`manifest.json`) of the index of generated products."""
    used = EncoderUsed(engine={"kind": "fake"}, digest="fake", reference="", asked="none", query_prefix="")
    return Manifest(
        format=FORMAT,
        key="bench",
        recipe="none",
        encoder=used,
        products=products,
        languages={"en": products},
        lexical=LexicalSettings(),
        fusion=FusionSettings(),
        stated="",
        files={},
    )


def clustered(rows: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Return random vectors of length 1 around 1,000 centres, float16 [rows, dim].

    They are made in blocks so that no large copy is needed.
    """
    centres, out = rng.normal(size=(1000, dim)).astype(np.float32), np.empty((rows, dim), np.float16)
    for start in range(0, rows, 65_536):
        end = min(rows, start + 65_536)
        noise = rng.standard_normal((end - start, dim), np.float32)
        out[start:end] = normalised(centres[rng.integers(0, 1000, end - start)] + 1.2 * noise)
    return out


def scale(given: argparse.Namespace) -> None:
    """Make an index of generated products, then print the time of hybrid answers and of searches by vectors alone."""
    with tempfile.TemporaryDirectory() as root:
        # made in its own process, so that this memory does not count as memory of the search
        maker = multiprocessing.get_context("spawn").Process(target=invented, args=(root, given.products, given.dim))
        maker.start()
        maker.join()
        began = time.perf_counter()
        folder = f"{root}/{FOLDER}/bench"
        index = read_index(folder, read_manifest(folder))
        print(f"opened in {time.perf_counter() - began:.2f} s")
        vectors = _ask(index, given.queries)
        vectors_alone(index.dense, vectors, given)


def _ask(index: SearchIndex, queries: int) -> np.ndarray:
    """Print the time of hybrid answers (BM25 and vectors), by exact search and by lists (see the module).

    With exact search the queries are answered one at a time, then all at once; with lists all at once.

    Args:
        index: The index of generated products.
        queries: Number of queries, made from products' titles and vectors.

    Returns:
        The vectors of the queries, [queries, dim].
    """
    products, dim = index.dense.codes.shape
    rng = np.random.default_rng(1)
    picked = np.sort(rng.choice(products, queries, replace=False))
    vectors = normalised(index.dense.fine[picked].astype(np.float32) + 0.03 * rng.normal(size=(queries, dim)))
    titles = index.products["title"].take(pa.array(picked)).to_pylist()
    texts = [" ".join(title.split()[:3]) for title in titles]
    one, cpu = [], []
    answers(index, [Asked(texts[0])], vectors[:1], [10])
    for n in range(min(20, queries)):
        start, used = time.perf_counter(), time.process_time()
        answers(index, [Asked(texts[n])], vectors[n : n + 1], [10])
        one.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    print(f"one query: median {1000 * np.median(one):.0f} ms ({1000 * np.median(cpu):.0f} ms of processor time)")
    start, cpu = time.perf_counter(), time.process_time()
    answers(index, [Asked(text) for text in texts], vectors, [10] * queries)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    took = f"{wall:.1f} s ({cpu:.1f} s of processor time)"
    print(f"{queries:,} queries, hybrid: {took}; the process peaks at {peak:.2f} GiB")
    listed = in_lists(index.dense, vectors)
    start, cpu = time.perf_counter(), time.process_time()
    answers(replace(index, dense=listed), [Asked(text) for text in texts], vectors, [10] * queries)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"{queries:,} queries, hybrid, in lists: {wall:.1f} s ({cpu:.1f} s of processor time)")
    return vectors


def in_lists(dense: DenseIndex, queries: np.ndarray, asked: Mapping[str, np.ndarray] | None = None) -> DenseIndex:
    """Put the vectors of an index into lists, compare its speed and recall with exact search, and return the new index.

    Lists are those of an inverted-file index: clusters of vectors, of which a query reads only some. How many it reads
    is chosen by sample queries: some of the catalogue's own vectors, and those of `asked`.

    Args:
        dense: The index without lists.
        queries: Vectors of queries, float32 [n, dim], to measure with.
        asked: Vectors of further sample queries, by name of the set; None uses none.
    """
    start, cpu = time.perf_counter(), time.process_time()
    choice = choose(dense, VectorSettings(kind="ivf"), asked or {})
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    assert choice.lists is not None
    reads = f"{choice.lists.nprobe} of {len(choice.lists.centres):,} lists, {choice.read:.1%} of the products"
    print(f"  lists made in {wall:.1f} s ({cpu:.1f} s): a query reads {reads}; {choice.recall}", flush=True)
    listed = replace(dense, lists=choice.lists)
    for k in (10, 100, 1000):
        lists, rates = [], []
        for index in (dense, listed):
            start, cpu, answers = time.perf_counter(), time.process_time(), []
            for first in range(0, len(queries), index.batch):
                answers += index.top(queries[first : first + index.batch], k, None, 5 * 10)
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            rates.append(f"{len(queries) / wall:,.0f} queries a second ({cpu:.2f} s of processor time)")
            lists.append([products for products, _ in answers])
        recall = np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(*lists, strict=True)])
        print(f"  {k} nearest: exact {rates[0]}, in lists {rates[1]}, recall@{k} {recall:.4f}", flush=True)
    one = []
    for vector in queries[:50]:
        start = time.perf_counter()
        listed.top(vector[None], 1000, None, 50)
        one.append(time.perf_counter() - start)
    print(f"  one query in lists, vectors alone: median {1000 * np.median(one):.1f} ms", flush=True)
    return listed


def titles(products: int, folder: Path, cache: Path) -> None:
    """Compare lists with exact search on the vectors of real titles and queries, first as they are, then enlarged.

    Args:
        products: Number of titles after enlarging by copies with noise.
        folder: Folder of the Home Depot data, as bench/search.py reads it.
        cache: Folder of cached vectors.
    """
    from bench.search import Vectors, dense_index, homedepot

    case, vectors = homedepot(folder)["Home Depot"], Vectors(cache)
    dense, spoken = dense_index(case, vectors)
    texts = sorted(case.grades)
    asked = spoken.of_queries(vectors.of([f"query: {text}" for text in texts]), ["en"] * len(texts), {"en": 1.0})
    usual = [text for text in reference_queries()["en"] if text not in case.grades]
    known = spoken.of_queries(vectors.of([f"query: {text}" for text in usual]), ["en"] * len(usual), {"en": 1.0})
    rng = np.random.default_rng(SEED)
    chosen = asked[np.sort(rng.choice(len(asked), 1000, replace=False))]
    print(f"{len(dense.codes):,} titles")
    in_lists(dense, chosen, {"reference queries": known})
    fine = np.empty((products, dense.codes.shape[1]), np.float16)
    codes, scales = np.empty(fine.shape, np.int8), np.empty(products, np.float32)
    for start in range(0, products, 65_536):
        here = np.arange(start, min(products, start + 65_536))
        noise = rng.standard_normal((len(here), fine.shape[1]), np.float32) * 0.3 / fine.shape[1] ** 0.5
        block = normalised(dense.fine[here % len(dense.codes)].astype(np.float32) + noise)
        fine[here], (codes[here], scales[here]) = block, quantised(block)
    print(f"{products:,} titles with noise", flush=True)
    in_lists(DenseIndex(codes, scales, fine), chosen, {"reference queries": known})


def crossing(dim: int) -> None:
    """Compare the speed and recall of lists (inverted-file index) with exact search at 10,000 to 300,000 products."""
    for products in (10_000, 30_000, 100_000, 300_000):
        rng = np.random.default_rng(SEED)
        fine = clustered(products, dim, rng)
        queries = normalised(fine[rng.choice(products, 1000)].astype(np.float32) + 0.03 * rng.normal(size=(1000, dim)))
        print(f"{products:,} products")
        in_lists(DenseIndex(*quantised(fine.astype(np.float32)), fine), queries.astype(np.float32))


def vectors_alone(dense: DenseIndex, queries: np.ndarray, given: argparse.Namespace) -> None:
    """Measure the search for the ten nearest products by vectors alone, beside numpy and faiss (if installed).

    Args:
        dense: The index.
        queries: Vectors of the queries, [n, dim].
        given: The parsed command line.
    """
    every = dense.fine.astype(np.float32)
    few = queries[: max(1, len(queries) // 4)].astype(np.float32)

    def ours() -> np.ndarray:
        parts = [dense.top(queries[i : i + 256], 10, None, 50) for i in range(0, len(queries), 256)]
        return np.array([products[:10] for part in parts for products, _ in part])

    def plain() -> np.ndarray:
        parts = []
        for i in range(0, len(few), 64):
            scores = few[i : i + 64] @ every.T
            near = np.argpartition(scores, -10, axis=1)[:, -10:]
            parts.append(near)
        return np.concatenate(parts)

    sides = [Side("8 bits, best again in 16", ours, ours=True)]
    sides.append(Side("numpy, all pairs in fp32", plain, share=len(few) / len(queries)))
    not_run = {}
    if importlib.util.find_spec("faiss") is None:
        not_run["faiss"] = "not installed"
    else:
        sides += beside_faiss(every, queries.astype(np.float32))
    taken = alternate(sides, given.rounds)
    best = taken["8 bits, best again in 16"].returned
    recall = {
        name: round(float(np.mean([np.isin(b, a).mean() for a, b in zip(best, t.returned, strict=False)])), 4)
        for name, t in taken.items()
        if not t.ours
    }
    more = {"agreement": {"share of the ten best": recall}, "not_run": not_run, "notes": {}}
    words = ["scale", "--products", str(given.products), "--queries", str(given.queries)]
    record("search_scale", "queries", len(queries), taken, given.json, words, **more)


def beside_faiss(every: np.ndarray, queries: np.ndarray) -> list[Side]:
    """Return the competitors that search the same vectors with faiss: its exact, 8-bit and inverted-file indexes."""
    import faiss

    size, dim = every.shape
    sides = []
    for name in ("Flat", "SQ8", f"IVF{int(4 * size**0.5)},SQ8"):
        index = faiss.index_factory(dim, name, faiss.METRIC_INNER_PRODUCT)
        if not index.is_trained:
            index.train(every[:: max(1, size // 100_000)])
        index.add(every)
        if name.startswith("IVF"):
            faiss.extract_index_ivf(index).nprobe = 32
        sides.append(Side(f"faiss {name}", partial(_nearest, index, queries)))
    return sides


def _nearest(index: Any, queries: np.ndarray) -> np.ndarray:
    """Return the numbers of the ten nearest vectors of each query by a faiss index, int64 [n, 10]."""
    return np.asarray(index.search(queries, 10)[1])


def exactness(products: int, dim: int) -> None:
    """Print how many of the true ten nearest products the search finds, with and without a filter that keeps 1 %.

    The true ones come from an exact search in float32. The search is measured twice: by the 8-bit scores alone, and
    with the 50 best candidates scored a second time with 16 bits.

    Args:
        products: Number of generated products.
        dim: Dimensions of the vectors.
    """
    rng = np.random.default_rng(SEED)
    fine = clustered(products, dim, rng)
    codes, scales = np.empty((products, dim), np.int8), np.empty(products, np.float32)
    for start in range(0, products, 65_536):
        here = slice(start, start + 65_536)
        codes[here], scales[here] = quantised(fine[here].astype(np.float32))
    dense = DenseIndex(codes, scales, fine)
    queries = normalised(fine[rng.choice(products, 200)].astype(np.float32) + 0.05 * rng.normal(size=(200, dim)))
    for name, mask in (("all", None), ("a filter that keeps 1 %", rng.random(products) < 0.01)):
        rows = np.arange(products) if mask is None else np.flatnonzero(mask)
        best = np.full((200, 10), -1)
        scores = np.full((200, 10), -np.inf, np.float32)
        for start in range(0, len(rows), 65_536):
            some = rows[start : start + 65_536]
            nearest = np.concatenate([scores, queries @ fine[some].astype(np.float32).T], 1)
            names = np.concatenate([best, np.broadcast_to(some, (200, len(some)))], 1)
            top = np.argsort(-nearest, axis=1)[:, :10]
            scores, best = np.take_along_axis(nearest, top, 1), np.take_along_axis(names, top, 1)
        for again in (0, 50):
            ours = [p for p, _ in dense.top(queries, 50, mask, again)]
            recall = np.mean([len(np.intersect1d(a[:10], b)) / 10 for a, b in zip(ours, best, strict=True)])
            print(f"{products:,} vectors, {name}, scored again {again}: recall@10 {recall:.4f}", flush=True)


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names: scale, lists, titles or exact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("scale", "exact", "lists", "titles"))
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3, help="scale: of the search by vectors alone")
    parser.add_argument("--json", type=Path, default=None, help="scale: where the figures go")
    parser.add_argument("--folder", type=Path, help="titles: the data, as bench/search.py reads it")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/shopbatch-search"))
    given = parser.parse_args(argv)
    if given.command == "scale":
        scale(given)
    elif given.command == "titles":
        titles(given.products, given.folder, given.cache)
    elif given.command == "lists":
        crossing(given.dim)
    else:
        exactness(given.products, given.dim)


if __name__ == "__main__":
    main()
