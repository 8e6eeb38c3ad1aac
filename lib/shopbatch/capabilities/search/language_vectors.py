"""Makes vectors comparable across languages: removes what all texts of a language share, and maps between languages.

- Centring: the mean vector of a language is subtracted. The mean holds what all texts of that language and of that kind
  (query, product) have in common. This is most of what a sentence encoder's vectors hold, and it hides the subject of a
  text.
- Alignment: a linear map from the queries of one language to those of another, learnt from pairs of equivalent queries
  by ridge regression towards the identity (compare Mikolov, Le and Sutskever 2013).

The means and maps are stored in the index. They are not learnt from the queries that the index answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shopbatch.core.yaml_values import parse_yaml
from shopbatch.vectors.dense import normalised

ANY = "*"  # the mean of all languages together
LEAST = 50  # texts that a language needs for a mean of its own
RIDGE = 2.0  # weight of the penalty that pulls a map towards the identity
ROWS = 65_536  # vectors per block
OWN = 0.1  # queries are not mapped if at least this share of the products is in their language
REFERENCE = Path(__file__).with_name("reference_queries.yaml")


@dataclass(frozen=True)
class LanguageVectors:
    """The mean vectors of languages and the maps between languages.

    Attributes:
        products: Mean product vector by language, float32 [dim]; the key ANY is the mean of all languages.
        queries: Mean query vector by language, float32 [dim]; the key ANY is the mean of all languages.
        maps: Matrix by `from-to` ("zh-en"), float32 [dim, dim], by which a centred row vector is multiplied.
    """

    products: Mapping[str, np.ndarray]
    queries: Mapping[str, np.ndarray]
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of_products(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Subtract from product vectors the mean of their language; returns float32 [n, dim] at length 1."""
        return centred(vectors, languages, self.products)

    def of_queries(self, vectors: np.ndarray, languages: Sequence[str], shares: Mapping[str, float]) -> np.ndarray:
        """Centre the vectors of queries, and map those whose language is rare in the catalogue to its main language.

        Args:
            vectors: The vectors as the encoder returns them, float32 [n, dim].
            languages: The language of each query, [n].
            shares: The share of the products in each language, 0 to 1. A language is rare if its share is below `OWN`
                (0.1).

        Returns:
            float32 [n, dim] at length 1.
        """
        out = centred(vectors, languages, self.queries)
        main = max(shares, key=lambda name: (shares[name], name), default="")
        for language in sorted(set(languages)):
            way = self.maps.get(f"{language}-{main}")
            if way is not None and language != main and shares.get(language, 0.0) < OWN:
                rows = np.flatnonzero(np.asarray(languages, object) == language)
                out[rows] = normalised(out[rows] @ way)
        return out


def means_of(vectors: np.ndarray, languages: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the mean vector of each language with at least LEAST texts, and of all texts together (key ANY).

    Args:
        vectors: float [n, dim].
        languages: The language of each vector, [n].

    Returns:
        float32 [dim] by language; empty without vectors.
    """
    if not len(vectors):
        return {}
    names = sorted(set(languages))
    at = {name: number for number, name in enumerate(names)}
    codes = np.array([at[language] for language in languages], np.int64)
    counts, sums = np.bincount(codes, minlength=len(names)), np.zeros((len(names), vectors.shape[1]))
    for start in range(0, len(vectors), ROWS):  # in blocks, since float64 copies of all vectors need too much memory
        here = codes[start : start + ROWS]
        block = vectors[start : start + ROWS].astype(np.float64)
        for number in np.unique(here):
            sums[number] += block[here == number].sum(axis=0)
    means = {n: (sums[i] / counts[i]).astype(np.float32) for i, n in enumerate(names) if counts[i] >= LEAST}
    return {ANY: (sums.sum(axis=0) / len(vectors)).astype(np.float32), **means}


def centred(vectors: np.ndarray, languages: Sequence[str], means: Mapping[str, np.ndarray]) -> np.ndarray:
    """Subtract from each vector the mean of its language, and return it at length 1, float32 [n, dim].

    Args:
        vectors: float [n, dim].
        languages: The language of each vector, [n].
        means: Mean vector by language; the key ANY is used for a language without one. Empty: nothing is subtracted.
    """
    if not means or not len(vectors):
        return normalised(vectors)
    names = sorted(means)
    table = np.stack([means[name] for name in names]).astype(np.float32)
    at = {name: number for number, name in enumerate(names)}
    rows = np.array([at.get(language, at[ANY]) for language in languages], np.int64)
    return normalised(np.asarray(vectors, np.float32) - table[rows])


def reference_queries() -> dict[str, list[str]]:
    """Return the reference queries of the YAML file by language; texts at the same position mean the same."""
    tree = parse_yaml(REFERENCE.read_text("utf-8"))
    return {language: [row[n] for row in tree["queries"]] for n, language in enumerate(tree["languages"])}


def learnt(vectors: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Learn the mean query vector of each language, and a map between each pair of languages.

    Args:
        vectors: The vectors of the reference queries by language, float32 [n, dim]; rows at the same position mean the
            same.

    Returns:
        The means, float32 [dim] by language and ANY; the maps, float32 [dim, dim] by `from-to`.
    """
    means = {language: rows.mean(axis=0) for language, rows in vectors.items()}
    means[ANY] = np.concatenate(list(vectors.values())).mean(axis=0)
    unit = {language: normalised(rows - means[language]).astype(np.float64) for language, rows in vectors.items()}
    maps = {f"{a}-{b}": alignment(unit[a], unit[b]) for a in unit for b in unit if a != b}
    return means, maps


def alignment(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Learn the linear map from one language's query vectors to another's, by ridge regression towards the identity.

    Args:
        source: Centred vectors of the reference queries in one language, float64 [n, dim].
        target: Centred vectors of the same queries in the other language, float64 [n, dim].

    Returns:
        The matrix W, float32 [dim, dim], that minimises ||source W - target||^2 + RIDGE ||W - I||^2.
    """
    dim = source.shape[1]
    step = np.linalg.solve(source.T @ source + RIDGE * np.eye(dim), source.T @ (target - source))
    return (np.eye(dim) + step).astype(np.float32)
