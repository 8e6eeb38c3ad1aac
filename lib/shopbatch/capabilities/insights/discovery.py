"""Finds themes outside the taxonomy for the merchant's page: stable clusters of review clauses that mention no aspect.

The steps, for the clauses of each language:

- Represent each clause by its words (in languages without spaces, its pairs of characters), weighted by TF-IDF. Reduce
  these vectors by latent semantic analysis (Deerwester et al. 1990), and centre them.
- Divide the clauses into two halves, and compute k-means centres for each half separately. Assign all clauses to the
  nearest centre of each half, which gives two clusterings of the same clauses.
- Keep as themes the clusters that occur in both clusterings: their Jaccard index is at least `stable` (Hennig 2007,
  "Cluster-wise assessment of cluster stability", Computational Statistics & Data Analysis 52).
- Name a theme by class-based TF-IDF (Grootendorst 2022, arXiv:2203.05794).

A theme is a suggestion only: a person decides whether the taxonomy gets a new aspect.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.insights.config_summary import Discovery
from shopbatch.capabilities.insights.page_quotes import Quote, shown
from shopbatch.core.hashing import hash128
from shopbatch.inference.samples import content_of
from shopbatch.text.word_files import WordFile, read_words
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

_VOCABULARY, _LEAST_USE, _MOST_USE = 2_048, 5, 0.3  # most terms; least clauses with a term; most, as a share
_DIMENSIONS, _ROUNDS, _STARTS = 48, 30, 3
_FEW = 200  # least clauses of a language; with fewer, no cluster is stable
_FEW_TERMS = 8  # least terms; with fewer, clauses cannot be told apart
_TERMS, _QUOTES, _PEOPLE = 3, 3, 3  # terms of a name; quotes of a theme; least reviews with a term
_UNSPACED = ("zh", "ja", "th")
_HALF = np.uint64(1)
_SIZES = (1, 2, 4)  # divisors of the setting `clusters`: each number of clusters is tried
_ABOUT = 0.4  # least share of a theme's clauses with the commonest term of its name
_OVERLAP = 0.5  # most of a theme's clauses, as a share, that stabler themes may have


@dataclass(frozen=True)
class Theme:
    """A group of similar clauses that mention no aspect of the taxonomy, and might deserve a new one.

    Attributes:
        language: ISO 639-1 code.
        name: Its most characteristic terms, such as "delivery, late, box".
        clauses: Number of clauses in the theme, among the clauses that were sampled.
        reviews: Number of reviews from which these clauses come.
        stability: Jaccard index (0 to 1) of the theme's clusters in the two clusterings (see the module).
        quotes: Some of its clauses, the most typical first, with personal data masked.
    """

    language: str
    name: str
    clauses: int
    reviews: int
    stability: float
    quotes: tuple[Quote, ...]


@dataclass(frozen=True)
class _Clauses:
    """Clauses of one language that mention no aspect; the four fields are parallel, with one entry per clause.

    Attributes:
        reviews: Id of the review from which the clause comes.
        texts: The clauses, verbatim.
        shown: The clauses with personal data masked.
        half: 0 or 1: the half for which the clause is used to compute centres, [n]. All clauses of a review share it.
    """

    reviews: list[str]
    texts: list[str]
    shown: list[str]
    half: np.ndarray


def find_themes(results: Snapshot, reviews: Snapshot, config: Discovery) -> list[Theme]:
    """Find the stable themes outside the taxonomy, ordered by language, the largest first.

    Args:
        results: The table `review_aspects`.
        reviews: The table `reviews`.
        config: Settings of the search; `clauses=0` finds none.
    """
    if not config.clauses or not results.files:
        return []
    themes: list[Theme] = []
    for language, clauses in sorted(_sample(results, reviews, config.clauses).items()):
        if len(clauses.texts) >= _FEW:
            themes += _themes(language, clauses, config)
    return sorted(themes, key=lambda t: (t.language, -t.clauses, t.name))


def _sample(results: Snapshot, reviews: Snapshot, most: int) -> dict[str, _Clauses]:
    """Draw reviews by a hash of their ids, and return all their clauses that mention no aspect, by language.

    Clauses that have no letter or cannot be masked safely are left out.

    Args:
        results: The table `review_aspects`.
        reviews: The table `reviews`, for the texts.
        most: Approximate maximum number of clauses per language.
    """
    scan = files.scan([f.uri for f in results.files], results.schema).filter(pl.col("other").list.len() > 0)
    totals = dict(
        scan.group_by("language").agg(pl.col("other").list.len().sum()).collect(engine="streaming").iter_rows()
    )
    shares = {code: most / max(clauses, 1) for code, clauses in totals.items()}
    kept = []
    schema = results.select(["review_id", "content_hash", "language", "other"])
    for file in sorted(results.files, key=lambda f: f.path):
        part = files.read(file.uri, schema, file.partition)
        part = part.filter(pc.greater(pc.list_value_length(part["other"]), 0))
        place = hash128([part["review_id"]])[0] / 2.0**64
        share = pl.Series(part["language"]).replace_strict(shares, return_dtype=pl.Float64).to_numpy()
        kept.append(part.filter(pa.array(place < share)))
    rows = pl.DataFrame(pa.concat_tables(kept)).unique("review_id", keep="first", maintain_order=True)
    texts = content_of(reviews, "review_id", ("title", "text"), rows).unique("review_id", maintain_order=True)
    both = rows.join(texts, on=["review_id", "content_hash"], how="inner").sort("review_id")
    half = hash128([both["review_id"].to_arrow()])[0] & _HALF if both.height else np.empty(0, np.uint64)
    parts: dict[str, list[tuple[str, str, str, int]]] = {}
    for row, side in zip(both.iter_rows(named=True), half.tolist(), strict=True):
        for span in row["other"]:
            text = row[span["column"]] or ""
            clause = text[span["start"] : span["end"]]
            masked = shown(text, span["start"], span["end"]) if any(c.isalpha() for c in clause) else ""
            if masked:
                parts.setdefault(row["language"], []).append((row["review_id"], clause, masked, side))
    return {
        code: _Clauses(
            [p[0] for p in listed], [p[1] for p in listed], [p[2] for p in listed], np.array([p[3] for p in listed])
        )
        for code, listed in parts.items()
    }


class _Empty(WordFile):
    """Stop words by language, separated by blanks: words that are left out because they describe no theme."""

    en: str
    zh: str


@lru_cache
def _empty_words() -> frozenset[str]:
    """Return the stop words of all languages, read once per process."""
    words = read_words(_Empty, __package__, "discovery.yaml")
    return frozenset([*words.en.split(), *words.zh.split()])


def terms_of(text: str, language: str) -> list[str]:
    """Return the terms of a clause in order: words without stop words ("the zip broke" -> ["zip", "broke"]).

    In Chinese, Japanese and Thai a term is a pair of neighbouring characters. No term has a digit.

    Args:
        text: The clause.
        language: ISO 639-1 code.
    """
    words, empty = re.findall(r"[^\W\d_]+", text.lower()), _empty_words()
    if language in _UNSPACED:
        parts = [w[i : i + 2] for w in words for i in range(len(w) - 1)]
        return [p for p in parts if p not in empty and not empty.intersection(p)]
    return [w for w in words if w not in empty and len(w) > 1]


def _themes(language: str, clauses: _Clauses, config: Discovery) -> list[Theme]:
    """Find the stable themes of one language, trying several numbers of clusters, the most stable theme first.

    A theme is left out if more than half of its clauses (_OVERLAP) are in more stable themes.
    """
    terms = [terms_of(text, language) for text in clauses.texts]
    vectors = _vectors(terms)
    if vectors is None:
        return []
    results: list[tuple[float, np.ndarray]] = []
    for clusters in sorted({max(2, config.clusters // part) for part in _SIZES}):
        results += _stable(vectors, clauses.half, clusters, config)
    results.sort(key=lambda one: (-one[0], -one[1].sum(), int(one[1].argmax())))
    taken, themes = np.zeros(len(terms), bool), []
    for stability, inside in results:
        people = {clauses.reviews[i] for i in np.flatnonzero(inside).tolist()}
        name = _name(inside, terms, clauses)
        if len(people) >= _PEOPLE and name and (inside & taken).sum() <= _OVERLAP * inside.sum():
            taken |= inside
            quotes = _middle(vectors, inside, clauses)
            themes.append(Theme(language, name, int(inside.sum()), len(people), stability, quotes))
    return themes


def _stable(vectors: np.ndarray, half: np.ndarray, clusters: int, config: Discovery) -> list[tuple[float, np.ndarray]]:
    """Cluster all clauses by the centres of each half, and return the clusters that occur in both clusterings.

    Args:
        vectors: Vectors of the clauses, [n, d].
        half: 0 or 1, the half of each clause, [n].
        clusters: Number of clusters.
        config: Settings with the least Jaccard index (`stable`) and the least size (`least`).

    Returns:
        (Jaccard index, mask) for each pair of matching clusters. The mask, bool [n], is True for the clauses that are
        in both clusters of the pair.
    """
    first, second = (_nearest(vectors, _centres(vectors[half == side], clusters, config.seed)) for side in (0, 1))
    out = []
    for cluster in np.unique(first).tolist():
        in_first = first == cluster
        in_second = second == Counter(second[in_first].tolist()).most_common(1)[0][0]
        both = in_first & in_second
        stability = float(both.sum() / (in_first | in_second).sum())
        if stability >= config.stable and both.sum() >= config.least:
            out.append((stability, both))
    return out


def _vectors(terms: Sequence[Sequence[str]]) -> np.ndarray | None:
    """Encode clauses as centred vectors of length 1 by latent semantic analysis.

    Returns:
        float32 [n, d]; None if the clauses share too few terms.
    """
    used = Counter(term for one in terms for term in set(one))
    most = _MOST_USE * len(terms)
    ranked = sorted((t for t, n in used.items() if _LEAST_USE <= n <= most), key=lambda t: (-used[t], t))[:_VOCABULARY]
    if len(ranked) < _FEW_TERMS:
        return None
    place = {term: i for i, term in enumerate(ranked)}
    weight = np.log(len(terms) / np.array([used[t] for t in ranked], np.float32))
    matrix = np.zeros((len(terms), len(ranked)), np.float32)
    for row, one in enumerate(terms):
        held = [place[t] for t in set(one) if t in place]
        matrix[row, held] = weight[held]
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-6)
    _, axes = np.linalg.eigh(matrix.T @ matrix)
    reduced = matrix @ axes[:, -min(_DIMENSIONS, len(ranked) // 2) :]
    reduced -= reduced.mean(axis=0)
    return np.asarray(reduced / np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-6), np.float32)


def _centres(vectors: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Run k-means from several random starts, and return the centres of the best run, [k, d].

    The best run has the least sum of squared distances. The starts are drawn by k-means++ (Arthur and Vassilvitskii
    2007).
    """
    best, least = vectors[:1], np.inf
    for start in range(_STARTS):
        draw = np.random.default_rng([seed, start])
        centres = vectors[[int(draw.integers(len(vectors)))]]
        gap = ((vectors - centres[0]) ** 2).sum(axis=1)
        while len(centres) < min(clusters, len(vectors)):
            chosen = draw.choice(len(vectors), p=gap / gap.sum()) if gap.sum() > 0 else 0
            centres = np.vstack([centres, vectors[chosen]])
            gap = np.minimum(gap, ((vectors - centres[-1]) ** 2).sum(axis=1))
        for _ in range(_ROUNDS):
            near = _nearest(vectors, centres)
            member = (near == np.arange(len(centres))[:, None]).astype(np.float32)
            sums, sizes = member @ vectors, member.sum(axis=1)[:, None]
            moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres)
            if np.allclose(moved, centres, atol=1e-5):
                break
            centres = moved
        cost = float(((vectors - centres[_nearest(vectors, centres)]) ** 2).sum())
        if cost < least:
            best, least = centres, cost
    return best


def _nearest(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the index of each vector's nearest centre, [n]."""
    return np.asarray(((centres**2).sum(axis=1) - 2 * vectors @ centres.T).argmin(axis=1))


def _name(inside: np.ndarray, terms: Sequence[Sequence[str]], clauses: _Clauses) -> str:
    """Name a cluster by its most characteristic terms (class-based TF-IDF) among those that several reviews use.

    Args:
        inside: True for the clauses in the cluster, bool [n].
        terms: The terms of each clause, [n].
        clauses: The clauses, for the reviews that they come from.

    Returns:
        The terms, separated by commas; "" if none of them occurs in at least 40 % of the cluster's clauses. Clauses
        that have nothing in common can also form a stable cluster, but that is not a theme.
    """
    overall = Counter(term for one in terms for term in set(one))
    here: Counter[str] = Counter()
    people: dict[str, set[str]] = {}
    for i in np.flatnonzero(inside).tolist():
        for term in set(terms[i]):
            here[term] += 1
            people.setdefault(term, set()).add(clauses.reviews[i])
    mean = sum(here.values())
    score = {t: n * float(np.log1p(mean / overall[t])) for t, n in here.items() if len(people[t]) >= _PEOPLE}
    chosen = sorted(score, key=lambda t: (-score[t], t))[:_TERMS]
    return ", ".join(chosen) if chosen and max(here[t] for t in chosen) >= _ABOUT * inside.sum() else ""


def _middle(vectors: np.ndarray, inside: np.ndarray, clauses: _Clauses) -> tuple[Quote, ...]:
    """Return the clauses nearest to a cluster's centre as quotes, at most _QUOTES, each of another review.

    Args:
        vectors: Vectors of the clauses, [n, d].
        inside: True for the clauses in the cluster, bool [n].
        clauses: The clauses.
    """
    at = np.flatnonzero(inside)
    order = at[np.argsort(-(vectors[at] @ vectors[at].mean(axis=0)), kind="stable")]
    quotes: dict[str, str] = {}
    for i in order.tolist():
        if clauses.shown[i] not in quotes.values():
            quotes.setdefault(clauses.reviews[i], clauses.shown[i])
        if len(quotes) == _QUOTES:
            break
    return tuple(Quote(review, text) for review, text in quotes.items())
