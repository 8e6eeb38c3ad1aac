"""What a search costs on invented products.

Commands:

- scale: queries against invented products, beside faiss where that is installed;
- exact: what 8 bits and the second scoring lose, and filters.

Run: OMP_NUM_THREADS=1 python bench/search_scale.py scale --products 1000000
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import tempfile
import time

import numpy as np
import polars as pl
import pyarrow as pa

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
from shopbatch.capabilities.search.plan import Asked
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS
from shopbatch.vectors.dense import DenseIndex, normalised, quantised

SEED = 0


def invented(root: str, products: int, dim: int) -> None:
    """Write an index of invented products: words by Zipf's law, vectors of clusters."""
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
    """The manifest of an invented index."""
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
    """Vectors around 1,000 centres, float16 [rows, dim], in blocks so that no large copy is made."""
    centres, out = rng.normal(size=(1000, dim)).astype(np.float32), np.empty((rows, dim), np.float16)
    for start in range(0, rows, 65_536):
        end = min(rows, start + 65_536)
        noise = rng.standard_normal((end - start, dim), np.float32)
        out[start:end] = normalised(centres[rng.integers(0, 1000, end - start)] + 1.2 * noise)
    return out


def scale(products: int, queries: int, dim: int) -> None:
    """Time the answers to some queries, and one query at a time; then faiss's own search on the same vectors."""
    with tempfile.TemporaryDirectory() as root:
        # in a process of its own, so that what it needs does not count as a search's memory
        maker = multiprocessing.get_context("spawn").Process(target=invented, args=(root, products, dim))
        maker.start()
        maker.join()
        began = time.perf_counter()
        folder = f"{root}/{FOLDER}/bench"
        index = read_index(folder, read_manifest(folder))
        print(f"opened in {time.perf_counter() - began:.2f} s")
        _ask(index, queries)


def _ask(index: SearchIndex, queries: int) -> None:
    products, dim = index.dense.codes.shape
    rng = np.random.default_rng(1)
    picked = np.sort(rng.choice(products, queries, replace=False))
    vectors = normalised(index.dense.fine[picked].astype(np.float32) + 0.03 * rng.normal(size=(queries, dim)))
    titles = index.products["title"].take(pa.array(picked)).to_pylist()
    texts = [" ".join(title.split()[:3]) for title in titles]
    one, cpu = [], []
    answers(index, [Asked(texts[0])], vectors[:1], [10])
    for n in range(20):
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
    start, cpu = time.perf_counter(), time.process_time()
    for first in range(0, queries, 256):
        index.dense.top(vectors[first : first + 256], 10, None, 50)
    print(f"  vectors alone, 10 best: {time.perf_counter() - start:.1f} s ({time.process_time() - cpu:.1f} s)")
    if importlib.util.find_spec("faiss") is not None:
        beside_faiss(index.dense, vectors)


def beside_faiss(dense: DenseIndex, queries: np.ndarray) -> None:
    """faiss's flat and inverted-file index on the same vectors."""
    import faiss

    size, dim = dense.codes.shape
    exact: np.ndarray | None = None
    for name in ("Flat", "SQ8", f"IVF{int(4 * size**0.5)},SQ8"):
        index, start = faiss.index_factory(dim, name, faiss.METRIC_INNER_PRODUCT), time.process_time()
        if not index.is_trained:
            index.train(dense.fine[:: max(1, size // 100_000)].astype(np.float32))
        for first in range(0, size, 65_536):
            index.add(dense.fine[first : first + 65_536].astype(np.float32))
        built, start, cpu = time.process_time() - start, time.perf_counter(), time.process_time()
        if name.startswith("IVF"):
            faiss.extract_index_ivf(index).nprobe = 32
        nearest = index.search(queries.astype(np.float32), 10)[1]
        exact = nearest if exact is None else exact
        recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(nearest, exact, strict=True)])
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(f"  faiss {name}: {wall:.1f} s ({cpu:.1f} s), made in {built:.1f} s, recall@10 {recall:.4f}", flush=True)
        del index


def exactness(products: int, dim: int) -> None:
    """Compare the ten best with those of an exact search in float32, with and without a filter."""
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


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("scale", "exact"))
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=384)
    given = parser.parse_args()
    if given.command == "scale":
        scale(given.products, given.queries, given.dim)
    else:
        exactness(given.products, given.dim)


if __name__ == "__main__":
    main()
