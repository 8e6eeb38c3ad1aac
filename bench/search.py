"""Evaluate the quality of the search on judged queries: BM25, vectors, and hybrids of BM25 and vectors.

    python -m bench.search homedepot FOLDER
    python -m bench.search chorus FOLDER
    python -m bench.search chinese FOLDER

Prints nDCG@10 with 95 % intervals over queries, and the paired difference from the best BM25. FOLDER holds gzipped JSON
lines with products and judgements, in the files and columns that this module's functions read. The queries are split in
two halves by a hash: the BM25 settings and the fusion weights are chosen on one half and evaluated on the other.
Vectors are cached in --cache by a digest of their texts. Set OMP_NUM_THREADS=1.

bench/search_scale.py measures the speed of the search.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from bench.side_by_side import benchmark

from shopbatch.capabilities.search.filters import Facts, is_filter, look
from shopbatch.capabilities.search.fusion import fuse
from shopbatch.capabilities.search.language_vectors import LanguageVectors, learnt, means_of, reference_queries
from shopbatch.capabilities.search.lexical import Counts, LexicalIndex, count_terms, weigh
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.capabilities.search.stated import stated_table
from shopbatch.capabilities.search.understanding.understand import understand
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.factory import open_engine
from shopbatch.evaluation.judged import Judged, list_quality, mean
from shopbatch.evaluation.paired import difference
from shopbatch.models import e5_small
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.tables.products import PRODUCTS
from shopbatch.vectors.dense import DenseIndex, normalised, quantised

SEED = 0
DEPTH = 1000
LEAST = 100  # fewest queries for tuning a weight, as in evaluate_search
SHARES = tuple(round(0.05 * n, 2) for n in range(21))
BM25 = tuple(
    LexicalSettings(k1=k1, b=b, kinds=kinds, fields={"title": 1.0, "description": 0.4})
    for k1, b in ((1.2, 0.75), (0.6, 0.3), (0.3, 0.6), (0.1, 0.4))
    # three weightings of terms: all kinds; only stems and pairs of Chinese characters; only words and single characters
    for kinds in ((0.3, 1.0, 0.5, 1.0, 0.3), (0.0, 1.0, 0.5, 0.0, 1.0), (1.0, 0.0, 0.5, 1.0, 0.0))
)


@dataclass
class Case:
    """A catalogue and the judged queries on it.

    Attributes:
        texts: The products' texts by field of the lexical (BM25) index, such as "title"; String [products].
        passages: The text of each product that the encoder turns into its vector.
        grades: For each query a dict from the number of a judged product to its gain.
        language: Language code of the queries.
        products: Language code of the products.
    """

    texts: dict[str, pl.Series]
    passages: list[str]
    grades: dict[str, dict[int, float]]
    language: str
    products: str


def read(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def homedepot(folder: Path) -> dict[str, Case]:
    """Read the products and queries of a hardware shop (Home Depot); the gain of a product is its relevance - 1.

    Returns:
        A dict with one entry: the case under its name, "Home Depot".
    """
    products = sorted(read(folder / "homedepot_products.jsonl.gz"), key=lambda row: row["product_id"])
    at = {row["product_id"]: number for number, row in enumerate(products)}
    grades: dict[str, dict[int, float]] = {}
    for row in read(folder / "homedepot_dev_judgements.jsonl.gz"):
        grades.setdefault(row["query"], {})[at[row["product_id"]]] = row["relevance"] - 1
    titles = [row["title"] for row in products]
    return {"Home Depot": Case({"title": pl.Series(titles)}, titles, grades, "en", "en")}


def chorus(folder: Path) -> dict[str, Case]:
    """Read an electronics shop (Chorus) with English and Chinese queries.

    Returns:
        Four cases by name: English and Chinese queries, each with a small catalogue (the judged products and 2,500
        others) and with the whole catalogue.
    """
    judged = read(folder / "chorus_dev_judgements.jsonl.gz")
    wanted = {row["product_id"] for row in judged}
    every = sorted(read(folder / "chorus_products.jsonl.gz"), key=lambda row: row["product_id"])
    others = sorted((r for r in every if r["product_id"] not in wanted), key=lambda r: _hash(r["product_id"]))[:2500]
    some = {row["product_id"] for row in others} | wanted
    cases = {}
    for name, keep in (("5,000 products", some), ("all products", {row["product_id"] for row in every})):
        products = [row for row in every if row["product_id"] in keep]
        at = {row["product_id"]: number for number, row in enumerate(products)}
        titles = [row.get("title") or "" for row in products]
        fields = {"title": titles, "description": [row.get("short_description") or "" for row in products]}
        texts = {field: pl.Series(values) for field, values in fields.items()}
        for language, column in (("en", "query"), ("zh", "query_zh")):
            grades: dict[str, dict[int, float]] = {}
            for row in judged:
                if row[column] and row["product_id"] in at:
                    grades.setdefault(row[column], {})[at[row["product_id"]]] = row["grade"]
            cases[f"Chorus, {name}, queries in {language}"] = Case(texts, titles, grades, language, "en")
    return cases


def chinese(folder: Path) -> dict[str, Case]:
    """Make 250 queries for Chinese product texts about clothes (AdvertiseGen).

    A query names two attribute values and the type of a product; all products that have all three are relevant (gain
    1).

    Returns:
        A dict with one entry: the case under its name, "Chinese copies".
    """
    rows, rng = read(folder / "adgen_zh_dev.jsonl.gz"), random.Random(SEED)
    known = []
    for row in rows:
        pairs = [entry.partition("#")[::2] for entry in row["content"].split("*")]
        kinds = [value for name, value in pairs if name == "类型"]
        known.append((kinds[0] if kinds else "", {value for name, value in pairs if name != "类型"}))
    grades: dict[str, dict[int, float]] = {}
    while len(grades) < 250:
        kind, values = rng.choice(known)
        if kind and len(values) >= 2:
            asked = rng.sample(sorted(values), 2)
            hits = [n for n, (other, held) in enumerate(known) if other == kind and held.issuperset(asked)]
            grades["".join(asked) + kind] = dict.fromkeys(hits, 1.0)
    copies = [row["summary"] for row in rows]
    return {"Chinese copies": Case({"description": pl.Series(copies)}, copies, grades, "zh", "zh")}


class Vectors:
    """Encodes texts with e5-small, and caches the vectors in a folder by a digest of the texts."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.encoder = cache, None
        cache.mkdir(parents=True, exist_ok=True)

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, normalised to length 1, float32 [n, 384]; from the cache if it holds them."""
        path = self.cache / f"{hashlib.blake2b(chr(0).join(texts).encode(), digest_size=8).hexdigest()}.npy"
        if not path.exists():
            np.save(path, normalised(encode_all(self._open(), pa.array(texts, pa.string())).vectors).astype(np.float16))
        return np.load(path).astype(np.float32)

    def _open(self) -> Any:
        if self.encoder is None:
            folder = self.cache / "e5"
            if not folder.exists():
                folder.mkdir()
                e5_small.build(folder, EncoderSpec())
            self.encoder = open_engine(OpenVinoConfig(), str(folder))
        return self.encoder


@dataclass(frozen=True)
class Labelled:
    """A judged query with the results of the BM25 index and of the vector index.

    Attributes:
        lexical: The products that BM25 finds (as row numbers of the index) and their scores, best first.
        dense: The products that the vector search finds (as row numbers of the index) and their scores, best first.
        judged: The gains of the judged products.
    """

    lexical: tuple[np.ndarray, np.ndarray]
    dense: tuple[np.ndarray, np.ndarray]
    judged: Judged


def quality(queries: Sequence[Labelled], settings: FusionSettings, share: float) -> np.ndarray:
    """Return the nDCG@10 of each query when its two result lists are merged, float64 [queries].

    Args:
        queries: The queries with their result lists of BM25 and of the vector search.
        settings: How the two lists are merged.
        share: Weight of the vector score in the merged score, 0 to 1.
    """

    def shares(products: np.ndarray) -> np.ndarray:
        return np.full(len(products), share, np.float32)

    lists = [fuse(q.lexical, q.dense, settings, shares, 10).products for q in queries]
    return np.array([list_quality(ranked, q.judged).ndcg for ranked, q in zip(lists, queries, strict=True)])


def tuned(queries: Sequence[Labelled], pair: str) -> FusionSettings:
    """Return the fusion settings with the best weight of the vector score for a pair of languages.

    With fewer than LEAST queries it returns the default, reciprocal rank fusion.

    Args:
        queries: The queries to choose by.
        pair: Languages of queries and products, such as "zh-en".
    """
    if len(queries) < LEAST:
        return FusionSettings()
    convex = FusionSettings(method="convex")
    best = max(SHARES, key=lambda share: mean(quality(queries, convex, share)))
    return FusionSettings(method="convex", dense={pair: best})


def judge(name: str, case: Case, vectors: Vectors) -> None:
    """Print the nDCG@10 of every method on the test half of a case's queries.

    Args:
        name: Name of the case.
        case: The queries and products.
        vectors: Encodes texts.
    """
    queries = sorted(case.grades)
    half = np.array([_hash(query)[0] & 1 for query in queries], bool)  # True: the test half
    counts = count_terms(case.texts)
    settings, lexical = best_bm25(counts, case, [q for q, test in zip(queries, half, strict=True) if not test])
    dense, spoken = dense_index(case, vectors)
    asked = vectors.of([f"query: {query}" for query in queries])
    shares = {case.products: 1.0}
    labelled = label(case, queries, lexical, dense, spoken.of_queries(asked, [case.language] * len(queries), shares))
    choose = [q for q, test in zip(labelled, half, strict=True) if not test]
    test = [q for q, test in zip(labelled, half, strict=True) if test]
    fusion = tuned(choose, f"{case.language}-{case.products}")
    share = fusion.share(case.language, case.products)
    convex = FusionSettings(method="convex")
    print(f"\n{name}: {len(case.passages):,} products, {len(choose)} queries to choose by, {len(test)} to judge")
    print(
        f"  BM25 k1={settings.k1} b={settings.b} kinds={settings.kinds} fields={settings.fields}; dense share {share}"
    )
    base = quality(test, convex, 0.0)
    rows = {
        "best BM25": base,
        "dense alone, centred": quality(test, convex, 1.0),
        "reciprocal ranks": quality(test, FusionSettings(), FusionSettings().share(case.language, case.products)),
        f"hybrid, {fusion.method}": quality(test, fusion, share),
    }
    for method, value in rows.items():
        line(method, value, base)
    filtered, demanding = demanded(case, queries, labelled)
    some = [q for q, test in zip(filtered, half, strict=True) if test]
    line("hybrid, what a query demands filters", quality(some, fusion, share), quality(test, fusion, share))
    print(f"  (the last difference is from the hybrid; {int(demanding[half].sum())} of the queries demand something)")
    _whole(case, labelled, fusion, share)


def demanded(case: Case, queries: list[str], labelled: list[Labelled]) -> tuple[list[Labelled], np.ndarray]:
    """Remove products that break a demand of the query (such as a colour or a size) from its two result lists.

    Returns:
        The filtered results, and a mask [queries] that is True for queries that demand something.
    """
    rows = PRODUCTS.fill(len(case.passages), **{name: pa.array(text) for name, text in case.texts.items()})
    vocabulary = Vocabulary.from_products(rows)
    facts = Facts.of(stated_table(rows, vocabulary))
    out, demanding = [], np.zeros(len(queries), bool)
    for number, (query, lists) in enumerate(zip(queries, labelled, strict=True)):
        wanted = [c for c in understand(query, vocabulary, case.language).constraints if is_filter(c)]
        masks = [looked.allowed for c in wanted if (looked := look(facts, c, wanted)) is not None]
        mask = np.logical_and.reduce(masks) if masks else np.ones(facts.rows, bool)
        demanding[number] = bool(masks)
        out.append(Labelled(*((n[mask[n]], s[mask[n]]) for n, s in (lists.lexical, lists.dense)), lists.judged))
    return out, demanding


def _whole(case: Case, labelled: list[Labelled], fusion: FusionSettings, share: float) -> None:
    """Print the nDCG@10 of the hybrid search (BM25 and vectors merged) on all queries of a case.

    A second line gives it when only the products that are judged for the query are ranked.

    Args:
        case: The queries and products.
        labelled: The queries with their results of BM25 and of the vector search.
        fusion: How the two result lists are merged.
        share: Weight of the vector score in the merged score, 0 to 1.
    """
    line("hybrid, both halves", quality(labelled, fusion, share))
    judged = [Labelled(_only(q.lexical, q.judged), _only(q.dense, q.judged), q.judged) for q in labelled]
    line("hybrid, both halves, judged products only", quality(judged, fusion, share))


def _only(listed: tuple[np.ndarray, np.ndarray], judged: Judged) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of a result list whose products are judged for the query."""
    keep = np.isin(listed[0], judged.products)
    return listed[0][keep], listed[1][keep]


def best_bm25(counts: Counts, case: Case, queries: list[str]) -> tuple[LexicalSettings, LexicalIndex]:
    """Try all settings of BM25 on at most 600 of the queries; return the best settings and their index."""
    some = queries[:600]
    scored = []
    for settings in BM25:
        index = weigh(counts, settings)
        listed = [index.top(terms, 10)[0] for terms in index.look_up(some)]
        values = [list_quality(f, Judged.of(case.grades[q])).ndcg for f, q in zip(listed, some, strict=True)]
        scored.append((mean(np.array(values)), settings))
    best = max(scored, key=lambda pair: pair[0])[1]
    return best, weigh(counts, best)


def dense_index(case: Case, vectors: Vectors) -> tuple[DenseIndex, LanguageVectors]:
    """Return an index of the products' vectors, centred by language, and the corrections to centre other vectors.

    `judge` applies the corrections to the vectors of the queries. They are computed from the products' vectors and from
    reference queries, without those reference queries that are also queries of the case.

    Args:
        case: The queries and products.
        vectors: Encodes texts into vectors.
    """
    reference = reference_queries()
    rows = [n for n, same in enumerate(zip(*reference.values(), strict=True)) if not case.grades.keys() & set(same)]
    listed = {code: vectors.of([f"query: {texts[n]}" for n in rows]) for code, texts in reference.items()}
    passages = vectors.of([f"passage: {text}" for text in case.passages])
    languages = [case.products] * len(passages)
    spoken = LanguageVectors(means_of(passages, languages), *learnt(listed))
    fine = spoken.of_products(passages, languages)
    return DenseIndex(*quantised(fine), fine.astype(np.float16)), spoken


def label(
    case: Case, queries: list[str], lexical: LexicalIndex, dense: DenseIndex, vectors: np.ndarray
) -> list[Labelled]:
    """Return the results of the BM25 index and of the vector index for each query, at most DEPTH products each."""
    words = [lexical.top(terms, DEPTH) for terms in lexical.look_up(queries)]
    near = [
        listed
        for start in range(0, len(queries), 256)
        for listed in dense.top(vectors[start : start + 256], DEPTH, None, 50)
    ]
    return [Labelled(w, d, Judged.of(case.grades[q])) for q, w, d in zip(queries, words, near, strict=True)]


def line(name: str, value: np.ndarray, against: np.ndarray | None = None) -> None:
    """Print the mean of a measure with its interval, and the paired difference from another method.

    Args:
        name: Name of the method.
        value: The measure of each query, [n]; NaN values are left out.
        against: The measure of the other method; None prints no difference.
    """
    good = np.isfinite(value)
    mean = difference(value[good], np.zeros(good.sum()), SEED)
    out = f"  {name:<42} {mean.value:.4f} [{mean.low:.4f}, {mean.high:.4f}]"
    if against is not None and against is not value:
        gap = difference(value[good], against[good], SEED)
        out += f"  {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
    print(out, flush=True)


def _hash(text: str) -> bytes:
    """Return the 8 bytes of a text's BLAKE2b hash, which splits and orders the data."""
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate the search on all cases of the named data: homedepot, chorus or chinese."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("homedepot", "chorus", "chinese"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/shopbatch-search"))
    given = parser.parse_args(argv)
    cases = {"homedepot": homedepot, "chorus": chorus, "chinese": chinese}[given.command](given.folder)
    vectors = Vectors(given.cache)
    for name, case in cases.items():
        judge(name, case, vectors)


if __name__ == "__main__":
    main()
