"""What the vectors of one language have in common, and how they turn into those of another.

- Centring: the mean vector of a language is subtracted. It holds what all texts of that language and of that kind
  (query, product) share, which is most of what a sentence encoder's vectors hold, and hides what a text is about.
- Alignment: a linear map from the queries of one language to those of another, learnt from pairs of equal queries by
  ridge regression towards the identity (compare Mikolov, Le and Sutskever 2013).

Both belong to the index and are not learnt from the queries that it answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shopbatch.core.yaml_values import parse_yaml
from shopbatch.vectors.dense import normalised

ANY = "*"  # the mean of all languages together
LEAST = 50  # texts of a language from which its mean is its own
RIDGE = 2.0  # how strongly the map is held to the identity, per pair of unit vectors
ROWS = 65_536  # vectors of a block
OWN = 0.1  # share of the products in a language from which its queries are compared with those, and not mapped
REFERENCE = Path(__file__).with_name("reference_queries.yaml")


@dataclass(frozen=True)
class LanguageVectors:
    """What is subtracted from vectors, and the maps between languages.

    Attributes:
        products, queries: Mean vectors, float32 [dim] by language, ANY for all.
        maps: float32 [dim, dim] by `from-to`, to multiply a centred row vector with.
    """

    products: Mapping[str, np.ndarray]
    queries: Mapping[str, np.ndarray]
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of_products(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Centre the vectors of products; float32 [n, dim] at length 1."""
        return centred(vectors, languages, self.products)

    def of_queries(self, vectors: np.ndarray, languages: Sequence[str], shares: Mapping[str, float]) -> np.ndarray:
        """Centre the vectors of queries, and map those in a language that the catalogue is not in.

        Args:
            vectors: As the encoder gives them, float32 [n, dim].
            languages: [n].
            shares: The share of the products in each language.
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
    """Return the mean vector of every language that at least LEAST texts are in, and of all texts.

    Args:
        vectors: float [n, dim].
        languages: [n].
    """
    if not len(vectors):
        return {}
    names = sorted(set(languages))
    at = {name: number for number, name in enumerate(names)}
    codes = np.array([at[language] for language in languages], np.int64)
    counts, sums = np.bincount(codes, minlength=len(names)), np.zeros((len(names), vectors.shape[1]))
    for start in range(0, len(vectors), ROWS):  # in blocks, so that the vectors may be float16 and many
        here = codes[start : start + ROWS]
        block = vectors[start : start + ROWS].astype(np.float64)
        for number in np.unique(here):
            sums[number] += block[here == number].sum(axis=0)
    means = {n: (sums[i] / counts[i]).astype(np.float32) for i, n in enumerate(names) if counts[i] >= LEAST}
    return {ANY: (sums.sum(axis=0) / len(vectors)).astype(np.float32), **means}


def centred(vectors: np.ndarray, languages: Sequence[str], means: Mapping[str, np.ndarray]) -> np.ndarray:
    """Subtract from each vector the mean of its language, or else of all, and return it at length 1, float32."""
    if not means or not len(vectors):
        return normalised(vectors)
    names = sorted(means)
    table = np.stack([means[name] for name in names]).astype(np.float32)
    at = {name: number for number, name in enumerate(names)}
    rows = np.array([at.get(language, at[ANY]) for language in languages], np.int64)
    return normalised(np.asarray(vectors, np.float32) - table[rows])


def reference_queries() -> dict[str, list[str]]:
    """Return the reference queries by language; those at one place mean the same."""
    tree = parse_yaml(REFERENCE.read_text("utf-8"))
    return {language: [row[n] for row in tree["queries"]] for n, language in enumerate(tree["languages"])}


def learnt(vectors: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Learn the means of queries and the maps between their languages.

    Args:
        vectors: The vectors of the reference queries, float32 [n, dim] by language, row by row of the same meaning.
    """
    means = {language: rows.mean(axis=0) for language, rows in vectors.items()}
    means[ANY] = np.concatenate(list(vectors.values())).mean(axis=0)
    unit = {language: normalised(rows - means[language]).astype(np.float64) for language, rows in vectors.items()}
    maps = {f"{a}-{b}": alignment(unit[a], unit[b]) for a in unit for b in unit if a != b}
    return means, maps


def alignment(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the map W, float32 [dim, dim], of least ||source W - target||^2 + RIDGE ||W - I||^2."""
    dim = source.shape[1]
    step = np.linalg.solve(source.T @ source + RIDGE * np.eye(dim), source.T @ (target - source))
    return (np.eye(dim) + step).astype(np.float32)
